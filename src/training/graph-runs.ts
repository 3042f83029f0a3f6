import { slice, type Dataset } from '../data/dataset.js';
import type { TrainingGraph } from '../autodiff/training.js';
import type { ElementKind } from '../device/device.js';
import type { Queue } from '../device/queue.js';
import type { Bound, Tensor } from '../onnx/run/session.js';
import type { TrainingRows } from './criterion.js';
import type { GraphSessions } from './graph-sessions.js';
import { layoutOf } from './memory.js';
import type { Objective } from './objective.js';
import type { RowRange } from './row-range.js';

/** Losses of rows at their times. */
export interface RowLosses {
  /** The mean. */
  readonly loss: number;
  /** Of each row, where the graph tells. */
  readonly losses?: Float32Array;
  readonly times: Float64Array;
}

/** What a run finds: the mean loss and, where the graph tells, that of each row. */
export interface FoundLosses {
  readonly loss: Float32Array | Float64Array;
  readonly losses?: Float32Array;
}

/** A run on so many rows, with the arrays of its inputs and outputs. */
interface Run extends FoundLosses {
  readonly run: Bound;
  readonly inputs: Readonly<Record<string, Tensor['data']>>;
}

/** Rows in their places, for the next run. */
export interface FedRows {
  readonly times: Float64Array;
  /** @internal */
  readonly run: Run;
}

/** Runs of a training graph on a queue, all of their inputs and outputs being arrays of it. */
export class GraphRuns {
  readonly #graph: TrainingGraph;
  readonly #sessions: GraphSessions;
  readonly #objective: Objective;
  readonly #queue: Queue;
  readonly #parameters: Readonly<Record<string, BoundArray>>;
  readonly #gradients: Readonly<Record<string, BoundArray>>;
  readonly #runs = new Map<number, Run>();

  /**
   * @param objective noises on the queue
   * @param parameters all of them, in the places that the graph's have
   * @param gradient takes their gradients in the same places; absent where only losses are wanted
   */
  constructor(
    graph: TrainingGraph,
    sessions: GraphSessions,
    objective: Objective,
    queue: Queue,
    parameters: Float32Array,
    gradient?: Float32Array,
  ) {
    this.#graph = graph;
    this.#sessions = sessions;
    this.#objective = objective;
    this.#queue = queue;
    const values: Record<string, BoundArray> = {};
    const gradients: Record<string, BoundArray> = {};
    const { places } = layoutOf(graph.parameters);
    for (const [i, { name, shape, gradient: output }] of graph.parameters.entries()) {
      const { begin, end } = places[i]!;
      values[name] = { data: parameters.subarray(begin, end), dims: shape };
      if (gradient) gradients[output] = { data: gradient.subarray(begin, end), dims: shape };
    }
    this.#parameters = values;
    this.#gradients = gradients;
  }

  /** Opens a session for as many rows as these, before the first such rows are fed. */
  async open(rows: TrainingRows): Promise<void> {
    const { tensors, times } = this.#objective.feeds(rows);
    if (!this.#runs.has(times.length)) await this.#open(times.length, tensors);
  }

  /** Puts rows in their places, after the commands before. */
  feed(rows: TrainingRows): FedRows {
    const { tensors, times } = this.#objective.feeds(rows);
    const run = this.#runs.get(times.length)!;
    for (const [name, { data }] of Object.entries(tensors)) {
      const place = run.inputs[name]!;
      if (place !== data) this.#queue.write(place, data);
    }
    return { times, run };
  }

  /** Runs the graph on the rows that were put in place last. */
  run({ run }: FedRows): void {
    run.run();
  }

  /** Arrays for what a run on so many rows finds. */
  allocateFound(rows: number): FoundLosses {
    const { loss, losses } = this.#runs.get(rows)!;
    const like = (array: Float32Array | Float64Array) =>
      this.#queue.allocate(array.length, kindOf(array)) as Float32Array | Float64Array;
    return { loss: like(loss), ...(losses && { losses: like(losses) as Float32Array }) };
  }

  /** Copies what the last run found, so that another may follow; of all that is computed this alone comes back from a GPU. */
  keepFound({ run: { loss, losses } }: FedRows, kept: FoundLosses): void {
    this.#queue.copy(kept.loss, loss);
    this.#queue.fetch(kept.loss);
    if (!losses) return;
    this.#queue.copy(kept.losses!, losses);
    this.#queue.fetch(kept.losses!);
  }

  /**
   * The part that consecutive rows of data have in the mean loss over all of these, at times and with noise that depend on the row
   * alone.
   * @param size rows of a run
   * @param isStopped ends it early, with NaN
   */
  async shareOfLoss(
    data: Dataset,
    { first: begin, count }: RowRange,
    size: number,
    seed: bigint,
    isStopped: () => boolean,
  ): Promise<number> {
    const feed = async (done: number): Promise<FedRows | undefined> => {
      if (done >= count) return undefined;
      const first = begin + done;
      const { data: x0, labels } = slice(data, first, Math.min(size, count - done));
      const rows = { x0, ...(labels && { labels }), first, step: 0, seed };
      await this.open(rows);
      return this.feed(rows);
    };
    const total = data.shape[0]!;
    let sum = 0;
    let fed = await feed(0);
    for (let done = 0; fed !== undefined; done += size) {
      if (isStopped()) return NaN;
      this.run(fed);
      this.#queue.fetch(fed.run.loss);
      const [next] = await Promise.all([feed(done + size), this.#queue.settled()]);
      sum += (fed.times.length / total) * fed.run.loss[0]!;
      fed = next;
    }
    return sum;
  }

  async #open(rows: number, tensors: Readonly<Record<string, Tensor>>): Promise<Run> {
    const session = await this.#sessions.for(rows);
    const allocate = (length: number, kind: ElementKind): Tensor['data'] =>
      this.#queue.allocate(length, kind) as Tensor['data'];
    const inputs: Record<string, Tensor> = {};
    for (const [name, { data, dims }] of Object.entries(tensors)) {
      const isPlaced = data.buffer instanceof SharedArrayBuffer;
      inputs[name] = { data: isPlaced ? data : allocate(data.length, kindOf(data)), dims };
    }
    const output = (name: string) => session.outputs.find((each) => each.name === name);
    const { type, shape = [] } = output(this.#graph.loss)!;
    const loss = allocate(1, type === 'float64' ? 'double' : 'single') as Float32Array | Float64Array;
    const hasLosses = output('losses')?.type === 'float32';
    const losses = hasLosses ? (allocate(rows, 'single') as Float32Array) : undefined;
    const bound = session.bind!(
      this.#queue,
      { ...this.#parameters, ...inputs },
      {
        [this.#graph.loss]: { data: loss, dims: shape.map(() => 1) },
        ...(losses && { losses: { data: losses, dims: [rows] } }),
        ...this.#gradients,
      },
    );
    const arrays = Object.entries(inputs).map(([name, { data }]) => [name, data] as const);
    const run: Run = { run: bound, inputs: Object.fromEntries(arrays), loss, ...(losses && { losses }) };
    this.#runs.set(rows, run);
    return run;
  }
}

interface BoundArray {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

function kindOf(data: Tensor['data']): ElementKind {
  if (data instanceof Float32Array) return 'single';
  if (data instanceof Float64Array) return 'double';
  if (data instanceof Uint16Array) return 'half';
  return data instanceof BigInt64Array ? 'int64' : 'int32';
}
