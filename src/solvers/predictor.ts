import type { NoiseAddress } from '../device/binding.js';
import type { Precision } from '../device/device.js';
import type { ScoreModel } from '../score/model.js';
import type { Step } from '../sde/grid.js';
import type { GridName } from '../sde/names.js';
import type { Sde } from '../sde/sde.js';
import type { Batch, Update } from './batch.js';

/** Options as resolved, by name, for the record of a run. */
export type Resolved = Readonly<Record<string, unknown>>;

/**
 * Makes one step of a batch that was just evaluated at `step.from`. A corrector stays there; a predictor leads to `step.to`.
 *
 * @param noise where the fresh noise of the step is; undefined where the noise is to be left out.
 */
export type Move = (step: Step, noise: NoiseAddress | undefined) => void | Promise<void>;

/** What is known of a walk before it begins. */
export interface Walked {
  /** The model that is sampled from. */
  readonly model: ScoreModel;
  /** All steps of the walk. */
  readonly steps: readonly Step[];
  /** Whether the step in question gets noise: the last may be without. */
  readonly noisy: boolean;
}

/** A way from one level to the next: every method on a fixed grid is one. */
export interface Predictor {
  /** Name of the method, for records and errors. */
  readonly name: string;
  /**
   * Starts a batch. What it returns makes the steps, in order, and keeps the history of this batch.
   * @param steps all that it will be asked to make.
   */
  begin(batch: Batch, steps: readonly Step[]): Move;
  /** Resolves the options for a model. @throws OptionError where the method does not fit the model or the steps. */
  resolve?(model: ScoreModel, steps: readonly Step[]): Resolved;
  /** Whether it makes a step without the evaluation at its start, as where it first adds noise. Default: none. */
  blind?(step: Step): boolean;
  /** Evaluations that the move over a step makes itself, beside that at its start: from these a budget finds its steps. Default 0. */
  inner?(step: Step, walked: Walked): number;
  /** Whether it evaluates between levels, and so needs a model in continuous time and an exact grid. Default false. */
  readonly continuous?: boolean;
  /**
   * The method of a first step from where no signal is left (alpha = 0), for predictors that go by alpha and sigma alone. Without one it
   * starts at T.
   */
  readonly fromNoise?: Predictor;
  /** Precision of the state; default `single`. */
  readonly precision?: Precision;
  /** Where these are not given for the run. */
  readonly defaults?: { readonly steps?: number; readonly grid?: GridName };
  /** Whether it leaves the state as it is, so that correctors alone carry it. Default false. */
  readonly still?: boolean;
}

/** A predictor whose step is three scalars. */
export interface LinearPredictor extends Predictor {
  /** The scalars of a step. */
  update(step: Step, sde: Sde): Update;
}

/** A predictor of three scalars, from its formula. */
export function linearPredictor(name: string, update: LinearPredictor['update']): LinearPredictor {
  return {
    name,
    update,
    begin: (batch) => (step, noise) => {
      batch.update(update(step, batch.model.sde), noise);
    },
  };
}
