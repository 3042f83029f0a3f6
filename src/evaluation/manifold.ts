import { Queue } from '../device/queue.js';
import { checkInteger } from '../options.js';
import { chooseSamples, samplePart } from './choice.js';
import { checkComparable, type Features, type PassOptions } from './features.js';
import type { Estimate } from './frechet.js';
import { forPairs, pointsOf, toSquaredDistances, type PointSet } from './pairs.js';

/** How neighbours are counted. */
export interface ManifoldOptions extends PassOptions {
  /** Nearest neighbours that make the radius of precision and recall. Default 3. */
  readonly precisionNeighbours?: number | undefined;
  /** Nearest neighbours that make the radius of density and coverage. Default 5. */
  readonly densityNeighbours?: number | undefined;
  /** Samples of each set that are compared, evenly spread over it. Default 10000. */
  readonly subset?: number | undefined;
}

/** A number with the one that is expected, whatever the law and the dimension, where both sets are of the same law. */
export interface Fidelity extends Estimate {
  /** Exact expectation of the value where both sets are of one law. */
  readonly expectedIfEqual: number;
}

/** How two sets cover each other, by their nearest neighbours. */
export interface Manifold {
  /** The share of generated samples within the k-th nearest neighbour radius of a reference sample (Kynkaanniemi et al. 2019). */
  readonly precision: Estimate;
  /** The same with the sets exchanged. */
  readonly recall: Estimate;
  /** In how many such balls of the reference a generated sample lies, over k (Naeem et al. 2020). */
  readonly density: Fidelity;
  /** The share of reference samples whose ball holds a generated sample. */
  readonly coverage: Fidelity;
  /** Samples of each set that were compared. */
  readonly samples: { readonly generated: number; readonly reference: number };
}

/** Parts of a set. */
const groups = 16;

/**
 * Sets of groups on which metrics are computed, one a bit: the halves of 15 splits such that every two of them have half of each half
 * in common, as the rows of a Hadamard matrix have, and at last all.
 */
const slots = 31;
const everything = slots - 1;

/** Bits of the slots that a group is in. */
const slotsOf = Int32Array.from({ length: groups }, (_, group) => {
  let bits = 1 << everything;
  for (let split = 1; split < groups; split++)
    bits |= 1 << (2 * (split - 1) + (parity(group & split) ? 1 : 0));
  return bits;
});

function parity(bits: number): boolean {
  let odd = false;
  for (let rest = bits; rest > 0; rest >>= 1) odd = odd !== ((rest & 1) === 1);
  return odd;
}

/**
 * Precision and recall with balls that hold their boundary, density and coverage with open ones, as published. Standard errors are
 * from the differences of disjoint halves of both sets (balanced half-samples, McCarthy 1969): a jackknife would overrate them, since
 * samples act together.
 *
 * @throws DataError where the sets do not have the same features; OptionError where a set is too small for its neighbours.
 */
export async function manifoldMetrics(
  generated: Features,
  reference: Features,
  {
    precisionNeighbours = 3,
    densityNeighbours = 5,
    subset = 10_000,
    signal,
    onProgress,
  }: ManifoldOptions = {},
): Promise<Manifold> {
  checkInteger('precisionNeighbours', precisionNeighbours, 1, 1000);
  checkInteger('densityNeighbours', densityNeighbours, 1, 1000);
  const most = Math.max(precisionNeighbours, densityNeighbours);
  const least = Math.max(groups, 4 * (most + 1));
  checkInteger('subset', subset, least);
  checkComparable(generated, reference, least);
  const queue = new Queue(signal);
  try {
    const x = await pointsOf(queue, generated, chooseSamples(generated.count, subset));
    const y = await pointsOf(queue, reference, chooseSamples(reference.count, subset));
    const progress = (part: number) => (fraction: number) => onProgress?.((part + fraction) / 3);
    const near = await neighbours(queue, x, precisionNeighbours, progress(0));
    const nearReference = await neighbours(queue, y, most, progress(1));
    const balls = {
      generated: ballsOf(near, x.count, precisionNeighbours, precisionNeighbours),
      precision: ballsOf(nearReference, y.count, most, precisionNeighbours),
      density: ballsOf(nearReference, y.count, most, densityNeighbours),
    };
    const inside = {
      precise: new Int32Array(x.count),
      recalled: new Int32Array(y.count),
      covered: new Int32Array(y.count),
      occupied: new Float64Array(slots),
    };
    await forPairs(
      queue,
      y,
      x,
      (tile) => {
        toSquaredDistances(tile, y, x);
        const { products, rows, columns, row, column } = tile;
        for (let a = 0, k = 0; a < rows; a++)
          for (let b = 0; b < columns; b++, k++) {
            const [i, j, distance] = [row + a, column + b, products[k]!];
            const close = within(balls.precision, i, j, distance, true);
            if (close !== 0) inside.precise[j]! |= close;
            const recalled = within(balls.generated, j, i, distance, true);
            if (recalled !== 0) inside.recalled[i]! |= recalled;
            const dense = within(balls.density, i, j, distance, false);
            if (dense === 0) continue;
            inside.covered[i]! |= dense;
            for (let slot = 0; slot < slots; slot++) if (dense & (1 << slot)) inside.occupied[slot]!++;
          }
      },
      progress(2),
    );
    const [n, m] = [x.count, y.count];
    const generatedIn = countsIn(n);
    return {
      precision: estimateOf(shares(inside.precise)),
      recall: estimateOf(shares(inside.recalled)),
      density: {
        ...estimateOf(inside.occupied.map((pairs, slot) => pairs / (densityNeighbours * generatedIn[slot]!))),
        expectedIfEqual: 1,
      },
      coverage: {
        ...estimateOf(shares(inside.covered)),
        expectedIfEqual: expectedCoverage(n, m, densityNeighbours),
      },
      samples: { generated: n, reference: m },
    };
  } finally {
    await queue.close();
  }
}

