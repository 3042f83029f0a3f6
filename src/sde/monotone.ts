/** A function through given points, with its slope. Outside of them it stays as it is at the ends. */
interface Curve {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}

/** Points from which a slope is estimated. */
const NEIGHBOURS = 5;

/**
 * The cubic Hermite curve through points that rise or fall: of order 4 in their distances where they lie on a smooth function, smooth
 * itself, and monotone between each two of them. Its slopes are those of the polynomial through the five nearest points, limited by
 * the condition of Fritsch and Carlson 1980.
 *
 * @param x rising, at least two.
 */
export function monotoneCurve(x: Float64Array, y: Float64Array): Curve {
  const last = x.length - 1;
  const secants = Float64Array.from({ length: last }, (_, i) => (y[i + 1]! - y[i]!) / (x[i + 1]! - x[i]!));
  const slopes = x.map((_, i) =>
    limited(slopeAt(x, y, i), secants[Math.max(0, i - 1)]!, secants[Math.min(i, last - 1)]!),
  );
  /** The interval of a place, and where in it that is, from 0 to 1. */
  const locate = (at: number): [number, number] => {
    let [low, high] = [0, last];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle]! <= at) low = middle;
      else high = middle;
    }
    return [low, Math.min(1, Math.max(0, (at - x[low]!) / (x[high]! - x[low]!)))];
  };
  return {
    value(at) {
      const [i, u] = locate(at);
      const bend = slopes[i]! * (1 - u) - slopes[i + 1]! * u;
      return y[i]! + (x[i + 1]! - x[i]!) * u * (secants[i]! * u * (3 - 2 * u) + (1 - u) * bend);
    },
    slope(at) {
      const [i, u] = locate(at);
      const v = 1 - u;
      return 6 * u * v * secants[i]! + slopes[i]! * v * (v - 2 * u) + slopes[i + 1]! * u * (u - 2 * v);
    },
  };
}

/** The slope at point i of the polynomial through the points nearest to it in order. */
function slopeAt(x: Float64Array, y: Float64Array, i: number): number {
  const count = Math.min(NEIGHBOURS, x.length);
  const first = Math.min(Math.max(0, i - (count >> 1)), x.length - count);
  let slope = 0;
  for (let j = first; j < first + count; j++) {
    if (j === i) continue;
    let weight = 1 / (x[j]! - x[i]!);
    for (let k = first; k < first + count; k++)
      if (k !== i && k !== j) weight *= (x[i]! - x[k]!) / (x[j]! - x[k]!);
    slope += weight * (y[j]! - y[i]!);
  }
  return slope;
}

/** The slope next to which a cubic stays monotone, between intervals with these mean slopes. */
function limited(slope: number, left: number, right: number): number {
  if (left * right <= 0) return 0;
  const most = 3 * Math.min(Math.abs(left), Math.abs(right));
  return Math.sign(left) * Math.min(Math.max(0, Math.sign(left) * slope), most);
}

/** alpha and sigma through given values, with their derivatives. */
export interface MarginalCurves {
  readonly alpha: (t: number) => number;
  readonly sigma: (t: number) => number;
  readonly alphaDerivative: (t: number) => number;
  readonly sigmaDerivative: (t: number) => number;
}

/**
 * alpha and sigma^2 as curves through their values at some times, each in the value itself or in its logarithm: the one in which the given
 * values are the better told from their neighbours.
 */
export function marginalCurves(
  times: Float64Array,
  alphas: Float64Array,
  sigmas: Float64Array,
): MarginalCurves {
  const alpha = fittingCurve(times, alphas);
  const variance = fittingCurve(
    times,
    sigmas.map((sigma) => sigma * sigma),
  );
  const sigma = (t: number) => Math.sqrt(variance.value(t));
  return {
    alpha: alpha.value,
    alphaDerivative: alpha.slope,
    sigma,
    sigmaDerivative: (t) => variance.slope(t) / (2 * sigma(t)),
  };
}

function fittingCurve(x: Float64Array, y: Float64Array): Curve {
  const logs = y.map(Math.log);
  const error = (values: Float64Array, relative: (i: number) => number): number => {
    let most = 0;
    for (let i = 2; i < x.length - 2; i++)
      most = Math.max(most, Math.abs(toldByNeighbours(x, values, i) - values[i]!) * relative(i));
    return most;
  };
  const inLogs = logs.every(Number.isFinite) && error(logs, () => 1) < error(y, (i) => 1 / y[i]!);
  if (!inLogs) return monotoneCurve(x, y);
  const curve = monotoneCurve(x, logs);
  const value = (t: number) => Math.exp(curve.value(t));
  return { value, slope: (t) => value(t) * curve.slope(t) };
}

/** The value at point i of the cubic through two points on either side. */
function toldByNeighbours(x: Float64Array, y: Float64Array, i: number): number {
  const nodes = [i - 2, i - 1, i + 1, i + 2];
  return nodes.reduce((sum, j) => {
    const weight = nodes.reduce((w, k) => (k === j ? w : (w * (x[i]! - x[k]!)) / (x[j]! - x[k]!)), 1);
    return sum + weight * y[j]!;
  }, 0);
}
