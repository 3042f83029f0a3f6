import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import type { Batch } from './batch.js';
import type { Resolved } from './predictor.js';

/** What a caller sees of a run. */
export interface Observer {
  /** The batch holds a state and the network's output for that very state, at `level`; both may be read until this settles. */
  evaluated?(step: number, level: Level, batch: Batch): void | Promise<void>;
  /** Step number `step`, from 0, is complete; the batch may be on its way to a later one. */
  stepped?(step: number, batch: Batch): void | Promise<void>;
}

/** A solver with all options resolved for one model. */
export interface Plan {
  /** Steps that `run` takes. */
  readonly steps: number;
  /** Evaluations that each sample will go through, for every purpose; undefined where they are found on the way. */
  readonly evaluations?: number;
  /** Every option as resolved. */
  readonly options: Resolved;
  /** Doubts about this choice of options for this model, in plain words. */
  readonly warnings?: readonly string[];
  /** Precision of the state that `run` expects; default `single`. */
  readonly precision?: 'single' | 'double';
  /** Whether `run` lets constraints act after every move. Default false: constraints are then refused. */
  readonly constrains?: boolean;
  /** Sets the state at the start, where the caller gives none. Default: a draw from the prior. */
  start?(batch: Batch): void;
  /** Carries the batch from its state to samples. */
  run(batch: Batch, observer: Observer): Promise<void>;
}

/** A way to draw samples from a score model. Methods on a fixed grid are predictors; solvers are what is neither. */
export interface Solver {
  /** Name of the method, for records and errors. */
  readonly name: string;
  /** Resolves defaults and refuses what does not fit the model. */
  plan(model: ScoreModel): Plan;
}
