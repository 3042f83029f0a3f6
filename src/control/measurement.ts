import { Stream } from '../device/binding.js';
import { fillNormal } from '../device/kernels.js';
import { OptionError } from '../errors.js';
import { checkInteger, checkKnown, checkNumber, checkSeed } from '../options.js';
import { elementCount } from '../shape.js';
import {
  checkOperator,
  isLinear,
  type DifferentiableOperator,
  type LinearOperator,
  type Operator,
} from './operator.js';

/** y = A(x) + noise z with z standard normal. */
export interface Measurement {
  /** A. */
  readonly operator: Operator;
  /** y in the model's own space: [count, ...measuredShape], or one for all samples. */
  readonly values: Float32Array | Float64Array;
  /** Standard deviation of the noise, in the unit of the values; 0 or more. Default 0. */
  readonly noise?: number | undefined;
}

/** What was measured of each sample, checked. */
export interface Known<A extends Operator = LinearOperator> {
  readonly operator: A;
  readonly noise: number;
  /** Measurements; one may be that of all samples. */
  readonly count: number;
  /** The measurement of a sample, without what a mask hides of it. */
  readonly of: (sample: number) => Float64Array;
}

/**
 * A measurement for samples of this shape.
 *
 * @throws OptionError for an operator whose adjoint is not its transpose or whose products are not those of its derivative, values that
 *   are no measurements or not finite, and noise below zero.
 */
export async function checkMeasurement(
  measurement: Measurement,
  shape: readonly number[],
): Promise<Known<Operator>> {
  checkKnown(measurement, ['operator', 'values', 'noise'], 'measurement');
  const { operator, values, noise = 0 } = measurement;
  checkOperator('measurement.operator', operator, shape);
  checkNoise('measurement.noise', noise);
  const m = elementCount(operator.measuredShape);
  if (!((values as unknown) instanceof Float32Array || (values as unknown) instanceof Float64Array))
    throw new OptionError('measurement.values', values, 'a Float32Array or a Float64Array');
  if (values.length === 0 || values.length % m !== 0) {
    const each = `[${operator.measuredShape.join(', ')}] = ${m} numbers`;
    throw new OptionError('measurement.values', values, `measurements of ${each}, one after the other`);
  }
  checkFinite('measurement.values', values);
  if (isLinear(operator)) checkAdjoint(operator);
  else await checkDerivative(operator);
  const hides = isLinear(operator) && operator.rows !== undefined;
  const count = values.length / m;
  return {
    operator,
    noise,
    count,
    of(sample) {
      const y = Float64Array.from(values.subarray((sample % count) * m, ((sample % count) + 1) * m));
      return hides ? operator.apply(operator.adjoint(y)) : y;
    },
  };
}

/** Measurements are float32. */
const MOST_NOISE = 1e30;

/** Sizes whose squares are float32 too. */
const [LEAST_SIZE, MOST_SIZE] = [1e-18, 1e18];

function checkNoise(option: string, noise: number): void {
  checkNumber(option, noise, 0, true);
  if (noise > MOST_NOISE) throw new OptionError(option, noise, `at most ${MOST_NOISE}`);
}

/** Throws for a value that is not finite, or whose square is not in float32. */
function checkFinite(option: string, values: Float32Array | Float64Array): void {
  const bad = values.findIndex((value) => !(Math.abs(value) <= MOST_SIZE));
  if (bad < 0) return;
  const expected = Number.isFinite(values[bad]) ? `from ${-MOST_SIZE} to ${MOST_SIZE}` : 'a finite number';
  throw new OptionError(`${option}[${bad}]`, values[bad], expected);
}

/** Share of |A x| |y| by which <A x, y> and <x, A^T y> may differ: what float32 leaves of them. */
const ROUNDING = 1e-4;

/** Throws unless A x is of a size that can be computed with, <A x, y> = <x, A^T y> and A (2 x) = 2 A x for random x and y. */
function checkAdjoint(operator: LinearOperator): void {
  const x = randomVector(elementCount(operator.shape), 0);
  const y = randomVector(elementCount(operator.measuredShape), 1);
  const image = operator.apply(x.slice());
  const back = operator.adjoint(y.slice());
  const [left, right] = [dot(image, y), dot(x, back)];
  const length = image.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (length < LEAST_SIZE || length > MOST_SIZE)
    throw new OptionError(
      'measurement.operator',
      operator.name,
      `one that measures something, from ${LEAST_SIZE} to ${MOST_SIZE}: the largest of A x is ${length.toPrecision(4)} for random x`,
    );
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
  const most = ROUNDING * Math.sqrt(dot(image, image));
  if (!twice.every((value, i) => Math.abs(value - 2 * image[i]!) <= most))
    throw new OptionError('measurement.operator.apply', operator.name, 'linear: A (2 x) is not 2 A x');
}

