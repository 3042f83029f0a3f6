import { Queue } from '../device/queue.js';
import { checkInteger } from '../options.js';
import { chooseSamples } from './choice.js';
import { checkComparable, type Features, type PassOptions } from './features.js';
import { forPairs, pointsOf, toSquaredDistances } from './pairs.js';

/** How near neighbours are looked for. */
export interface NearestOptions extends PassOptions {
  /** Samples whose neighbours are looked for, evenly spread over the set. Default 10000. */
  readonly subset?: number | undefined;
}

/** The nearest of a reference to each of several samples. */
export interface Neighbours {
  /** Indices of the samples. */
  readonly samples: Uint32Array;
  /** Index in the reference of the nearest to each. */
  readonly nearest: Int32Array;
  /** Euclidean distance to it. */
  readonly distances: Float64Array;
}

/** What neighbours say about copies of training data. */
export interface Memorisation {
  /**
   * The median distance of generated samples to their nearest training sample, over that of held-out samples of the same law:
   * near 1 where the model has learned the law, near 0 where it copies.
   */
  readonly ratio: number;
  /** Of the ratio, from the order statistics beside both medians. */
  readonly standardError: number;
  /** The share of generated samples that are closer to a training sample than 99 % of the held-out ones; 0.01 for equal laws. */
  readonly close: number;
}

/** Rows of a reference that are in memory at a time. */
const stretch = 20_000;

/**
 * The nearest reference sample to each generated one, among all of the reference.
 *
 * @throws DataError where the sets do not have the same features.
 */
export async function nearestNeighbours(
  generated: Features,
  reference: Features,
  { subset = 10_000, signal, onProgress }: NearestOptions = {},
): Promise<Neighbours> {
  checkInteger('subset', subset, 1);
  checkComparable(generated, reference, 1);
  const samples = chooseSamples(generated.count, subset);
  const count = samples.length;
  const nearest = new Int32Array(count);
  const squared = new Float64Array(count).fill(Infinity);
  for (let first = 0; first < reference.count; first += stretch) {
    const queue = new Queue(signal);
    try {
      const x = await pointsOf(queue, generated, samples);
      const rows = Math.min(stretch, reference.count - first);
      const y = await pointsOf(
        queue,
        reference,
        Uint32Array.from({ length: rows }, (_, i) => first + i),
      );
      await forPairs(
        queue,
        x,
        y,
        (tile) => {
          toSquaredDistances(tile, x, y);
          const { products } = tile;
          for (let a = 0, k = 0; a < tile.rows; a++)
            for (let b = 0; b < tile.columns; b++, k++) {
              if (products[k]! >= squared[tile.row + a]!) continue;
              squared[tile.row + a] = products[k]!;
              nearest[tile.row + a] = first + tile.column + b;
            }
        },
        (fraction) => onProgress?.((first + fraction * rows) / reference.count),
      );
    } finally {
      await queue.close();
    }
  }
  return {
    samples,
    nearest,
    distances: squared.map(Math.sqrt),
  };
}

/** Compares how close generated samples and held-out ones come to the training data. */
export function memorisation(generated: Neighbours, heldOut: Neighbours): Memorisation {
  const own = generated.distances.toSorted();
  const others = heldOut.distances.toSorted();
  const [a, b] = [medianOf(own), medianOf(others)];
  const ratio = a.value / b.value;
  const relative = Math.hypot(a.standardError / a.value, b.standardError / b.value);
  const limit = others[Math.floor(others.length / 100)]!;
  return {
    ratio,
    standardError: ratio * relative,
    close: own.reduce((count, distance) => count + (distance < limit ? 1 : 0), 0) / own.length,
  };
}

/** The standard error is half the distance of the quantiles that lie a standard deviation of their rank off. */
function medianOf(sorted: Float64Array): { value: number; standardError: number } {
  const at = (quantile: number): number =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(quantile * (sorted.length - 1))))]!;
  const half = 0.5 / Math.sqrt(sorted.length);
  return { value: at(0.5), standardError: (at(0.5 + half) - at(0.5 - half)) / 2 };
}
