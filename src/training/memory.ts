import { barrierMemory } from './barrier.js';

/** The state of a run: all that a step changes. Parameters of all tensors lie in one array, in the order of the names. */
export interface TrainingState {
  readonly parameters: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments: Float32Array;
  /** One for each moving average. */
  readonly averages: readonly Float32Array[];
}

/** What the workers of a run share, all of it over SharedArrayBuffers. */
export interface Memory extends TrainingState {
  readonly barrier: Int32Array<SharedArrayBuffer>;
  /** See {@link Flag}. */
  readonly flags: Int32Array<SharedArrayBuffer>;
  /** The gradient of each worker's rows; after the sum, the gradient of the step in the first of them. */
  readonly gradients: readonly Float32Array[];
  /** Figures of each worker, see {@link Figure}. */
  readonly figures: readonly Float64Array[];
}

/** What the main thread and the first worker tell each other. */
export const Flag = {
  /** Set by the main thread: stop after the step under way. */
  stopWanted: 0,
  /** Set by the first worker in the middle of a step, so that all workers stop after the same one. */
  stop: 1,
  /** Counts requests of the main thread for the state. */
  stateWanted: 2,
  /** 1 while a checkpoint is being written. */
  writing: 3,
  /** 1 from a report with the state until somebody has taken it. */
  showing: 4,
  /** The last step that this process made, 0 before. */
  step: 5,
} as const;

/** Elements of {@link Memory.figures}. */
export const Figure = {
  /** This worker's share of the mean loss of the step. */
  loss: 0,
  /** Sum of squares of this worker's part of the gradient. */
  squares: 1,
  /** Milliseconds in the network so far. */
  network: 2,
  /** This worker's share of the loss on the held-out data. */
  validation: 3,
  /** From here on, for each bucket of times: sum of the losses so far, number of rows so far. */
  buckets: 4,
} as const;

/** Zeroed memory for so many parameters. */
export function allocate(parameters: number, averages: number, workers: number, buckets: number): Memory {
  const floats = (): Float32Array => new Float32Array(new SharedArrayBuffer(4 * parameters));
  const many = (count: number): Float32Array[] => Array.from({ length: count }, floats);
  const flags = Object.keys(Flag).length;
  const figures = Figure.buckets + 2 * buckets;
  return {
    parameters: floats(),
    firstMoments: floats(),
    secondMoments: floats(),
    averages: many(averages),
    gradients: many(workers),
    barrier: barrierMemory(),
    flags: new Int32Array(new SharedArrayBuffer(4 * flags)),
    figures: Array.from({ length: workers }, () => new Float64Array(new SharedArrayBuffer(8 * figures))),
  };
}

/** A copy over memory of its own. */
export function copyState(state: TrainingState): TrainingState {
  const copy = (values: Float32Array): Float32Array => Float32Array.from(values);
  return {
    parameters: copy(state.parameters),
    firstMoments: copy(state.firstMoments),
    secondMoments: copy(state.secondMoments),
    averages: state.averages.map(copy),
  };
}
