import { eigen, factorize, invertTriangular, multiply } from '../device/linear-algebra.js';
import type { Elements } from '../device/device.js';
import { Queue } from '../device/queue.js';
import { DataError } from '../errors.js';
import { blockRows, checkComparable, type Features, type PassOptions } from './features.js';
import { gaussianOf, mergeMoments, featureMoments, type Gaussian } from './moments.js';

/** A number with its standard error. */
export interface Estimate {
  /** The estimate, in the unit of its metric. */
  readonly value: number;
  /** Standard deviation that the value would have over samples drawn anew. */
  readonly standardError: number;
}

/** A Frechet distance with what its samples leave open. */
export interface FrechetDistance {
  /** |mean difference|^2 + tr(covariances) - 2 tr((product of covariances)^(1/2)). */
  readonly value: number;
  /**
   * By the delta method, with the second order, which is what remains for equal laws. It counts the generated samples, and those of a
   * reference that is no known law. Absent where a set has no more samples than features.
   */
  readonly standardError?: number;
  /**
   * By how much the value exceeds the distance of the laws in the mean, to first order in 1/samples, for normally distributed
   * features with the covariances that were found. Absent as the standard error is.
   */
  readonly bias?: number;
  /** Extrapolated to infinitely many generated samples, for the reference as it is; absent for fewer than four samples a feature. */
  readonly extrapolated?: Estimate;
  /** Doubts about the figures, in plain words. */
  readonly warnings: readonly string[];
}

const parts = 4;

/**
 * The squared Frechet (2-Wasserstein) distance of normal laws with the moments of two sets of features; with features of the
 * Inception network of 2015 the FID (Heusel et al. 2017).
 *
 * @param reference Features, or a law that is known: its mean and covariance.
 * @throws DataError where the sets do not have the same features, or fewer than two samples.
 */
export async function frechetDistance(
  generated: Features,
  reference: Features | Gaussian,
  { signal, onProgress }: PassOptions = {},
): Promise<FrechetDistance> {
  const isKnown = 'covariance' in reference;
  if (isKnown) checkLaw(reference, generated.width);
  else checkComparable(generated, reference, 2);
  const quarters = await featureMoments(generated, parts, {
    signal,
    onProgress: (fraction) => onProgress?.(0.2 * fraction),
  });
  const law = gaussianOf(mergeMoments(quarters));
  const other = isKnown ? reference : gaussianOf((await featureMoments(reference, 1, { signal }))[0]!);
  onProgress?.(0.4);
  const width = generated.width;
  const warnings = scarce(law.count, other.count, width);
  const queue = new Queue(signal);
  try {
    const from = await rootOf(queue, other);
    const solution = await solve(queue, from, law, true);
    onProgress?.(0.6);
    const { value, scales } = solution;
    if (warnings.length > 0) return { value, warnings };
    const transport = await transportOf(queue, from, solution, !isKnown);
    let found = (await influence(queue, generated, law, other, transport.forth)) / law.count;
    if (!isKnown) found += (await influence(queue, reference, other, law, transport.back!)) / other.count;
    const second = secondOrder(law, other, scales);
    const bias = biasOf(law, other, scales);
    const first = firstOrder(found, second, value - bias);
    const errorOf = (rest: number): number => Math.sqrt(Math.max(first + rest, found / 4));
    onProgress?.(0.8);
    const extrapolated =
      law.count >= parts * width
        ? await extrapolate(value, async (halves) => {
            const half = gaussianOf(mergeMoments(halves.map((i) => quarters[i]!)));
            return (await solve(queue, from, half, false)).value;
          })
        : undefined;
    onProgress?.(1);
    return {
      value,
      standardError: errorOf(second),
      bias,
      ...(extrapolated && {
        extrapolated: { value: extrapolated.value, standardError: errorOf(second + extrapolated.variance) },
      }),
      warnings,
    };
  } finally {
    await queue.close();
  }
}

function checkLaw({ mean, covariance }: Gaussian, width: number): void {
  if (mean.length === width && covariance.length === width * width) return;
  throw new DataError(
    `The reference has a mean of ${mean.length} numbers and a covariance of ${covariance.length}, the generated samples have ` +
      `${width} features.`,
    { option: 'reference' },
  );
}

function scarce(generated: number, reference: number, width: number): string[] {
  return [['generated', generated] as const, ['reference', reference] as const].flatMap(([name, count]) =>
    count > width
      ? []
      : `The ${count} ${name} samples have ${width} features: their covariance is singular, and the Frechet distance is mostly ` +
        'the bias of so few samples. Compare it with nothing but a distance of as many samples, and rather use the kernel distance.',
  );
}

