import type { Dataset } from '../data/dataset.js';
import type { ParameterSelection } from '../autodiff/parameters.js';
import type { Model } from '../onnx/file/model.js';
import type { Validation } from './checkpoint.js';
import type { Ema } from './ema.js';
import type { ObjectiveOptions } from './objective.js';
import type { ScheduleOptions } from './schedule.js';
import { Task } from '../task.js';
import { planTraining } from './plan.js';
import { TrainingRun } from './run.js';

/** Options of {@link train}; all but `steps` have defaults. */
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

/** Where a run is, with means over the steps since the previous report. */
export interface TrainProgress {
  /** Steps made, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** The weighted loss. */
  readonly loss: number;
  /** The same by time; buckets without rows are left out. */
  readonly losses: readonly TimeBucket[];
  /** L2 norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Of the last step. */
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Seconds since this process started to train, and those that it will still take at this speed. */
  readonly seconds: number;
  readonly remaining: number;
  /** Of the latest checkpoint. */
  readonly validation?: Validation;
}

/** Rows whose time t lies in [from, to). */
export interface TimeBucket {
  readonly from: number;
  readonly to: number;
  /** Mean over the rows. */
  readonly loss: number;
  readonly rows: number;
}

export interface TrainResult {
  /** The network with the weights of the first average and complete metadata, ready for `loadModel`. */
  readonly model: Model;
  /** One model for each moving average; the first is `model`. */
  readonly averages: readonly Model[];
  /** Steps in all, and the step from which this run went on (0 for one from the beginning). */
  readonly steps: number;
  readonly resumedFrom: number;
  /** Mean over the last report; absent where nothing was left to do. */
  readonly loss?: number;
  /** Of this run, without a resumed one's earlier part. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Share of the workers' time that went to running the network; the rest is data, the optimizer and waiting. */
  readonly networkShare: number;
  /** File of the last checkpoint. */
  readonly checkpoint?: string;
  /** The checkpoint of the least validation loss. */
  readonly best?: Validation & { readonly path: string };
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A training run: await it for the result, iterate over it (`for await`) for progress, or both. */
export class Training extends Task<TrainResult, TrainProgress> {
  readonly #model: () => Promise<Model>;

  /** @internal */
  constructor(start: (progress: (progress: TrainProgress) => void) => TrainingRun) {
    let run: TrainingRun;
    super((emit) => {
      run = start(emit);
      return run.train();
    });
    this.#model = async () => {
      await Promise.resolve();
      return run.model();
    };
  }

  /** The network with the weights of the first average as they are after the step under way. */
  model(): Promise<Model> {
    return this.#model();
  }
}

/**
 * Trains a network, in one thread per worker: this thread only receives what is reported.
 *
 * Each step draws the next `batch` samples of the data in the order of the epoch, gives each a time and noise, differentiates
 * the mean of the weighted losses, and makes a step of AdamW. Order, times, noise and flips are pure functions of the seed and
 * the step, so that a run that was killed goes on from its last checkpoint with the same bits, on the same machine and with
 * the same number of workers.
 *
 * @param model the network, whose metadata say what it is (see `metadataProperties`); the run starts from its weights
 * @param data samples of the model's shape: bytes, or floats in the model's space, with labels where the network takes classes
 * @throws OptionError and DataError (at once) for options and data that do not fit the model; and in the promise: OptionError for
 *   fewer steps than the run has made; ModelError for a network that cannot be differentiated; TrainingError for a loss that is not finite or a worker that died; DataError for
 *   a folder with the checkpoints of another run; OutputError for a checkpoint that cannot be written or a folder into which
 *   another process trains; the signal's reason.
 */
export function train(model: Model, data: Dataset, options: TrainOptions): Training {
  const plan = planTraining(model, data, options);
  return new Training((progress) => new TrainingRun(model, plan, options.signal, progress));
}
