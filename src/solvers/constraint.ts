import type { NoiseAddress } from '../device/binding.js';
import type { Level } from '../sde/level.js';
import type { Batch } from './batch.js';

/** What is known of the samples, such as the pixels of a picture outside its hole: it acts after every move. */
export interface Constraint {
  readonly name: string;
  /** The options as resolved, for the record of a run. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Puts what is known into the state, which is at `level`; after the denoising that is the data (sigma 0).
   * @param address of fresh noise.
   */
  apply(batch: Batch, level: Level, address: NoiseAddress): void;
}
