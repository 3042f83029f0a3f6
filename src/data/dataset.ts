import { DataError, OptionError } from '../errors.js';
import { decodePixels } from '../io/image.js';
import type { NdArray } from '../io/npy.js';
import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';
import { elementCount, isImageShape } from '../shape.js';

/** A set of samples, all of one shape. */
export interface Dataset {
  /**
   * [count, ...shape], row-major. Bytes are 8-bit images, 0..255; floats are values in the model's own space.
   */
  readonly data: Uint8Array | Float32Array;
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** One class per sample, where the source has classes. */
  readonly labels?: Int32Array;
  /** Names of the classes by label, where the source has them. */
  readonly classNames?: readonly string[];
  /** Doubts about what was read, in plain words. */
  readonly warnings?: readonly string[];
}

/**
 * @param name How errors call the samples.
 * @throws DataError where there are none, or one holds a float that is NaN or infinite.
 */
export function checkValues({ data, shape }: Pick<NdArray, 'data' | 'shape'>, name: string): void {
  if (shape[0] === 0 || data.length === 0)
    throw new DataError(`${name} holds no samples: its shape is [${shape.join(', ')}].`, { option: 'data' });
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return;
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const elements = elementCount(shape.slice(1));
  throw new DataError(
    `${name} holds ${data[at]!} in sample ${Math.floor(at / elements)}, element ${at % elements}; finite numbers expected.`,
    { option: 'data', value: data[at] },
  );
}

/**
 * The classes of so many samples.
 *
 * @param name How errors call the array.
 * @throws DataError where these are not one class, an integer from 0 on, for each sample.
 */
export function classesFrom({ data, shape }: NdArray, count: number, name: string): Int32Array {
  if (data.length !== count) {
    throw new DataError(
      `${name} should hold a class for each of ${count} samples, and has shape [${shape.join(', ')}].`,
    );
  }
  return Int32Array.from({ length: count }, (_, n) => {
    const label = Number(data[n]);
    if (Number.isInteger(label) && label >= 0 && label < 2 ** 31) return label;
    throw new DataError(`${name} holds the class ${label} at index ${n}; an integer from 0 on expected.`);
  });
}

/** Samples from `first` on, at most `count` of them; both arrays are views. */
export function slice(set: Dataset, first: number, count: number): Dataset {
  const { data, shape, labels } = set;
  const [total, ...sample] = shape;
  const elements = elementCount(sample);
  const end = Math.min(total!, first + count);
  return {
    ...set,
    data: data.subarray(first * elements, end * elements),
    shape: [Math.max(0, end - first), ...sample],
    ...(labels && { labels: labels.subarray(first, end) }),
  };
}

/** The samples of these indices in this order, copied. */
export function pick(set: Dataset, indices: ArrayLike<number>): Dataset {
  const { data, shape, labels } = set;
  const sample = shape.slice(1);
  const elements = elementCount(sample);
  const length = indices.length * elements;
  const picked = data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * elements;
    // A view costs more than a few numbers do.
    if (elements > 32) picked.set(data.subarray(from, from + elements), i * elements);
    else for (let k = 0; k < elements; k++) picked[i * elements + k] = data[from + k]!;
  }
  return {
    ...set,
    data: picked,
    shape: [indices.length, ...sample],
    ...(labels && { labels: Int32Array.from(indices, (n) => labels[n]!) }),
  };
}

/**
 * The set without a random `share` of its samples, and these: what is kept from training to measure its loss.
 *
 * @param share Above 0 and below 1; at least one sample goes to either part.
 * @param seed Of the choice; the same samples are held out whenever it is the same. Default 0.
 */
export function holdOut(set: Dataset, share: number, seed = 0n): { train: Dataset; heldOut: Dataset } {
  const count = set.shape[0]!;
  if (!(share > 0 && share < 1) || count < 2) {
    throw new OptionError(
      'holdOut',
      share,
      `a share between 0 and 1 of at least 2 samples (here are ${count})`,
    );
  }
  const ranks = new Float64Array(count);
  fillUniform(ranks, count, { seed, samples: 0, step: 0, stream: Stream.dataOrder, substep: 1 });
  const order = Uint32Array.from(ranks.keys()).sort((a, b) => ranks[a]! - ranks[b]! || a - b);
  const held = Math.min(count - 1, Math.max(1, Math.round(share * count)));
  return {
    train: pick(set, order.subarray(held).sort()),
    heldOut: pick(set, order.subarray(0, held).sort()),
  };
}

/**
 * @throws DataError where the classes of a set do not lie in 0 to classes - 1.
 */
export function checkClasses({ labels }: Pick<Dataset, 'labels'>, classes: number): void {
  if (!labels)
    throw new DataError(`The data have no classes, the network takes ${classes}.`, { option: 'data' });
  const n = labels.findIndex((label) => !(label >= 0 && label < classes));
  if (n < 0) return;
  throw new DataError(
    `The data have the class ${labels[n]!} at index ${n}; the network takes classes from 0 to ${classes - 1}.`,
    { option: 'data', value: labels[n] },
  );
}

/** What {@link modelValues} needs to know of a model. */
export interface DataSpace {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** The process, of which the range of the data counts. */
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
  throw new DataError(`The data have samples of shape ${sizes}.${axisHint(sample, expected)}`, {
    option: 'data',
    value: sample,
  });
}

/** How samples of as many elements become what a model takes. */
function axisHint(sample: readonly number[], expected: readonly number[]): string {
  if (elementCount(sample) !== elementCount(expected)) return '';
  const [channels, ...size] = expected;
  return [...size, channels].join() === sample.join()
    ? ' Put the channels first (in NumPy: numpy.moveaxis(x, -1, 1)).'
    : ` Give them these axes (in NumPy: x.reshape(-1, ${expected.join(', ')})).`;
}

/**
 * The values of a data set in a model's space: bytes 0..255 go to the ends of its data range, floats stay.
 *
 * @throws DataError where the samples do not have the model's shape, or where floats for a model of images reach further
 *   outside its data range than half its width.
 */
export function modelValues({ data, shape }: Dataset, { shape: expected, sde }: DataSpace): Float32Array {
  checkSampleShape({ shape }, { shape: expected });
  if (data instanceof Uint8Array) return decodePixels(data, sde.dataRange);
  const [low, high] = sde.dataRange;
  const slack = (high - low) / 2;
  const outside = isImageShape(expected)
    ? data.find((value) => !(value >= low - slack && value <= high + slack))
    : undefined;
  if (outside !== undefined) {
    throw new DataError(
      `The data hold the value ${outside}, far outside the model's data range, ${low} to ${high}. ` +
        'Scale floats to that range, save images as bytes, or give the range of the model (--data-range; to train, the entry ' +
        'network.dataRange of a configuration file).',
      { option: 'data', value: outside },
    );
  }
  return data;
}