/** Step of the difference that products are held against, for values of order 1, and the share by which they may differ. */
const [STEP, CURVATURE] = [1e-2, 0.05];

/** Throws unless <v, A(x + h u) - A(x - h u)> / 2h is near <(dA/dx)^T v, u> for random x, u and v. */
async function checkDerivative(operator: DifferentiableOperator): Promise<void> {
  const { name, shape, measuredShape } = operator;
  const [d, m] = [elementCount(shape), elementCount(measuredShape)];
  const [x, u, v] = [randomVector(d, 0), randomVector(d, 1), randomVector(m, 2)];
  const shifted = (step: number) => operator.images(x.map((value, i) => value + step * u[i]!));
  const [above, below] = [await shifted(STEP), await shifted(-STEP)];
  const strange = above.find((value) => !Number.isFinite(value));
  if (strange !== undefined)
    throw new OptionError(
      'measurement.operator.apply',
      name,
      `finite wherever samples may be: A(x) is ${strange} for random x of order 1`,
    );
  const change = above.map((value, i) => (value - below[i]!) / (2 * STEP));
  const product = await operator.products(x, v);
  const [left, right] = [dot(change, v), dot(product, u)];
  const size = Math.sqrt(dot(change, change) * dot(v, v));
  if (Math.abs(left - right) <= CURVATURE * size) return;
  const found = `v . (A(x + h u) - A(x - h u)) / 2h is ${left.toPrecision(4)} and vjp(x, v) . u is ${right.toPrecision(4)} for random x, u and v`;
  throw new OptionError('measurement.operator.vjp', name, `(dA/dx)^T v of apply: ${found}`);
}

/** Normal numbers, the same ones always. */
export function randomVector(length: number, step: number): Float64Array {
  const out = new Float64Array(length);
  fillNormal(out, 1, { seed: 0n, samples: 0, step, stream: Stream.probeNormal });
  return out;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** With what noise a measurement is made. */
export interface MeasureOptions {
  /** Standard deviation of the noise. Default 0. */
  readonly noise?: number | undefined;
  /** Seed of the noise. Default 0. */
  readonly seed?: bigint | number | undefined;
  /** Index of the first sample, which addresses the noise. Default 0. */
  readonly first?: number | undefined;
}

/**
 * What would be measured of samples: A(x) + noise z for each; of an operator that is not linear, a promise of it.
 *
 * @param samples [count, ...shape].
 * @returns [count, ...measuredShape].
 */
export function measure(
  operator: LinearOperator,
  samples: Float32Array | Float64Array,
  options?: MeasureOptions,
): Float32Array;
export function measure(
  operator: Operator,
  samples: Float32Array | Float64Array,
  options?: MeasureOptions,
): Float32Array | Promise<Float32Array>;
export function measure(
  operator: Operator,
  samples: Float32Array | Float64Array,
  options: MeasureOptions = {},
): Float32Array | Promise<Float32Array> {
  checkKnown(options, ['noise', 'seed', 'first']);
  const { noise = 0, seed = 0, first = 0 } = options;
  checkNoise('noise', noise);
  checkInteger('first', first, 0);
  const [d, m] = [elementCount(operator.shape), elementCount(operator.measuredShape)];
  if (samples.length === 0 || samples.length % d !== 0)
    throw new OptionError('samples', samples, `samples of ${d} elements, one after the other`);
  checkFinite('samples', samples);
  const count = samples.length / d;
  const values = new Float32Array(count * m);
  fillNormal(values, count, { seed: checkSeed(seed), samples: first, step: 0, stream: Stream.data });
  const add = (exact: Float64Array, at: number): void => {
    exact.forEach((value, k) => (values[at + k] = value + noise * values[at + k]!));
  };
  if (!isLinear(operator))
    return operator.images(Float64Array.from(samples)).then((exact) => {
      add(exact, 0);
      return values;
    });
  for (let i = 0; i < count; i++)
    add(operator.apply(Float64Array.from(samples.subarray(i * d, (i + 1) * d))), i * m);
  return values;
}