/** 1 - prod over i of (m - i) / (n + m - i), for n generated and m reference samples: near 1 - 2^-k where they are as many. */
function expectedCoverage(n: number, m: number, k: number): number {
  let missed = 1;
  for (let i = 1; i <= k; i++) missed *= (m - i) / (n + m - i);
  return 1 - missed;
}

/** The k smallest squared distances from each point to the others of each group, ascending: [points, groups, k]. */
async function neighbours(
  queue: Queue,
  points: PointSet,
  k: number,
  onProgress: (fraction: number) => void,
): Promise<Float64Array> {
  const nearest = new Float64Array(points.count * groups * k).fill(Infinity);
  await forPairs(
    queue,
    points,
    points,
    (tile) => {
      toSquaredDistances(tile, points, points);
      const { products, rows, columns, row, column } = tile;
      for (let a = 0, at = 0; a < rows; a++)
        for (let b = 0; b < columns; b++, at++) {
          const [i, j, distance] = [row + a, column + b, products[at]!];
          if (i === j) continue;
          const start = (i * groups + samplePart(j, groups)) * k;
          let place = start + k - 1;
          if (distance >= nearest[place]!) continue;
          for (; place > start && nearest[place - 1]! > distance; place--)
            nearest[place] = nearest[place - 1]!;
          nearest[place] = distance;
        }
    },
    onProgress,
  );
  return nearest;
}

/** Squared radii of the balls around points. */
interface Balls {
  /** To the k-th nearest neighbour of each slot: [points, slots]. */
  readonly radii: Float64Array;
  /** The largest of them. */
  readonly farthest: Float64Array;
}

/** @param kept Neighbours of each group; the balls are to the k-th. */
function ballsOf(nearest: Float64Array, count: number, kept: number, k: number): Balls {
  const radii = new Float64Array(count * slots);
  const order = new Uint32Array(groups * kept);
  for (let i = 0; i < count; i++) {
    const own = nearest.subarray(i * groups * kept, (i + 1) * groups * kept);
    for (let at = 0; at < order.length; at++) order[at] = at;
    order.sort((a, b) => own[a]! - own[b]!);
    for (let slot = 0; slot < slots; slot++) {
      let left = k;
      for (const at of order) {
        if ((slotsOf[Math.floor(at / kept)]! & (1 << slot)) === 0) continue;
        radii[i * slots + slot] = own[at]!;
        if (--left === 0) break;
      }
    }
  }
  const farthest = Float64Array.from({ length: count }, (_, i) =>
    radii.subarray(i * slots, (i + 1) * slots).reduce((a, b) => Math.max(a, b)),
  );
  return { radii, farthest };
}

/** The bits of the slots that have both points, with the other in the ball of the centre. */
function within(
  { radii, farthest }: Balls,
  centre: number,
  other: number,
  distance: number,
  closed: boolean,
): number {
  if (distance > farthest[centre]!) return 0;
  let bits = slotsOf[samplePart(centre, groups)]! & slotsOf[samplePart(other, groups)]!;
  for (let slot = 0; slot < slots; slot++) {
    const radius = radii[centre * slots + slot]!;
    if (closed ? distance > radius : distance >= radius) bits &= ~(1 << slot);
  }
  return bits;
}

/** How many of so many points each slot has. */
function countsIn(count: number): Float64Array {
  const counts = new Float64Array(slots);
  for (let i = 0; i < count; i++)
    for (let slot = 0; slot < slots; slot++) counts[slot]! += (slotsOf[samplePart(i, groups)]! >> slot) & 1;
  return counts;
}

/** The share of points whose bit is set, in each slot. */
function shares(bits: Int32Array): Float64Array {
  const total = countsIn(bits.length);
  return total.map((count, slot) => bits.reduce((sum, own) => sum + ((own >> slot) & 1), 0) / count);
}

/** Halves are independent, and each has twice the variance of the whole. */
function estimateOf(values: Float64Array): Estimate {
  let squares = 0;
  for (let half = 0; half < everything; half += 2) squares += (values[half]! - values[half + 1]!) ** 2;
  return { value: values[everything]!, standardError: Math.sqrt(squares / (everything / 2) / 4) };
}
