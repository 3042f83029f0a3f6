import type { Model } from '../onnx/file/model.js';
import type { Validation } from './checkpoint.js';

/** Where a run is, with means over the steps since the previous report. */
export interface TrainProgress {
  /** Steps made, of `steps`. */
  readonly step: number;
  /** Steps of the whole run. */
  readonly steps: number;
  /** The weighted loss. */
  readonly loss: number;
  /** The same by time; buckets without rows are left out. */
  readonly losses: readonly TimeBucket[];
  /** L2 norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Samples trained on in a second, since the last report. */
  readonly imagesPerSecond: number;
  /** Seconds since this process started to train, and those that it will still take at this speed. */
  readonly seconds: number;
  /** Seconds that the run will still take at this speed. */
  readonly remaining: number;
  /** Of the latest checkpoint. */
  readonly validation?: Validation;
  /** The network with the first average as it is after this step; every `modelEvery` steps. */
  readonly model?: Model | undefined;
}

/** Rows whose time t lies in [from, to). */
export interface TimeBucket {
  /** Least time of its rows, in the unit of the SDE. */
  readonly from: number;
  /** End of its times, which is not among them. */
  readonly to: number;
  /** Mean over the rows. */
  readonly loss: number;
  /** Rows whose times fell into it. */
  readonly rows: number;
}

/** A trained network, and how the training went. */
export interface TrainResult {
  /** The network with the weights of the first average and complete metadata, ready for `loadModel`. */
  readonly model: Model;
  /** One model for each moving average; the first is `model`. */
  readonly averages: readonly Model[];
  /** Steps in all, and the step from which this run went on (0 for one from the beginning). */
  readonly steps: number;
  /** The step of the checkpoint that this run went on from; 0 for one from the beginning. */
  readonly resumedFrom: number;
  /** Mean over the last report; absent where nothing was left to do. */
  readonly loss?: number;
  /** Of this run, without a resumed one's earlier part. */
  readonly seconds: number;
  /** Samples trained on in a second, over this run. */
  readonly imagesPerSecond: number;
  /** Share of the workers' time that went to running the network; the rest is data, the optimizer and waiting. */
  readonly networkShare: number;
  /** File of the last checkpoint. */
  readonly checkpoint?: string;
  /** The checkpoint of the least validation loss. */
  readonly best?: Validation & { readonly path: string };
  /** Initializers that the network depends on and that were not trained, such as tables and frequencies. */
  readonly untrained: readonly string[];
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}
