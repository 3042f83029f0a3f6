import { OptionError } from '../errors.js';

/** Settings that every SDE takes beside its own constants. */
export interface CommonOptions {
  /** Time at which sampling stops. */
  epsilon?: number;
  /** Values that data take in the model's own space. */
  dataRange?: readonly [number, number];
}

export function positive(option: string, value: number): number {
  if (!(Number.isFinite(value) && value > 0)) throw new OptionError(option, value, 'a positive number');
  return value;
}

export function below(option: string, value: number, bound: number): number {
  if (!(positive(option, value) < bound)) throw new OptionError(option, value, `below ${bound}`);
  return value;
}

export function range(value: readonly [number, number]): readonly [number, number] {
  const [low, high] = value;
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw new OptionError('dataRange', value, 'two numbers [low, high] with low < high');
  }
  return [low, high];
}
