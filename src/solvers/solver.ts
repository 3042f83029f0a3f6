import type { ScoreModel } from '../score/model.js';
import type { Batch, Time } from './batch.js';

/** What a caller sees of a run: each hook may read the batch, and copy from it, until it returns. */
export interface Observer {
  /** The batch holds a state and the network's output for that very state, at `time`. */
  evaluated?(step: number, time: Time, batch: Batch): void;
  /** Step number `step`, from 0, is complete. */
  stepped?(step: number, batch: Batch): void;
}

/** A solver with all options resolved for one model. */
export interface Plan {
  /** Steps that `run` takes. */
  readonly steps: number;
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about this choice of options for this model, in plain words. */
  readonly warnings?: readonly string[];
  /** Sets the state at the start, where the caller gives none. */
  start(batch: Batch): void;
  /** Carries the batch from its state to samples. */
  run(batch: Batch, observer: Observer): Promise<void>;
}

/** A way to draw samples from a score model. */
export interface Solver {
  readonly name: string;
  /** Resolves defaults and refuses what does not fit the model. */
  plan(model: ScoreModel): Plan;
}
