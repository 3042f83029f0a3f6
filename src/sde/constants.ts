import { OptionError } from '../errors.js';
import { checkNumber, isList } from '../options.js';
import type { Sde } from './sde.js';

/** Settings that every SDE takes beside its own constants. */
export interface CommonOptions {
  /** Time at which sampling stops. */
  epsilon?: number;
  /** Values that data take in the model's own space. */
  dataRange?: readonly [number, number];
}

/** Where the published code takes the density on the unit interval of VP, sub-VP and VE. */
export const LIKELIHOOD_EPSILON = 1e-5;

/** Throws unless 0 < epsilon < T. */
export function checkEpsilon(epsilon: number, T: number): number {
  if (Number.isFinite(epsilon) && epsilon > 0 && epsilon < T) return epsilon;
  throw new OptionError('epsilon', epsilon, `between 0 and T (${T})`);
}

/**
 * Throws unless sampling can stop at epsilon: above 0 and before T, and not below the first of the levels that a model was trained on.
 */
export function checkStop(epsilon: number, { T, ladder }: Pick<Sde, 'T' | 'ladder'>): number {
  checkEpsilon(epsilon, T);
  const least = ladder ? 1 / ladder.levels : 0;
  if (epsilon >= least * (1 - 1e-9)) return epsilon;
  const expected = `at least ${least}, the first of the ${ladder!.levels} levels that the model was trained on`;
  throw new OptionError('epsilon', epsilon, expected);
}

export function checkSigmas(sigmaMin: number, sigmaMax: number): void {
  checkNumber('sigmaMin', sigmaMin, 0);
  checkNumber('sigmaMax', sigmaMax, sigmaMin);
}

export function checkDataRange(value: readonly [number, number]): readonly [number, number] {
  const [low, high] = isList(value) ? value : [];
  if (low !== undefined && high !== undefined && Number.isFinite(low) && Number.isFinite(high) && low < high)
    return [low, high];
  throw new OptionError('dataRange', value, 'two numbers [low, high] with low < high');
}
