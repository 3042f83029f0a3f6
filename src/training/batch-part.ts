import { pick, type Dataset } from '../data/dataset.js';
import { stayOnThisThread } from '../device/addon.js';
import { affine } from '../device/kernels.js';
import { Queue } from '../device/queue.js';
import type { TrainingGraph } from '../autodiff/training.js';
import type { TrainingRows } from './criterion.js';
import type { Ema } from './ema.js';
import { GraphRuns, type FoundLosses, type RowLosses } from './graph-runs.js';
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

/** Where a part puts what it finds in one step of several that are asked for. */
interface Place {
  readonly found: readonly FoundLosses[];
  /** When the network began and when it ended, in each run. */
  readonly network: Float64Array;
  /** When the step had been made. */
  readonly end: Float64Array;
  /** What the step's squares of the gradient were. */
  readonly squares: Float64Array;
  times: readonly Float64Array[];
}

/** One part of every batch, and one slice of the optimizer: a queue of its own, with sessions of one thread or on a GPU. */
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
  /** For as many steps as are asked for at once, in turn. */
  readonly #places: Place[] = [];

  constructor(job: PartJob, memory: Memory, index: number, signal: AbortSignal) {
    const { graph, settings, averages, data } = job;
    const { batch, accumulation, provider, tf32 } = settings;
    this.#job = job;
    this.#index = index;
    this.#memory = memory;
    this.queue = new Queue(signal, provider);
    if (provider === 'cpu') stayOnThisThread(this.queue.number);
    for (const array of [...arraysOf(memory), ...memory.gradients, memory.squares]) this.queue.hold(array);
    this.optimizer = new Optimizer(memory, settings, averages, index, this.queue);
    this.#order = new DataOrder(data.shape[0]!, settings.seed);
    this.#rows = partOf({ first: 0, count: batch }, index, memory.gradients.length);
    this.#sessions = new GraphSessions(graph.model, new Set(this.#counts), { provider, tf32 });
    this.#gradient =
      accumulation === 1
        ? memory.gradients[index]!
        : (this.queue.allocate(memory.parameters.length, 'single') as Float32Array);
    const runs = (parameters: Float32Array, gradient?: Float32Array): GraphRuns =>
      new GraphRuns(graph, this.#sessions, job.objective(this.queue), this.queue, parameters, gradient);
    this.#runs = runs(memory.parameters, this.#gradient);
    if (job.validation) this.#validation = runs(memory.averages[0]!);
  }

  /**
   * Opens the sessions.
   * @param steps as many as are asked for before the first of them is read
   */
  async open(steps: number): Promise<void> {
    for (const k of this.#counts.keys()) await this.#runs.open(this.#rowsOf(1, k));
    const { accumulation } = this.#job.settings;
    const doubles = (length: number) => this.queue.allocate(length, 'double') as Float64Array;
    for (let n = 0; n < steps; n++)
      this.#places.push({
        found: this.#counts.map((rows) => this.#runs.allocateFound(rows)),
        network: doubles(2 * accumulation),
        end: doubles(1),
        squares: doubles(this.#memory.squares.length),
        times: [],
      });
    await this.queue.settled();
  }

  /** Writes this part's gradient, of the mean loss of its rows (with several runs, of the batch). All of a step are commands of the queue. */
  differentiate(step: number): void {
    const { batch, accumulation } = this.#job.settings;
    const sum = this.#memory.gradients[this.#index]!;
    const place = this.#place(step);
    place.end[0] = 0;
    const times: Float64Array[] = (place.times = []);
    for (let k = 0; k < accumulation; k++) {
      const fed = this.#runs.feed(this.#rowsOf(step, k));
      times.push(fed.times);
      this.queue.stamp(place.network.subarray(2 * k, 2 * k + 1));
      this.#runs.run(fed);
      this.queue.stamp(place.network.subarray(2 * k + 1, 2 * k + 2));
      this.#runs.keepFound(fed, place.found[k]!);
      if (accumulation === 1) continue;
      const share = this.#counts[k]! / batch;
      if (k === 0) this.#combine(sum, [this.#gradient], [share]);
      else this.#combine(sum, [sum, this.#gradient], [1, share]);
    }
  }

  /** Keeps what is known of a step when all have been added up, and says when it has been made. */
  keep(step: number): void {
    const { squares } = this.#place(step);
    this.queue.copy(squares, this.#memory.squares);
    this.queue.fetch(squares);
  }

  end(step: number): void {
    this.queue.stamp(this.#place(step).end);
  }

  /** The losses of a step. */
  losses(step: number): PartLosses {
    const { found, network, times } = this.#place(step);
    return {
      runs: times.map((rows, k) => {
        const { loss, losses } = found[k]!;
        return { times: rows, loss: loss[0]!, ...(losses && { losses }) };
      }),
      milliseconds: times.reduce((sum, _, k) => sum + network[2 * k + 1]! - network[2 * k]!, 0),
    };
  }

  /** The L2 norm of the gradient of a step. */
  norm(step: number): number {
    return Math.sqrt(this.#place(step).squares.reduce((sum, square) => sum + square, 0));
  }

  /** When a step had been made, in milliseconds of the queues' clock; 0 for one that was not made. */
  madeAt(step: number): number {
    return this.#place(step).end[0]!;
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

  /** Rows of each run of a step. */
  get #counts(): number[] {
    const { accumulation } = this.#job.settings;
    return Array.from({ length: accumulation }, (_, k) => partOf(this.#rows, k, accumulation).count);
  }

  #place(step: number): Place {
    return this.#places[step % this.#places.length]!;
  }

  #rowsOf(step: number, k: number): TrainingRows {
    const { seed, flip, batch, accumulation } = this.#job.settings;
    const { first, count } = partOf(this.#rows, k, accumulation);
    const position = (step - 1) * batch + first;
    const { data: x0, labels } = pick(this.#job.data, this.#order.samples(position, count));
    const flips = flip && { flips: drawFlips(position, count, seed) };
    return { x0, ...(labels && { labels }), ...flips, first, step, seed };
  }

  #combine(out: Float32Array, operands: readonly Float32Array[], coefficients: readonly number[]): void {
    const row = Float64Array.of(...coefficients, 0);
    affine(out, operands, row, undefined, undefined, this.queue.number);
  }
}
