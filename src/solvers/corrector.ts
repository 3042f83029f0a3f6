import type { ScoreModel } from '../score/model.js';
import type { Step } from '../sde/grid.js';
import type { Batch } from './batch.js';
import type { Move, Resolved } from './predictor.js';

/** Steps at one level towards its law. */
export interface Corrector {
  /** Name of the method, for records and errors. */
  readonly name: string;
  /** Steps at every level, with an evaluation before each. */
  readonly steps: number;
  /**
   * Starts a batch. What it returns makes one step at `step.from`, and keeps the history of this batch.
   * @param steps of the predictor whose levels it corrects.
   */
  begin(batch: Batch, steps: readonly Step[]): Move;
  /** Resolves the options for a model. @throws OptionError where the corrector does not fit the model. */
  resolve?(model: ScoreModel): Resolved;
  /** Doubts about this corrector for a model, in plain words. */
  warnings?(model: ScoreModel): readonly string[];
}
