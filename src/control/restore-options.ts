import { previewOptions, type PreviewOptions, type Progress } from '../sampling/previews.js';
import type { SolverChoice } from '../solvers/choice.js';
import { gridOptions, restorationOptions, samplingOptions, type RestorationMethod } from './names.js';
import type { ReplacementLevel } from './replacement.js';

/** How samples are drawn given a measurement of each, and how many. */
export interface RestoreOptions extends SolverChoice, PreviewOptions {
  /**
   * Default `replacement` where A has orthonormal rows over the channels (inpainting, colorization), `dps` where A is not linear, else
   * `mmps`, or `smc` where the model cannot be differentiated.
   */
  readonly method?: RestorationMethod | undefined;
  /** Number of samples; sample i is drawn for measurement i modulo their number. Default: one for each measurement. */
  readonly count?: number | undefined;
  /** States that go through the network at once, the particles of a sample together. Default: at most 64. */
  readonly batch?: number | undefined;
  /** Unsigned 64-bit seed. Default 0. A sample is a function of the model, its measurement, the seed, its index and the options. */
  readonly seed?: bigint | number | undefined;
  /** Global index of the first sample. Default 0. */
  readonly first?: number | undefined;
  /** Class of every sample, or one class per sample, for a model with a class input. */
  readonly classLabel?: number | Int32Array | undefined;
  /**
   * `replacement` and `repaint`: the level that what is known is put at after a move. Default `arrived`, that which the move led to; `departed`,
   * that which it came from, is the published code's.
   */
  readonly replaceAt?: ReplacementLevel | undefined;
  /** `smc`: particles of every sample. Default 32. */
  readonly particles?: number | undefined;
  /** `smc`: share of the particles below which the effective sample size makes them be drawn anew. Default 0.5. */
  readonly essThreshold?: number | undefined;
  /** `mmps`: iterations of GMRES, each of one product with the Jacobian. Default 3. */
  readonly iterations?: number | undefined;
  /** `dps`: length of a step down the gradient of the norm of the residual. Default 1. */
  readonly zeta?: number | undefined;
  /** `repaint`: steps that are gone back over at once. Default 10. */
  readonly jumpLength?: number | undefined;
  /** `repaint`: how often each step is made. Default 10. */
  readonly resamples?: number | undefined;
  /** Stops between two steps, or at the next operator of a network; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every step. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export const restoreOptionNames: readonly string[] = [
  ...['method', 'count', 'batch', 'seed', 'first', 'classLabel', 'signal', 'onProgress'],
  ...Object.values(restorationOptions).flat(),
  ...samplingOptions,
  ...gridOptions,
  ...previewOptions,
];
