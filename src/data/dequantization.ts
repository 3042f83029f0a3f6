import type { NoiseAddress } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';

/**
 * Bytes with uniform dequantisation: (k + u) / 256 mapped onto a data range, u uniform in (0, 1) (Theis et al. 2016).
 *
 * @param bytes [count, ...shape]
 * @param range what 0 and 256 become
 * @param noise address of u
 */
export function dequantized(
  bytes: Uint8Array,
  count: number,
  [low, high]: readonly [number, number],
  noise: NoiseAddress,
): Float64Array {
  const x = new Float64Array(bytes.length);
  fillUniform(x, count, noise);
  return x.map((u, i) => low + ((high - low) * (bytes[i]! + u)) / 256);
}
