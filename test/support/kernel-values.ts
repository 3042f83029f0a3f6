import { type NoiseAddress, Stream } from '../../src/device/binding.js';
import { scrambled } from './native-reference.js';

export const address: NoiseAddress = { seed: 42n, samples: 1000, step: 7, stream: Stream.predictor };

/** Samples and elements of each. */
export const shapes = [
  [1, 1],
  [64, 2],
  [3, 784],
  [2, 3072],
  [2, 20001],
] as const;

export const float32 = (length: number, seed: number): Float32Array =>
  Float32Array.from(scrambled(length, seed));
export const float64 = (length: number, seed: number): Float64Array =>
  Float64Array.from(scrambled(length, seed));

/** Relative above 1, absolute below. */
export function assertClose(
  t: { true: (value: boolean, message: string) => void },
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(error <= tolerance)) t.true(false, `element ${i} is ${actual[i]!}, expected ${expected[i]!}`);
  }
  t.true(actual.length === expected.length, 'lengths agree');
}
