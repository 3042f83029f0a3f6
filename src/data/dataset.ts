import { DataError } from '../errors.js';
import { fromBytes } from '../io/image.js';

/** A set of samples, all of one shape. */
export interface Dataset {
  /**
   * [count, ...shape], row-major. Bytes are 8-bit images, 0..255; floats are values in the model's own space.
   */
  readonly data: Uint8Array | Float32Array;
  readonly shape: readonly number[];
  /** One class per sample, where the source has classes. */
  readonly labels?: Int32Array;
}

/** Samples from `first` on, at most `count` of them; both arrays are views. */
export function slice({ data, shape, labels }: Dataset, first: number, count: number): Dataset {
  const [total, ...sample] = shape;
  const elements = sample.reduce((product, extent) => product * extent, 1);
  const end = Math.min(total!, first + count);
  return {
    data: data.subarray(first * elements, end * elements),
    shape: [Math.max(0, end - first), ...sample],
    ...(labels && { labels: labels.subarray(first, end) }),
  };
}

/** The samples of these indices in this order, copied. */
export function pick({ data, shape, labels }: Dataset, indices: readonly number[]): Dataset {
  const sample = shape.slice(1);
  const elements = sample.reduce((product, extent) => product * extent, 1);
  const length = indices.length * elements;
  const picked = data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  for (const [i, n] of indices.entries()) {
    picked.set(data.subarray(n * elements, (n + 1) * elements), i * elements);
  }
  return {
    data: picked,
    shape: [indices.length, ...sample],
    ...(labels && { labels: Int32Array.from(indices, (n) => labels[n]!) }),
  };
}

/** What {@link modelValues} needs to know of a model. */
export interface DataSpace {
  readonly shape: readonly number[];
  readonly sde: { readonly dataRange: readonly [number, number] };
}

/**
 * @throws DataError where the samples of a data set do not have the model's shape.
 */
export function checkSampleShape(
  { shape }: Pick<Dataset, 'shape'>,
  { shape: expected }: Pick<DataSpace, 'shape'>,
): void {
  const sample = shape.slice(1);
  if (sample.join() === expected.join()) return;
  const sizes = `[${sample.join(', ')}], the model takes [${expected.join(', ')}]`;
  throw new DataError(`The data have samples of shape ${sizes}.`, { option: 'data', value: sample });
}

/**
 * The values of a data set in a model's space: bytes 0..255 go to the ends of its data range, floats stay.
 *
 * @throws DataError where the samples do not have the model's shape, or where floats for a model of images reach further
 *   outside its data range than half its width.
 */
export function modelValues({ data, shape }: Dataset, { shape: expected, sde }: DataSpace): Float32Array {
  checkSampleShape({ shape }, { shape: expected });
  if (data instanceof Uint8Array) return fromBytes(data, sde.dataRange);
  const [low, high] = sde.dataRange;
  const slack = (high - low) / 2;
  const outside =
    expected.length === 3
      ? data.find((value) => !(value >= low - slack && value <= high + slack))
      : undefined;
  if (outside !== undefined) {
    throw new DataError(
      `The data hold the value ${outside}, far outside the model's data range, ${low} to ${high}. ` +
        'Scale floats to that range, save images as bytes, or give the range that the model was trained on (--data-range).',
      { option: 'data', value: outside },
    );
  }
  return data;
}
