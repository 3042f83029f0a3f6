import { OptionError } from '../errors.js';
import { checkNumber, isList } from '../options.js';

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
