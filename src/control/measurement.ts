import { Stream } from '../device/binding.js';
import { fillNormal } from '../device/kernels.js';
import { OptionError } from '../errors.js';
import { checkInteger, checkKnown, checkNumber, checkSeed } from '../options.js';
import { elementCount } from '../shape.js';
import { checkOperator, type LinearOperator } from './operator.js';

/** y = A x + noise z with z standard normal. */
export interface Measurement {
  readonly operator: LinearOperator;
  /** y in the model's own space: [count, ...measuredShape], or one for all samples. */
  readonly values: Float32Array | Float64Array;
  /** Standard deviation of the noise, in the unit of the values; 0 or more. Default 0. */
  readonly noise?: number | undefined;
}

/** What was measured of each sample, checked. */
export interface Known {
  readonly operator: LinearOperator;
  readonly noise: number;
  /** Measurements; one may be that of all samples. */
  readonly count: number;
  /** The measurement of a sample. */
  readonly of: (sample: number) => Float64Array;
}

/**
 * A measurement for samples of this shape.
 *
 * @throws OptionError for an operator whose adjoint is not its transpose, values that are no measurements or not finite, and noise
 *   below zero.
 */
export function checkMeasurement(measurement: Measurement, shape: readonly number[]): Known {
  checkKnown(measurement, ['operator', 'values', 'noise'], 'measurement');
  const { operator, values, noise = 0 } = measurement;
  checkOperator('measurement.operator', operator, shape);
  checkNumber('measurement.noise', noise, 0, true);
  const m = elementCount(operator.measuredShape);
  if (!((values as unknown) instanceof Float32Array || (values as unknown) instanceof Float64Array))
    throw new OptionError('measurement.values', values, 'a Float32Array or a Float64Array');
  if (values.length === 0 || values.length % m !== 0) {
    const each = `[${operator.measuredShape.join(', ')}] = ${m} numbers`;
    throw new OptionError('measurement.values', values, `measurements of ${each}, one after the other`);
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new OptionError(`measurement.values[${bad}]`, values[bad], 'a finite number');
  checkAdjoint(operator);
  const count = values.length / m;
  return {
    operator,
    noise,
    count,
    of: (sample) => Float64Array.from(values.subarray((sample % count) * m, ((sample % count) + 1) * m)),
  };
}

/** Share of |A x| |y| by which <A x, y> and <x, A^T y> may differ: what float32 leaves of them. */
const ROUNDING = 1e-4;

/** Throws unless <A x, y> = <x, A^T y>, and A (2 x) = 2 A x, for random x and y. */
function checkAdjoint(operator: LinearOperator): void {
  const x = randomVector(elementCount(operator.shape), 0);
  const y = randomVector(elementCount(operator.measuredShape), 1);
  const image = operator.apply(x.slice());
  const back = operator.adjoint(y.slice());
  const [left, right] = [dot(image, y), dot(x, back)];
  const size = Math.sqrt(dot(image, image) * dot(y, y));
  if (!(Math.abs(left - right) <= ROUNDING * size)) {
    const products = `<A x, y> is ${left.toPrecision(4)} and <x, A^T y> is ${right.toPrecision(4)} for random x and y`;
    throw new OptionError(
      'measurement.operator.adjoint',
      operator.name,
      `the transpose of apply: ${products}`,
    );
  }
  const twice = operator.apply(x.map((value) => 2 * value));
  const off = Math.max(...twice.map((value, i) => Math.abs(value - 2 * image[i]!)));
  if (!(off <= ROUNDING * Math.sqrt(dot(image, image))))
    throw new OptionError('measurement.operator.apply', operator.name, 'linear: A (2 x) is not 2 A x');
}

function randomVector(length: number, step: number): Float64Array {
  const out = new Float64Array(length);
  fillNormal(out, 1, { seed: 0n, samples: 0, step, stream: Stream.probeNormal });
  return out;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export interface MeasureOptions {
  /** Standard deviation of the noise. Default 0. */
  readonly noise?: number | undefined;
  /** Seed of the noise. Default 0. */
  readonly seed?: bigint | number | undefined;
  /** Index of the first sample, which addresses the noise. Default 0. */
  readonly first?: number | undefined;
}

/**
 * What would be measured of samples: A x + noise z for each.
 *
 * @param samples [count, ...shape].
 * @returns [count, ...measuredShape].
 */
export function measure(
  operator: LinearOperator,
  samples: Float32Array | Float64Array,
  options: MeasureOptions = {},
): Float32Array {
  checkKnown(options, ['noise', 'seed', 'first']);
  const { noise = 0, seed = 0, first = 0 } = options;
  checkNumber('noise', noise, 0, true);
  checkInteger('first', first, 0);
  const [d, m] = [elementCount(operator.shape), elementCount(operator.measuredShape)];
  if (samples.length === 0 || samples.length % d !== 0)
    throw new OptionError('samples', samples, `samples of ${d} elements, one after the other`);
  const count = samples.length / d;
  const values = new Float32Array(count * m);
  fillNormal(values, count, { seed: checkSeed(seed), samples: first, step: 0, stream: Stream.data });
  for (let i = 0; i < count; i++) {
    const exact = operator.apply(Float64Array.from(samples.subarray(i * d, (i + 1) * d)));
    exact.forEach((value, k) => (values[i * m + k] = value + noise * values[i * m + k]!));
  }
  return values;
}
