import { Queue } from '../device/queue.js';
import { checkInteger } from '../options.js';
import { chooseSamples } from './choice.js';
import { checkComparable, type Features, type PassOptions } from './features.js';
import type { Estimate } from './frechet.js';
import { forPairs, pointsOf, type PointSet } from './pairs.js';

/** How many samples the kernel distance compares at once. */
export interface KernelDistanceOptions extends PassOptions {
  /**
   * Samples of each set that are compared with all others at most. Where both sets have more, the statistic is the mean over disjoint
   * blocks of no more; where one has, so many of it are taken, evenly spread. Default 20000.
   */
  readonly block?: number | undefined;
}

/** The squared maximum mean discrepancy; it may be negative, since it is unbiased. */
export interface KernelDistance extends Estimate {
  /** Disjoint parts of both sets over which it is a mean. */
  readonly blocks: number;
}

/**
 * The kernel distance (KID, Binkowski et al. 2018): the squared maximum mean discrepancy with the kernel (x . y / d + 1)^3, as
 * the U-statistic over all pairs. Its standard error has the terms of first and of second order, and so holds for equal laws too.
 *
 * @throws DataError where the sets do not have the same features; OptionError for fewer than four samples.
 */
export async function kernelDistance(
  generated: Features,
  reference: Features,
  { block = 20_000, signal, onProgress }: KernelDistanceOptions = {},
): Promise<KernelDistance> {
  checkComparable(generated, reference, 4);
  checkInteger('block', block, 8);
  const blocks = Math.ceil(Math.min(generated.count, reference.count) / block);
  let [value, first, second] = [0, 0, 0];
  for (let part = 0; part < blocks; part++) {
    const queue = new Queue(signal);
    try {
      const pointsIn = (set: Features): Promise<PointSet> =>
        pointsOf(queue, set, chooseSamples(set.count, block, part, blocks));
      const estimate = await discrepancy(
        queue,
        await pointsIn(generated),
        await pointsIn(reference),
        (fraction) => onProgress?.((part + fraction) / blocks),
      );
      value += estimate.value / blocks;
      first += estimate.first / blocks ** 2;
      second += estimate.second / blocks ** 2;
    } finally {
      await queue.close();
    }
  }
  // Means over partners fluctuate with the second order too, so that they have it twice; for equal laws it is all there is.
  return { value, standardError: Math.sqrt(Math.max(first - second, first / 4)), blocks };
}

/** Sums over the kernel matrix of two sets of points; of a set with itself without the diagonal. */
interface KernelSums {
  /** Mean over the partners of each point of a. */
  readonly rows: Float64Array;
  /** Mean over the partners of each point of b. */
  readonly columns: Float64Array;
  readonly mean: number;
  readonly meanSquare: number;
}

async function kernelSums(
  queue: Queue,
  a: PointSet,
  b: PointSet,
  onProgress: (fraction: number) => void,
): Promise<KernelSums> {
  const rows = new Float64Array(a.count);
  const columns = new Float64Array(b.count);
  let squares = 0;
  await forPairs(
    queue,
    a,
    b,
    (tile) => {
      const { products } = tile;
      let tileSquares = 0;
      for (let i = 0, k = 0; i < tile.rows; i++) {
        let [sum, rowSquares] = [0, 0];
        for (let j = 0; j < tile.columns; j++, k++) {
          const base = products[k]! / a.width + 1;
          const value = a === b && tile.row + i === tile.column + j ? 0 : base * base * base;
          sum += value;
          rowSquares += value * value;
          columns[tile.column + j]! += value;
        }
        rows[tile.row + i]! += sum;
        tileSquares += rowSquares;
      }
      squares += tileSquares;
    },
    onProgress,
  );
  const own = a === b ? 1 : 0;
  const pairs = a.count * (b.count - own);
  const mean = rows.reduce((x, y) => x + y, 0) / pairs;
  return {
    rows: rows.map((sum) => sum / (b.count - own)),
    columns: columns.map((sum) => sum / (a.count - own)),
    mean,
    meanSquare: squares / pairs,
  };
}

/** The statistic, its variance as means over partners show it, and the second order of that. */
async function discrepancy(
  queue: Queue,
  x: PointSet,
  y: PointSet,
  onProgress: (fraction: number) => void,
): Promise<{ value: number; first: number; second: number }> {
  const [n, m] = [x.count, y.count];
  const all = n * n + n * m + m * m;
  const xx = await kernelSums(queue, x, x, (f) => {
    onProgress((f * n * n) / all);
  });
  const xy = await kernelSums(queue, x, y, (f) => {
    onProgress((n * n + f * n * m) / all);
  });
  const yy = await kernelSums(queue, y, y, (f) => {
    onProgress((n * n + n * m + f * m * m) / all);
  });
  const ofX = varianceOf(xx.rows.map((mean, i) => mean - xy.rows[i]!));
  const ofY = varianceOf(yy.rows.map((mean, j) => mean - xy.columns[j]!));
  const second =
    (2 * centredSquare(xx)) / (n * (n - 1)) +
    (4 * centredSquare(xy)) / (n * m) +
    (2 * centredSquare(yy)) / (m * (m - 1));
  const first = (4 * ofX) / n + (4 * ofY) / m;
  return { value: xx.mean - 2 * xy.mean + yy.mean, first, second };
}

function varianceOf(values: Float64Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

/** The variance of the kernel less what its two means explain. */
function centredSquare({ rows, columns, mean, meanSquare }: KernelSums): number {
  return Math.max(0, meanSquare - mean ** 2 - varianceOf(rows) - varianceOf(columns));
}