/** S = L L^T of the reference. */
interface Root {
  readonly law: Gaussian;
  readonly factor: Elements;
  readonly pivots: Int32Array;
  /** Memory for matrices of one solution: a queue keeps what it gave until it is closed. */
  readonly scratch: readonly [Elements, Elements, Elements];
}

async function rootOf(queue: Queue, law: Gaussian): Promise<Root> {
  const width = law.mean.length;
  const square = (): Elements => queue.allocate(width * width, 'double');
  const factor = square();
  const scratch = [square(), square(), square()] as const;
  const pivots = queue.allocate(width, 'int32') as Int32Array;
  queue.write(scratch[0], law.covariance);
  factorize(queue, scratch[0], factor, pivots);
  await queue.settled();
  const rank = pivots.indexOf(-1);
  return { law, factor, pivots: pivots.slice(0, rank < 0 ? width : rank), scratch };
}

interface Solution {
  readonly value: number;
  /** Square roots of the eigenvalues of the product of the covariances, ascending; [d]. */
  readonly scales: Float64Array;
  /** Eigenvectors of L^T C L, as rows. */
  readonly vectors?: Elements;
}

/** The eigenvalues of the product S C are those of L^T C L, which is symmetric. */
async function solve(
  queue: Queue,
  { law: from, factor, scratch: [covariance, product, matrix] }: Root,
  law: Gaussian,
  vectors: boolean,
): Promise<Solution> {
  const width = law.mean.length;
  const values = queue.allocate(width, 'double');
  const rows = vectors ? queue.allocate(width * width, 'double') : undefined;
  queue.write(covariance, law.covariance);
  multiply(queue, product, covariance, factor, width);
  multiply(queue, matrix, factor, product, width, { transposeA: true });
  eigen(queue, matrix, values, rows);
  const eigenvalues = (await queue.read(values)) as Float64Array;
  const zero = eigenvalues.at(-1)! * width * Number.EPSILON;
  const scales = eigenvalues.map((eigenvalue) => (eigenvalue > zero ? Math.sqrt(eigenvalue) : 0));
  let value =
    traceOf(from.covariance, width) + traceOf(law.covariance, width) - 2 * scales.reduce((a, b) => a + b, 0);
  for (let j = 0; j < width; j++) value += (law.mean[j]! - from.mean[j]!) ** 2;
  return { value, scales, ...(rows && { vectors: rows }) };
}

function traceOf(matrix: Float64Array, width: number): number {
  let trace = 0;
  for (let i = 0; i < width; i++) trace += matrix[i * width + i]!;
  return trace;
}

/** B with T = B^T B, T being the linear optimal transport from a law; [rows, columns] on these features of a sample. */
interface Transport {
  readonly root: Elements;
  readonly columns: Int32Array;
}

/**
 * Of the generated law to the reference, T = L (L^T C L)^(-1/2) L^T (Olkin and Pukelsheim 1982), and back. Where a
 * covariance is singular, on the span of its samples.
 */
async function transportOf(
  queue: Queue,
  { factor, pivots }: Root,
  { scales, vectors }: Solution,
  both: boolean,
): Promise<{ forth: Transport; back?: Transport }> {
  const width = scales.length;
  const rank = pivots.length;
  const scaled = (power: number): Elements => {
    const rows = queue.allocate(width * width, 'double') as Float64Array;
    const given = vectors as Float64Array;
    for (let i = 0; i < width; i++) {
      const factorOf = scales[i]! === 0 ? 0 : scales[i]! ** power;
      for (let j = 0; j < width; j++) rows[i * width + j] = factorOf * given[i * width + j]!;
    }
    return rows;
  };
  const root = queue.allocate(width * width, 'double');
  multiply(queue, root, scaled(-0.5), factor, width, { transposeB: true });
  await queue.settled();
  const forth = { root, columns: Int32Array.from({ length: width }, (_, j) => j) };
  if (!both) return { forth };
  // L c = y - mean is solved by the features that were pivots.
  const lower = queue.allocate(rank * rank, 'double') as Float64Array;
  const all = factor as Float64Array;
  for (const [i, pivot] of pivots.entries())
    lower.set(all.subarray(pivot * width, pivot * width + rank), i * rank);
  const inverse = queue.allocate(rank * rank, 'double');
  invertTriangular(queue, lower, inverse);
  const half = scaled(0.5) as Float64Array;
  // From the rank on L has no columns, and the vectors nothing in them.
  const used = queue.allocate(width * rank, 'double') as Float64Array;
  for (let i = 0; i < width; i++) used.set(half.subarray(i * width, i * width + rank), i * rank);
  const backwards = queue.allocate(width * rank, 'double');
  multiply(queue, backwards, used, inverse, rank);
  await queue.settled();
  return { forth, back: { root: backwards, columns: pivots } };
}

/**
 * The variance over samples x of the influence 2 (mean - other mean)^T x + (x - mean)^T (I - T) (x - mean) that each has on the
 * distance.
 */
