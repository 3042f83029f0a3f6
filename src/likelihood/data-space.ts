import { dequantized } from '../data/dequantization.js';
import { OptionError } from '../errors.js';
import { fromBytes } from '../device/bytes.js';
import type { NoiseAddress } from '../device/binding.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount, isImageShape } from '../shape.js';

/** Samples, [count, ...shape]: bytes are pixels from 0 to 255, floats are in the model's own space. */
export type Data = Uint8Array | Float32Array | Float64Array;

/**
 * Number of samples in the data.
 * @throws OptionError for data that do not fit the model's shape, that are not finite, or, where they are images, that lie
 *   outside the model's data range.
 */
export function countOf(model: ScoreModel, data: Data): number {
  const d = elementCount(model.shape);
  const shape = model.shape.join(' x ');
  if (!(
    data instanceof Uint8Array ||
    data instanceof Float32Array ||
    (data as unknown) instanceof Float64Array
  )) {
    throw new OptionError('data', data, 'a Uint8Array of pixels, a Float32Array or a Float64Array');
  }
  if (data.length === 0 || data.length % d !== 0) {
    throw new OptionError(
      'data',
      data,
      `samples of ${shape} = ${d} elements, the shape of the model (--shape), one after the other`,
    );
  }
  if (data instanceof Uint8Array) return data.length / d;
  let [least, most] = [Infinity, -Infinity];
  for (const [i, value] of data.entries()) {
    if (!Number.isFinite(value)) throw new OptionError(`data[${i}]`, value, 'a finite number');
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const [low, high] = model.sde.dataRange;
  const margin = 0.01 * (high - low);
  if (isImageShape(model.shape) && (least < low - margin || most > high + margin)) {
    throw new OptionError(
      'data',
      data,
      `in the model's data range [${low}, ${high}]: these go from ${least} to ${most} (give pixels as bytes, rescale, or ` +
        'declare another range with --data-range)',
    );
  }
  return data.length / d;
}

/** Samples start to end in the model's space; bytes by the map under which it was trained, 0..255 onto the data range. */
export function inModelSpace(model: ScoreModel, data: Data, start: number, end: number): Float64Array {
  const d = elementCount(model.shape);
  const own = data.subarray(start * d, end * d);
  if (!(own instanceof Uint8Array)) return Float64Array.from(own);
  const values = new Float32Array(own.length);
  fromBytes(own, ...model.sde.dataRange, values);
  return Float64Array.from(values);
}

/** Samples start to end in the model's space, bytes with uniform dequantisation. */
export function dequantizedInModelSpace(
  model: ScoreModel,
  data: Data,
  start: number,
  end: number,
  noise: NoiseAddress,
): Float64Array {
  if (!(data instanceof Uint8Array)) return inModelSpace(model, data, start, end);
  const d = elementCount(model.shape);
  return dequantized(data.subarray(start * d, end * d), end - start, model.sde.dataRange, noise);
}

/** The largest magnitude of the data in the model's space; for bytes, that of its data range. */
export function largestMagnitude({ sde }: ScoreModel, data: Data): number {
  let most = 0;
  for (const value of data instanceof Uint8Array ? sde.dataRange : data)
    most = Math.max(most, Math.abs(value));
  return most;
}
