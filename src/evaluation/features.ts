import { DataError, OptionError } from '../errors.js';

/** What metrics compare: a vector for every sample, in memory or in files. */
export interface Features {
  /** Samples. */
  readonly count: number;
  /** Numbers of a sample. */
  readonly width: number;
  /** Of `count` samples from `first` on: [count, width], which the caller does not change. */
  read(first: number, count: number): Promise<Float32Array>;
}

/** Rows that passes over features read at a time. Sums are made of such blocks, counted from the first sample on. */
export const blockRows = 1024;

/**
 * An array [count, width] as features.
 *
 * @throws DataError where the array is empty or does not hold whole rows.
 */
export function featuresOf(values: Float32Array | Uint8Array, width: number): Features {
  const count = values.length / width;
  if (!Number.isInteger(count) || count < 1)
    throw new DataError(
      `${values.length} numbers are not features of ${width} numbers each for one sample or more.`,
    );
  return {
    count,
    width,
    read(first, rows) {
      const own = values.subarray(first * width, (first + rows) * width);
      return Promise.resolve(own instanceof Float32Array ? own : Float32Array.from(own));
    },
  };
}

/** @throws DataError where the features of two sets cannot be compared, or a set has fewer than `least` samples. */
export function checkComparable(generated: Features, reference: Features, least: number): void {
  if (generated.width !== reference.width)
    throw new DataError(
      `The generated samples have ${generated.width} features and the reference ${reference.width}: they are of different ` +
        'networks, or of samples of different shapes.',
      { option: 'reference', value: reference.width },
    );
  for (const [name, { count }] of [['generated', generated] as const, ['reference', reference] as const])
    if (count < least) throw new OptionError(name, count, `at least ${least} samples`);
}

/** @throws DataError at the first number that is NaN or infinite; `first` is the index of the first row. */
export function checkFinite(values: Float32Array, width: number, first: number): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const sample = first + Math.floor(at / width);
  throw new DataError(
    `Element ${at % width} of sample ${sample} is ${values[at]!}; finite numbers expected.`,
    {
      value: values[at],
    },
  );
}

/** What passes over features take. */
export interface PassOptions {
  /** Stops the pass with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the share of the work that is done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}
