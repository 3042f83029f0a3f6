import { Stream } from '../device/binding.js';
import { multiply } from '../device/linear-algebra.js';
import { Queue } from '../device/queue.js';
import { checkInteger, checkSeed } from '../options.js';
import { chooseSamples } from './choice.js';
import { checkComparable, type Features, type PassOptions } from './features.js';
import type { Estimate } from './frechet.js';
import { pointsOf } from './pairs.js';

/** Over how many directions distances are averaged. */
export interface SlicedWassersteinOptions extends PassOptions {
  /** Random directions. Default 1000. */
  readonly directions?: number | undefined;
  /** Samples of each set, evenly spread over it; both sets give as many. Default 10000. */
  readonly subset?: number | undefined;
  /** Of the directions. Default 0. */
  readonly seed?: bigint | number | undefined;
}

/** Directions onto which samples are projected at a time. */
const together = 8;

/**
 * The sliced Wasserstein distance, squared: the mean over random directions of the squared 2-Wasserstein distance of the
 * projections (Bonneel et al. 2015). It needs neither a network nor an inverse of a covariance, and is above 0 for equal laws too.
 * The standard error counts the directions and, through the Kantorovich potentials, the samples.
 *
 * @throws DataError where the sets do not have the same features.
 */
export async function slicedWasserstein(
  generated: Features,
  reference: Features,
  { directions = 1000, subset = 10_000, seed = 0, signal, onProgress }: SlicedWassersteinOptions = {},
): Promise<Estimate> {
  checkInteger('directions', directions, 2, 1_000_000);
  checkInteger('subset', subset, 2);
  checkComparable(generated, reference, 2);
  const { width } = generated;
  const count = Math.min(generated.count, reference.count, subset);
  const queue = new Queue(signal);
  try {
    const sets = [
      await pointsOf(queue, generated, chooseSamples(generated.count, count)),
      await pointsOf(queue, reference, chooseSamples(reference.count, count)),
    ];
    const axes = queue.allocate(together * width, 'double') as Float64Array;
    const projections = [0, 1].map(() => queue.allocate(together * count, 'double') as Float64Array);
    const potentials = [0, 1].map(() => new Float64Array(count));
    const costs: number[] = [];
    const order = [0, 1].map(() => new Uint32Array(count));
    for (let first = 0; first < directions; first += together) {
      const rows = Math.min(together, directions - first);
      const address = { seed: checkSeed(seed), samples: first, step: 0, stream: Stream.data };
      queue.fill(queue.rows(axes, width, 0, rows), rows, 'normal', address);
      await queue.settled();
      normalize(axes, width, rows);
      for (const [s, { elements }] of sets.entries())
        multiply(
          queue,
          queue.rows(projections[s]!, count, 0, rows),
          queue.rows(axes, width, 0, rows),
          elements,
          width,
          {
            transposeB: true,
          },
        );
      await queue.settled();
      for (let row = 0; row < rows; row++) {
        const lines = projections.map((all) => all.subarray(row * count, (row + 1) * count));
        for (const [s, line] of lines.entries()) sortIndices(order[s]!, line);
        costs.push(transport(lines, order, potentials, directions));
      }
      onProgress?.((first + rows) / directions);
    }
    const samples = potentials.reduce((sum, potential) => sum + varianceOf(potential) / count, 0);
    const value = costs.reduce((a, b) => a + b, 0) / directions;
    return { value, standardError: Math.sqrt(samples + varianceOf(costs) / directions) };
  } finally {
    await queue.close();
  }
}

function normalize(axes: Float64Array, width: number, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const axis = axes.subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...axis);
    for (let j = 0; j < width; j++) axis[j]! /= length;
  }
}

function sortIndices(order: Uint32Array, values: Float64Array): void {
  for (let i = 0; i < order.length; i++) order[i] = i;
  order.sort((a, b) => values[a]! - values[b]! || a - b);
}

/**
 * The squared distance of two sets of points of a line, sorted by `order`. A `share` of its Kantorovich potentials, whose slopes are
 * 2 (x - T(x)), is added to what the points have.
 */
function transport(
  lines: readonly Float64Array[],
  order: readonly Uint32Array[],
  potentials: readonly Float64Array[],
  directions: number,
): number {
  const count = order[0]!.length;
  let cost = 0;
  const heights = [0, 0];
  for (let i = 0; i < count; i++) {
    const at = order.map((ranks, s) => lines[s]![ranks[i]!]!);
    const gap = at[0]! - at[1]!;
    cost += (gap * gap) / count;
    if (i > 0) {
      const before = order.map((ranks, s) => lines[s]![ranks[i - 1]!]!);
      const slope = gap + before[0]! - before[1]!;
      heights[0]! += slope * (at[0]! - before[0]!);
      heights[1]! -= slope * (at[1]! - before[1]!);
    }
    for (const [s, ranks] of order.entries()) potentials[s]![ranks[i]!]! += heights[s]! / directions;
  }
  return cost;
}

function varianceOf(values: ArrayLike<number>): number {
  let [mean, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const change = values[i]! - mean;
    mean += change / (i + 1);
    squares += change * (values[i]! - mean);
  }
  return squares / (values.length - 1);
}
