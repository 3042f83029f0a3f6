import { multiply } from '../device/linear-algebra.js';
import { Queue } from '../device/queue.js';
import { DataError } from '../errors.js';
import { samplePart } from './choice.js';
import { blockRows, checkFinite, type Features, type PassOptions } from './features.js';

/** Mean and covariance of a law, known exactly or from samples. */
export interface Gaussian {
  /** [d] */
  readonly mean: Float64Array;
  /** [d, d], divided by count - 1. */
  readonly covariance: Float64Array;
  /** Samples that they were computed from; Infinity where they are known. */
  readonly count: number;
}

/** Sums from which follow mean and covariance, and which can be merged. */
export interface FeatureMoments {
  /** Samples that were summed. */
  readonly count: number;
  /** [d] */
  readonly mean: Float64Array;
  /** `[d, d]`: the sum of (x - mean) (x - mean)^T. */
  readonly products: Float64Array;
}

/**
 * The moments of features, in double, of each of so many parts of about the same size.
 * Sums are taken over blocks of consecutive samples in the order of the blocks, so that their bits depend neither on how the
 * samples are split over files nor on the number of threads.
 *
 * @throws DataError for a feature that is NaN or infinite.
 */
export async function featureMoments(
  features: Features,
  parts = 1,
  { signal, onProgress }: PassOptions = {},
): Promise<FeatureMoments[]> {
  const { width, count } = features;
  const queue = new Queue(signal);
  try {
    // Of consecutive samples, a part may get one more than its share at either end.
    const rows = Math.ceil(blockRows / parts) + 2;
    const block = queue.allocate((rows + 1) * width, 'double') as Float64Array;
    const sums = Array.from({ length: parts }, () => ({
      count: 0,
      mean: new Float64Array(width),
      products: queue.allocate(width * width, 'double') as Float64Array,
    }));
    for (let first = 0; first < count; first += blockRows) {
      const values = await features.read(first, Math.min(blockRows, count - first));
      checkFinite(values, width, first);
      for (const [part, sum] of sums.entries()) {
        const own = pickRows(values, width, (row) => samplePart(first + row, parts) === part, block);
        if (own === 0) continue;
        const terms = centre(block, own, width, sum);
        multiply(
          queue,
          sum.products,
          queue.rows(block, width, 0, terms),
          queue.rows(block, width, 0, terms),
          terms,
          {
            transposeA: true,
            accumulate: true,
          },
        );
        await queue.settled();
      }
      onProgress?.(Math.min(1, (first + blockRows) / count));
    }
    return sums.map(({ products, ...sum }) => ({ ...sum, products: products.slice() }));
  } finally {
    await queue.close();
  }
}

/** Puts some rows into a block, and counts them. */
function pickRows(
  values: Float32Array,
  width: number,
  isWanted: (row: number) => boolean,
  block: Float64Array,
): number {
  let own = 0;
  for (let row = 0; row * width < values.length; row++)
    if (isWanted(row)) block.set(values.subarray(row * width, (row + 1) * width), own++ * width);
  return own;
}

/**
 * Centres the rows of a block and adds them to a count and a mean. The products of the block's rows, with one more that stands for
 * the difference of the means (Chan, Golub and LeVeque 1983), are then to be added to those of the sum.
 *
 * @returns The number of rows with the last.
 */
function centre(
  block: Float64Array,
  rows: number,
  width: number,
  sum: { count: number; readonly mean: Float64Array },
): number {
  const mean = new Float64Array(width);
  for (let row = 0; row < rows; row++) for (let j = 0; j < width; j++) mean[j]! += block[row * width + j]!;
  for (let j = 0; j < width; j++) mean[j]! /= rows;
  for (let row = 0; row < rows; row++) for (let j = 0; j < width; j++) block[row * width + j]! -= mean[j]!;
  const count = sum.count + rows;
  const weight = Math.sqrt((sum.count * rows) / count);
  for (let j = 0; j < width; j++) {
    const difference = mean[j]! - sum.mean[j]!;
    block[rows * width + j] = weight * difference;
    sum.mean[j]! += (difference * rows) / count;
  }
  sum.count = count;
  return rows + 1;
}

/** The moments of all samples of several sets, which are added in the order that is given. */
export function mergeMoments(list: readonly FeatureMoments[]): FeatureMoments {
  const [head, ...rest] = list;
  if (head === undefined) throw new DataError('There are no moments to merge.');
  const width = head.mean.length;
  const sum = { count: head.count, mean: head.mean.slice(), products: head.products.slice() };
  for (const { count, mean, products } of rest) {
    if (mean.length !== width)
      throw new DataError(
        `FeatureMoments of ${mean.length} features cannot be merged with those of ${width}.`,
      );
    const total = sum.count + count;
    const weight = total === 0 ? 0 : (sum.count * count) / total;
    const difference = mean.map((value, j) => value - sum.mean[j]!);
    for (let i = 0, k = 0; i < width; i++)
      for (let j = 0; j < width; j++, k++)
        sum.products[k]! += products[k]! + weight * difference[i]! * difference[j]!;
    for (let j = 0; j < width && total > 0; j++) sum.mean[j]! += (difference[j]! * count) / total;
    sum.count = total;
  }
  return sum;
}

/** Mean and unbiased covariance. @throws DataError for fewer than two samples. */
export function gaussianOf({ count, mean, products }: FeatureMoments): Gaussian {
  if (count < 2) throw new DataError('A covariance needs two samples or more.', { value: count });
  return { count, mean, covariance: products.map((value) => value / (count - 1)) };
}
