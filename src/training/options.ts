import type { ParameterSelection } from '../autodiff/parameters.js';
import type { Dataset } from '../data/dataset.js';
import type { Model } from '../onnx/file/model.js';
import type { Ema } from './ema.js';
import type { ObjectiveOptions } from './objective.js';
import type { ScheduleOptions } from './schedule.js';

/** Options of `train`; all but `steps` have defaults. */
export interface TrainOptions extends ScheduleOptions {
  /**
   * Steps of the optimizer, those before a resumption included. A run that goes on may get more of them, even when it was
   * finished; the learning rate then follows the schedule of the new number from there on.
   */
  readonly steps: number;
  /** Images of a step, over all workers. Default 128. */
  readonly batch?: number;
  /** Default: denoising score matching with the weight sigma^2. */
  readonly objective?: ObjectiveOptions;
  /** Unsigned 64-bit seed of the order of the data, times, noise, flips and dropout. Default 0. */
  readonly seed?: bigint | number;
  /** Which initializers are trained. Default "all". */
  readonly parameters?: ParameterSelection;
  /** Mirror each image left to right with probability 1/2. Default false. */
  readonly flip?: boolean;
  /** Decay of AdamW's first moments. Default 0.9. */
  readonly beta1?: number;
  /** Decay of AdamW's second moments. Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled (AdamW). Default 0. */
  readonly weightDecay?: number;
  /** Largest L2 norm of the gradient of all parameters, which is scaled down to it; Infinity for none. Default 1. */
  readonly clip?: number;
  /** Moving averages of the parameters; the first one is exported and validated. Default: warm-up to 0.9999. */
  readonly ema?: Ema | readonly Ema[];
  /** Runs of the network in which a worker does its rows of a step; more take less memory. Default 1. */
  readonly accumulation?: number;
  /** Threads that each train on their part of a batch. Default: one per core. */
  readonly workers?: number;
  /** A training graph of the model made elsewhere, instead of the one that the objective makes. */
  readonly graph?: Model;
  /** Where the state of the run is kept; a run that finds a checkpoint of its own there goes on from it. Default: nowhere. */
  readonly checkpoints?: CheckpointOptions;
  /** Held-out data, on which the first average is evaluated with every checkpoint, always with the same times and noise. */
  readonly validation?: Dataset;
  /** Steps between two reports of progress. Default: as many as take half a second. */
  readonly progressEvery?: number;
  /** Stops after the step under way, with a checkpoint where there is a folder; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CheckpointOptions {
  /** Created where it does not exist; the folder above it has to. Only one process at a time can train into it. */
  readonly folder: string;
  /** Steps between two checkpoints. Default 1000. */
  readonly every?: number;
  /** How many of the last ones stay, beside the best one by validation loss. Default 2. */
  readonly keep?: number;
}
