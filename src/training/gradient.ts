import { pick, slice, type Dataset } from '../data/dataset.js';
import { affine } from '../device/kernels.js';
import type { TrainingGraph } from '../autodiff/training.js';
import type { Tensor } from '../onnx/run/runtime.js';
import type { GraphSessions } from './graph-sessions.js';
import type { TrainingRows } from './criterion.js';
import type { Objective } from './objective.js';
import type { ResolvedSettings } from './options.js';
import { DataOrder, drawFlips } from './order.js';
import { elementCount } from '../shape.js';

/** Consecutive rows of a batch. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}

/** Part `index` of `parts` of a range, the parts being as equal as can be. */
export function partOf({ first, count }: RowRange, index: number, parts: number): RowRange {
  const begin = Math.floor((index * count) / parts);
  const end = Math.floor(((index + 1) * count) / parts);
  return { first: first + begin, count: end - begin };
}

/** Losses of rows at their times. */
export interface RowLosses {
  /** The mean. */
  readonly loss: number;
  /** Of each row, where the graph tells. */
  readonly losses?: Float32Array;
  readonly times: Float64Array;
}

/** A training graph with the parameters of one worker, and the data that it is run on. */
export class GradientGraph {
  readonly #graph: TrainingGraph;
  readonly #sessions: GraphSessions;
  readonly #objective: Objective;
  readonly #data: Dataset;
  readonly #settings: ResolvedSettings;
  readonly #order: DataOrder;
  /** The parameters as the session takes them: ONNX Runtime refuses shared memory. */
  readonly #parameters: Float32Array;
  readonly #parameterFeeds: Readonly<Record<string, Tensor>>;
  /** Where each gradient is added up, by output. */
  readonly #gradients: ReadonlyMap<string, Float32Array>;
  readonly #lossOutputs: readonly string[];
  #network = 0;

  /** @param gradient all gradients, one after the other in the order of the graph's parameters */
  constructor(
    graph: TrainingGraph,
    sessions: GraphSessions,
    objective: Objective,
    data: Dataset,
    settings: ResolvedSettings,
    gradient: Float32Array,
  ) {
    this.#graph = graph;
    this.#sessions = sessions;
    this.#objective = objective;
    this.#data = data;
    this.#settings = settings;
    this.#order = new DataOrder(data.shape[0]!, settings.seed);
    this.#parameters = new Float32Array(gradient.length);
    const feeds: Record<string, Tensor> = {};
    const gradients = new Map<string, Float32Array>();
    let begin = 0;
    for (const parameter of graph.parameters) {
      const end = begin + elementCount(parameter.shape);
      feeds[parameter.name] = { data: this.#parameters.subarray(begin, end), dims: parameter.shape };
      gradients.set(parameter.gradient, gradient.subarray(begin, end));
      begin = end;
    }
    this.#parameterFeeds = feeds;
    this.#gradients = gradients;
    const byRow = graph.model.outputs.some(({ name }) => name === 'losses');
    this.#lossOutputs = byRow ? [graph.loss, 'losses'] : [graph.loss];
  }

  /** Milliseconds in the network so far. */
  get network(): number {
    return this.#network;
  }

  /** Takes new values of the parameters. */
  load(parameters: Float32Array): void {
    this.#parameters.set(parameters);
  }

  /** The losses of rows of a step's batch; `share` times the gradient of their mean is added up, or written at the `start`. */
  async run(step: number, rows: RowRange, share: number, start: boolean): Promise<RowLosses> {
    const { seed, flip, batch } = this.#settings;
    const position = (step - 1) * batch + rows.first;
    const { data: x0, labels } = pick(this.#data, this.#order.samples(position, rows.count));
    const mirrored = flip && { flips: drawFlips(position, rows.count, seed) };
    const { outputs, ...losses } = await this.#evaluate(
      { x0, ...(labels && { labels }), ...mirrored, first: rows.first, step, seed },
      [...this.#gradients.keys()],
    );
    for (const [name, sum] of this.#gradients) {
      const gradient = outputs[name]!.data as Float32Array;
      if (start) affine(sum, [gradient], Float64Array.of(share, 0));
      else affine(sum, [sum, gradient], Float64Array.of(1, share, 0));
    }
    return losses;
  }

  /** The losses of rows of a data set, without dropout, at times and with noise that depend on the row alone. */
  async validate(data: Dataset, { first, count }: RowRange): Promise<RowLosses> {
    const { data: x0, labels } = slice(data, first, count);
    // Step 0 is none of training's.
    const rows = { x0, ...(labels && { labels }), first, step: 0, seed: this.#settings.seed };
    const { loss, losses, times } = await this.#evaluate(rows, []);
    return { loss, ...(losses && { losses }), times };
  }

  async #evaluate(
    rows: TrainingRows,
    fetches: readonly string[],
  ): Promise<RowLosses & { readonly outputs: Record<string, Tensor> }> {
    const { tensors, times } = this.#objective.feeds(rows);
    if (rows.step === 0) {
      for (const [name, { data }] of Object.entries(tensors))
        if (name.startsWith('dropout.')) data.fill(1 as never);
    }
    const session = await this.#sessions.for(times.length);
    const start = performance.now();
    const outputs = await session.runHere({ ...this.#parameterFeeds, ...tensors }, [
      ...this.#lossOutputs,
      ...fetches,
    ]);
    this.#network += performance.now() - start;
    const losses = outputs['losses']?.data;
    return {
      outputs,
      times,
      loss: Number(outputs[this.#graph.loss]!.data[0]),
      ...(losses instanceof Float32Array && { losses }),
    };
  }
}
