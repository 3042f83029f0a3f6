import { OptionError } from '../errors.js';
import { addon } from './addon.js';
import type { QueueNumber } from './addon-interface.js';
import {
  packAddress,
  requireBytes,
  requireCoefficients,
  requireDisjoint,
  requireFloat32,
  requireRange,
} from './arguments.js';
import type { NoiseAddress } from './binding.js';

/** How training data are read. */
export interface CleanDataOptions {
  /** What bytes 0 and 255 stand for; default 0 and 1. Floats are taken as they are. */
  readonly range?: readonly [number, number];
  /** `[batch]`: not 0 where a sample is mirrored, each of its rows of `width` elements read backwards. */
  readonly flips?: Uint8Array | undefined;
  /** Elements of a row of pixels; needed with `flips`. */
  readonly width?: number;
}

/**
 * Noised training data and what a network should say of them, in one pass, the noise z never being stored:
 *
 *     x = a x0 + b z,   target = c x0 + d z
 *
 * @param x [batch][D], written.
 * @param target as long as x, written; undefined where only x is wanted.
 * @param x0 as long as x: floats, or bytes, which are scaled to `range` as they are read.
 * @param coefficients row-major [batch][4] = a, b, c, d, rounded to float32.
 * @param noise address of the standard normal z.
 */
export function diffuse(
  x: Float32Array,
  target: Float32Array | undefined,
  x0: Float32Array | Uint8Array,
  coefficients: Float64Array,
  noise: NoiseAddress,
  { range: [low, high] = [0, 1], flips, width = 1 }: CleanDataOptions = {},
  queue?: QueueNumber,
): void {
  requireFloat32('x', x);
  const batch = requireCoefficients(coefficients, 4, x.length);
  const size = x.length / batch;
  if (x0 instanceof Uint8Array) {
    requireBytes('x0', x0, x.length);
    requireRange(low, high);
  } else {
    requireFloat32('x0', x0, x.length);
  }
  requireDisjoint('x0', x0, 'x', x);
  if (target !== undefined) {
    requireFloat32('target', target, x.length);
    requireDisjoint('target', target, 'x', x);
    requireDisjoint('target', target, 'x0', x0);
  }
  if (flips !== undefined) {
    requireBytes('flips', flips, batch);
    if (!Number.isInteger(width) || width < 1 || size % width !== 0) {
      throw new OptionError('width', width, `a divisor of the ${size} elements of a sample`);
    }
  }
  const address = packAddress(noise, batch, size);
  addon().diffuse(queue, x, target, x0, low, high, flips, width, coefficients, address, noise.samples);
}
