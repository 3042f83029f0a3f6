import { pick, type Dataset } from '../data/dataset.js';
import { stayOnThisThread } from '../device/addon.js';
import { affine } from '../device/kernels.js';
import { Queue } from '../device/queue.js';
import type { TrainingGraph } from '../autodiff/training.js';
import type { Ema } from './ema.js';
import { GraphRuns, type FedRows, type RowLosses } from './graph-runs.js';
import { GraphSessions } from './graph-sessions.js';
import { arraysOf, type Memory } from './memory.js';
import type { Objective } from './objective.js';
import { Optimizer } from './optimizer.js';
import type { ResolvedSettings } from './options.js';
import { DataOrder, drawFlips } from './order.js';
import { partOf, type RowRange } from './row-range.js';

/** What a run is made of, beside the state. */
export interface PartJob {
  readonly graph: TrainingGraph;
  /** Makes the objective anew, to noise on a queue. */
  readonly objective: (queue: Queue) => Objective;
  readonly data: Dataset;
  readonly validation?: Dataset;
  readonly settings: ResolvedSettings;
  readonly averages: readonly Ema[];
}

/** The losses of one part of a batch: of each of its runs, and the milliseconds of these. */
export interface PartLosses {
  readonly runs: readonly RowLosses[];
  readonly milliseconds: number;
}

/** One part of every batch, and one slice of the optimizer: a queue of its own, with sessions of one thread. */
export class BatchPart {
  readonly queue: Queue;
  readonly optimizer: Optimizer;
  readonly #job: PartJob;
  readonly #index: number;
  readonly #memory: Memory;
  readonly #sessions: GraphSessions;
  readonly #order: DataOrder;
  readonly #runs: GraphRuns;
  readonly #validation: GraphRuns | undefined;
  readonly #rows: RowRange;
  /** The gradient of one run: the part's own, or with several runs what is added to that. */
  readonly #gradient: Float32Array;
  /** Rows that are in place already: those of the next run. */
  #fed: FedRows | undefined;

  constructor(job: PartJob, memory: Memory, index: number, signal: AbortSignal) {
    const { graph, settings, averages, data } = job;
    const { batch, accumulation } = settings;
    this.#job = job;
    this.#index = index;
    this.#memory = memory;
    this.queue = new Queue(signal);
    stayOnThisThread(this.queue.number);
    for (const array of [...arraysOf(memory), ...memory.gradients]) this.queue.hold(array);
    this.optimizer = new Optimizer(memory, settings, averages, index, this.queue);
    this.#order = new DataOrder(data.shape[0]!, settings.seed);
    this.#rows = partOf({ first: 0, count: batch }, index, memory.gradients.length);
    const counts = Array.from({ length: accumulation }, (_, k) => partOf(this.#rows, k, accumulation).count);
    this.#sessions = new GraphSessions(graph.model, new Set(counts));
    this.#gradient =
      accumulation === 1
        ? memory.gradients[index]!
        : (this.queue.allocate(memory.parameters.length, 'single') as Float32Array);
    const runs = (parameters: Float32Array, gradient?: Float32Array): GraphRuns =>
      new GraphRuns(graph, this.#sessions, job.objective(this.queue), this.queue, parameters, gradient);
    this.#runs = runs(memory.parameters, this.#gradient);
    if (job.validation) this.#validation = runs(memory.averages[0]!);
  }

  /** Opens a session, and puts the first rows of a step in their places. */
  async open(step: number): Promise<void> {
    this.#fed = await this.#feed(step, 0);
  }

  /**
   * Writes this part's gradient, of the mean loss of its rows (with several runs, of the batch), and meanwhile puts the rows of the next
   * step in their places. A part alone makes the sum, too. It ends early with a run whose loss is not finite.
   */
  async differentiate(step: number): Promise<PartLosses> {
    const { batch, accumulation, steps } = this.#job.settings;
    const sum = this.#memory.gradients[this.#index]!;
    const runs: RowLosses[] = [];
    const start = performance.now();
    for (let k = 0; k < accumulation; k++) {
      const fed = this.#fed ?? (await this.#feed(step, k));
      const share = partOf(this.#rows, k, accumulation).count / batch;
      this.#runs.run(fed);
      const isLast = k === accumulation - 1;
      if (accumulation > 1 && k === 0) this.#combine(sum, [this.#gradient], [share]);
      else if (accumulation > 1) this.#combine(sum, [sum, this.#gradient], [1, share]);
      // Nobody else's gradient is waited for.
      if (isLast && this.#memory.gradients.length === 1) this.optimizer.sum();
      const done = this.queue.settled();
      const next =
        isLast && step === steps ? undefined : this.#feed(isLast ? step + 1 : step, (k + 1) % accumulation);
      [this.#fed] = await Promise.all([next, done]);
      const found = this.#runs.losses(fed);
      runs.push(found);
      if (!Number.isFinite(found.loss)) break;
    }
    return { runs, milliseconds: performance.now() - start };
  }

  /**
   * This part's share of the loss of the first average on the held-out data, at times and with noise that depend on the row
   * alone.
   * @param isStopped ends it early, with NaN
   */
  async validate(isStopped: () => boolean): Promise<number> {
    const [runs, data] = [this.#validation!, this.#job.validation!];
    const { batch, accumulation, seed } = this.#job.settings;
    const parts = this.#memory.gradients.length;
    const total = data.shape[0]!;
    const rows = partOf({ first: 0, count: total }, this.#index, parts);
    const size = Math.ceil(batch / (parts * accumulation));
    return runs.shareOfLoss(data, rows, size, seed, isStopped);
  }

  async close(): Promise<void> {
    await this.queue.close();
    await this.#sessions.close();
  }

  async #feed(step: number, k: number): Promise<FedRows> {
    const { seed, flip, batch, accumulation } = this.#job.settings;
    const { first, count } = partOf(this.#rows, k, accumulation);
    const position = (step - 1) * batch + first;
    const { data: x0, labels } = pick(this.#job.data, this.#order.samples(position, count));
    const flips = flip && { flips: drawFlips(position, count, seed) };
    return await this.#runs.feed({ x0, ...(labels && { labels }), ...flips, first, step, seed });
  }

  #combine(out: Float32Array, operands: readonly Float32Array[], coefficients: readonly number[]): void {
    const row = Float64Array.of(...coefficients, 0);
    affine(out, operands, row, undefined, undefined, this.queue.number);
  }
}
