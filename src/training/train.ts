import { separateMerged } from '../autodiff/merged.js';
import type { Dataset } from '../data/dataset.js';
import type { Model } from '../onnx/file/model.js';
import { Task } from '../task.js';
import type { TrainOptions } from './options.js';
import { planTraining } from './plan.js';
import type { TrainProgress, TrainResult } from './results.js';
import { TrainingRun } from './run.js';

/** A training run: await it for the result, iterate over it (`for await`) for progress, or both. */
export class Training extends Task<TrainResult, TrainProgress> {
  readonly #model: () => Promise<Model>;

  /** @internal */
  constructor(start: (progress: (progress: TrainProgress) => void) => TrainingRun) {
    let run: TrainingRun;
    super(
      (emit) => {
        run = start(emit);
        return run.train();
      },
      {
        taken: ({ model }) => {
          if (model) run.release();
        },
      },
    );
    this.#model = async () => {
      await Promise.resolve();
      return run.model();
    };
  }

  /** The network with the weights of the first average as they are after the steps under way. */
  model(): Promise<Model> {
    return this.#model();
  }
}

/**
 * Trains a network, in one thread of the addon for each of `workers`: this thread asks for the steps, and is free meanwhile.
 *
 * Each step draws the next `batch` samples of the data in the order of the epoch, gives each a time and noise, differentiates
 * the mean of the weighted losses, and makes a step of AdamW. Order, times, noise and flips are pure functions of the seed and
 * the step, so that a run that was killed goes on from its last checkpoint with the same bits, on the same machine and with
 * the same number of workers.
 *
 * @param model the network, whose metadata say what it is (see `metadataProperties`); the run starts from its weights
 * @param data samples of the model's shape: bytes, or floats in the model's space, with labels where the network takes classes;
 *   they are read until the end, and not copied
 * @throws OptionError and DataError (at once) for options and data that do not fit the model; and in the promise: OptionError
 *   for fewer steps than the run has made, or a batch beyond the memory; ModelError for a network that cannot be
 *   differentiated; TrainingError for a loss that is not finite or a network that fails; LoadError where only onnxruntime-node
 *   could run networks; DataError for a folder with the checkpoints of another run; OutputError for a checkpoint that cannot be
 *   written or a folder into which another process trains; the signal's reason.
 */
export function train(model: Model, data: Dataset, options: TrainOptions): Training {
  // Whoever chooses tensors, or brings the graph, means those of the file.
  const isWhole = options.graph === undefined && (options.parameters ?? 'all') === 'all';
  const trained = isWhole ? separateMerged(model) : model;
  const plan = planTraining(trained, data, options);
  return new Training((progress) => new TrainingRun(trained, plan, options.signal, progress));
}