async function influence(
  queue: Queue,
  features: Features,
  { mean }: Gaussian,
  { mean: other }: Gaussian,
  { root, columns }: Transport,
): Promise<number> {
  const { width, count } = features;
  const used = columns.length;
  const rows = root.length / used;
  const centred = queue.allocate(blockRows * used, 'double') as Float64Array;
  const images = queue.allocate(blockRows * rows, 'double') as Float64Array;
  let [n, average, squares] = [0, 0, 0];
  for (let first = 0; first < count; first += blockRows) {
    const block = Math.min(blockRows, count - first);
    const values = await features.read(first, block);
    for (let i = 0; i < block; i++)
      for (let j = 0; j < used; j++) {
        const column = columns[j]!;
        centred[i * used + j] = values[i * width + column]! - mean[column]!;
      }
    multiply(queue, queue.rows(images, rows, 0, block), queue.rows(centred, used, 0, block), root, used, {
      transposeB: true,
    });
    await queue.settled();
    for (let i = 0; i < block; i++) {
      let sum = 0;
      for (let j = 0; j < width; j++) {
        const difference = values[i * width + j]! - mean[j]!;
        sum += difference * (difference + 2 * (mean[j]! - other[j]!));
      }
      for (let j = 0; j < rows; j++) sum -= images[i * rows + j]! ** 2;
      const change = sum - average;
      average += change / ++n;
      squares += change * (sum - average);
    }
  }
  return squares / (n - 1);
}

/**
 * The variance of first order. The influences found differ from the true ones by errors that have the variance of the second order
 * once more, so that all that is found less twice the second order is free of bias; for nearly equal laws it would often be
 * negative. For equal ones the whole variance is half of what is found, which is not. That counts up to an excess of the distance over
 * its bias of two standard errors of the second order, the other from four on.
 */
function firstOrder(found: number, second: number, excess: number): number {
  const half = found / 2;
  const error = Math.sqrt(second);
  const differ = excess <= 2 * error ? 0 : Math.min(1, excess / (2 * error) - 1);
  return half - second + differ * Math.max(0, half - second);
}

/**
 * The mean of the distance's second-order term, by the variance of a Wishart matrix: tr(C) / n + tr(S) / m, and half of
 * (1 / (n - 1) + 1 / (m - 1)) times the sum over i, j of s_i s_j (1 + [i = j]) / (s_i + s_j).
 */
function biasOf(law: Gaussian, other: Gaussian, scales: Float64Array): number {
  const means =
    traceOf(law.covariance, scales.length) / law.count +
    traceOf(other.covariance, scales.length) / other.count;
  return means + (rateOf(law, other) * sumOfPairs(scales, 1)) / 2;
}

/** Its variance: of the means 2 |C / n + S / m|^2, and of the covariances the sum of the squares of the terms of their mean. */
function secondOrder(law: Gaussian, other: Gaussian, scales: Float64Array): number {
  let means = 0;
  for (const [k, value] of law.covariance.entries())
    means += (value / law.count + other.covariance[k]! / other.count) ** 2;
  return 2 * means + rateOf(law, other) ** 2 * sumOfPairs(scales, 2);
}

function rateOf(law: Gaussian, other: Gaussian): number {
  return 1 / (law.count - 1) + 1 / (other.count - 1);
}

/** The sum over i, j of (s_i s_j / (s_i + s_j))^power (1 + [i = j]). */
function sumOfPairs(scales: Float64Array, power: number): number {
  let sum = 0;
  for (const a of scales) {
    if (a === 0) continue;
    for (const b of scales) sum += ((a * b) / (a + b)) ** power;
    sum += (a / 2) ** power;
  }
  return sum;
}

/**
 * Twice the distance less the mean distance of two halves is free of the bias in 1/n: it takes the second order of the difference of the
 * halves from that of the distance. The three ways to pair four quarters have differences that are independent of one another and of
 * the mean of all.
 *
 * @returns The mean, and the variance that the differences add to that of the distance.
 */
async function extrapolate(
  value: number,
  distanceOf: (quarters: readonly number[]) => Promise<number>,
): Promise<{ value: number; variance: number }> {
  const estimates: number[] = [];
  for (const partner of [1, 2, 3]) {
    const others = [1, 2, 3].filter((quarter) => quarter !== partner);
    const halves = (await distanceOf([0, partner])) + (await distanceOf(others));
    estimates.push(2 * value - halves / 2);
  }
  const mean = estimates.reduce((a, b) => a + b, 0) / estimates.length;
  const spread =
    estimates.reduce((sum, estimate) => sum + (estimate - mean) ** 2, 0) / (estimates.length - 1);
  return { value: mean, variance: spread / 3 };
}
