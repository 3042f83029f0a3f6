import { OptionError } from '../errors.js';
import { checkInteger, isList } from '../options.js';
import { addon, limits } from './addon.js';
import type { QueueNumber } from './addon-interface.js';
import {
  packAddress,
  requireCoefficients,
  requireDisjoint,
  requireFloat32,
  requireFloat64,
  requireInt32,
  requireInteger,
  requireLength,
  requireLike,
  requireOperand,
  requireSameOrDisjoint,
  requireState,
} from './arguments.js';
import type { Distribution, ErrorMeasure, NoiseAddress, NormMode, State } from './binding.js';

/** Made once: this runs at every step of a sampler. */
const operandNames: string[] = [];
const normModes: readonly NormMode[] = ['batch', 'sample', 'sqrt-d'];
const distributions: readonly Distribution[] = ['normal', 'uniform', 'rademacher'];

/**
 * The update that every solver step is made of: out = sum_j c[b][j] operands[j] + c[b][last] z, in place if `out` is one of
 * the operands. The batch is coefficients.length / (operands.length + 1) samples of out.length / batch elements.
 *
 * @param out float32 or float64; written.
 * @param operands 1 to 8 arrays as long as `out`. Float32 for a float32 result, any mix for a float64 result.
 * @param coefficients row-major [batch][operands.length + 1], the last column being that of the noise (ignored without `noise`).
 *   For a float32 result they are rounded to float32.
 * @param noise address of the standard normal z; none by default.
 * @param mean receives the value without the noise term; may be an operand, but not `out`.
 */
export function affine(
  out: State,
  operands: readonly State[],
  coefficients: Float64Array,
  noise?: NoiseAddress,
  mean?: State,
  queue?: QueueNumber,
): void {
  requireState('out', out);
  const most = limits().operands;
  if (!isList(operands) || operands.length < 1 || operands.length > most) {
    throw new OptionError('operands', operands, `an array of 1 to ${most} arrays`);
  }
  const batch = requireCoefficients(coefficients, operands.length + 1, out.length);
  for (let j = 0; j < operands.length; j++) {
    const operand = operands[j]!;
    const name = (operandNames[j] ??= `operands[${j}]`);
    requireOperand(name, operand, out);
    requireSameOrDisjoint(name, operand, 'out', out);
    if (mean !== undefined) requireSameOrDisjoint(name, operand, 'mean', mean);
  }
  if (mean !== undefined) {
    requireLike('mean', mean, out);
    requireDisjoint('mean', mean, 'out', out);
  }
  const address = noise && packAddress(noise, batch, out.length / batch);
  addon().affine(queue, out, operands, coefficients, mean, address, noise?.samples);
}

/**
 * One step of the Langevin corrector of Song et al. 2021 (algorithms 4 and 5), in place: with the score s = p x + q F,
 *
 *     e = factor (r_z / r_s)^2,   x = x + e s + sqrt(2 e) z
 *
 * where r_z and r_s are the L2 norms of z and s: of this sample (`sample`), their means over the batch (`batch`, the published
 * rule, which couples the samples of a batch), or of this sample with r_z = sqrt(D) (`sqrt-d`).
 * A sample whose r_s is 0 keeps its place (e = 0); one whose r_s is not finite becomes NaN.
 *
 * @param x state, float32 or float64; written.
 * @param output F, the output of the network; float32, or float64 for a float64 state.
 * @param coefficients row-major [batch][3] = p, q, factor with factor = 2 alpha snr^2 >= 0.
 * @param results `mean` receives x + e s, `steps` [batch] receives e.
 */
export function langevinStep(
  x: State,
  output: State,
  coefficients: Float64Array,
  norm: NormMode,
  noise: NoiseAddress,
  results: { mean?: State; steps?: Float64Array } = {},
  queue?: QueueNumber,
): void {
  requireState('x', x);
  requireOperand('output', output, x);
  requireDisjoint('output', output, 'x', x);
  const batch = requireCoefficients(coefficients, 3, x.length);
  for (let b = 0; b < batch; b++) {
    const factor = coefficients[3 * b + 2]!;
    if (factor < 0) throw new OptionError(`coefficients[${b}][2]`, factor, '0 or more');
  }
  const mode = normModes.indexOf(norm);
  if (mode < 0) throw new OptionError('norm', norm, `one of ${normModes.join(', ')}`);
  const { mean, steps } = results;
  if (mean !== undefined) {
    requireLike('results.mean', mean, x);
    requireDisjoint('results.mean', mean, 'x', x);
    requireSameOrDisjoint('results.mean', mean, 'output', output);
  }
  if (steps !== undefined) requireFloat64('results.steps', steps, batch);
  const address = packAddress(noise, batch, x.length / batch);
  addon().langevin(queue, x, output, coefficients, mode, address, noise.samples, mean, steps);
}

/**
 * Dot products of samples: out[i] = sum over the elements of sample i of a b, summed in double in a fixed order, so the bits
 * depend on the two samples alone. The batch is out.length; dots(a, a, out) gives squared norms.
 */
export function dots(a: State, b: State, out: Float64Array, queue?: QueueNumber): void {
  requireState('a', a);
  requireState('b', b);
  requireLength('b', b, a.length);
  requireFloat64('out', out);
  if (a.length % out.length !== 0) {
    throw new OptionError('out', out, `of a length that divides the ${a.length} elements of a`);
  }
  addon().dots(queue, a, b, out);
}

/**
 * Noise of a deviation of its own for every element, in place: x <- x + e^(shift + factor v) z. Exponents are rounded to float32, and
 * kept between -87 and 87.
 *
 * @param v as long as x, and apart from it.
 * @param coefficients row-major [batch][2] = shift, factor.
 */
export function addNoise(
  x: State,
  v: Float32Array,
  coefficients: Float64Array,
  noise: NoiseAddress,
  queue?: QueueNumber,
): void {
  requireState('x', x);
  requireFloat32('v', v, x.length);
  requireDisjoint('v', v, 'x', x);
  const batch = requireCoefficients(coefficients, 2, x.length);
  const address = packAddress(noise, batch, x.length / batch);
  addon().addNoise(queue, x, v, coefficients, address, noise.samples);
}

/**
 * Keeps x between low and high, in place. NaN stays, so that whoever looks for it still finds it. For a float32 state the
 * bounds are rounded to float32.
 *
 * @param low below or equal to `high`; either may be infinite.
 */
export function clip(x: State, low: number, high: number, queue?: QueueNumber): void {
  requireState('x', x);
  if (!(low <= high)) throw new OptionError('low', low, `a number that is not above high (${high})`);
  addon().clip(queue, x, low, high);
}

/**
 * Dynamic thresholding (Saharia et al. 2022, section 2.3), in place: every sample is scaled towards the middle of [low, high] until the
 * quantile of its distances from there lies within, and then clipped. NaN stays.
 *
 * @param samples in x.
 * @param quantile from 0 to 1, with linear interpolation between elements.
 */
export function threshold(
  x: State,
  samples: number,
  [low, high]: readonly [number, number],
  quantile: number,
  queue?: QueueNumber,
): void {
  requireState('x', x);
  checkInteger('samples', samples, 1);
  if (x.length % samples !== 0)
    throw new OptionError('samples', samples, `a number that divides the ${x.length} elements of x`);
  if (!(low < high && Number.isFinite(high - low)))
    throw new OptionError('low', low, `a finite number below high (${high})`);
  if (!(quantile >= 0 && quantile <= 1)) throw new OptionError('quantile', quantile, 'a number from 0 to 1');
  addon().threshold(queue, x, samples, low, high, quantile);
}

/**
 * Copies samples: sample i of out is sample rows[i] of x. The batch is rows.length.
 *
 * @param x of the element type of `out`, any number of samples of its size; memory apart from it.
 */
export function gather(out: State, x: State, rows: Int32Array, queue?: QueueNumber): void {
  requireRows('out', out, 'x', x, rows);
  addon().gather(queue, out, x, rows);
}

/** The inverse: sample rows[i] of out is sample i of x; no row stands twice. */
export function scatter(out: State, x: State, rows: Int32Array, queue?: QueueNumber): void {
  requireRows('x', x, 'out', out, rows);
  addon().scatter(queue, out, x, rows);
}

/** `some` has a sample for every row, which is the number of a sample of `all`. */
function requireRows(someName: string, some: State, allName: string, all: State, rows: Int32Array): void {
  requireState(someName, some);
  requireInt32('rows', rows);
  const size = some.length / rows.length;
  if (!Number.isInteger(size)) {
    const expected = `of a length that divides the ${some.length} elements of ${someName}`;
    throw new OptionError('rows', rows, expected);
  }
  requireState(allName, all);
  if (all.constructor !== some.constructor || all.length % size !== 0) {
    throw new OptionError(allName, all, `a ${some.constructor.name} of samples of ${size} elements`);
  }
  requireDisjoint(allName, all, someName, some);
  const most = all.length / size - 1;
  for (let i = 0; i < rows.length; i++) requireInteger(`rows[${i}]`, rows[i], most);
}

/** out is x, rounded to nearest where it is less precise; half precision, as bits, goes to and from single alone. */
export function copy(out: State | Uint16Array, x: State | Uint16Array, queue?: QueueNumber): void {
  requireLength('x', x, out.length);
  addon().copy(queue, out, x);
}

/** Every sample of x times its factor, each product made in double and rounded once; in place. The batch is factors.length. */
export function scale(x: Float32Array, factors: Float64Array, queue?: QueueNumber): void {
  requireFloat32('x', x);
  requireFloat64('factors', factors);
  if (x.length % factors.length !== 0) {
    throw new OptionError('factors', factors, `of a length that divides the ${x.length} elements of x`);
  }
  addon().scale(queue, x, factors);
}

/**
 * From traces of dF/dx to the rates at which a log-density changes: x <- scale (shift + factor x / count), in place, each operation
 * rounded once to double. Rows of coefficients, row-major [batch][3], are scale, shift and factor.
 */
export function traceRates(
  x: Float64Array,
  count: number,
  coefficients: Float64Array,
  queue?: QueueNumber,
): void {
  requireFloat64('x', x);
  requireCoefficients(coefficients, 3, x.length);
  addon().traceRates(queue, x, count, coefficients);
}

/**
 * The error of a step of an adaptive solver in units of its tolerance, squared: out[i] = mean over the elements of sample i of
 * (error / (atol + rtol max(|before|, |after|)))^2, unless `measure` says otherwise. Its root is the error norm of a sample; the root of the mean over samples is
 * that of a batch. Terms are added one by one in the order of the elements, each operation rounded once to double: the bits
 * of the same loop in JavaScript. NaN gives NaN. The batch is out.length.
 *
 * @param before the state at the start of the step; `after`, that at its end.
 * @param atol 0 or more, as `rtol`.
 */
export function scaledErrors(
  error: Float64Array,
  before: Float64Array,
  after: Float64Array,
  atol: number,
  rtol: number,
  out: Float64Array,
  { scale = 'sum', norm = 'l2' }: ErrorMeasure = {},
  queue?: QueueNumber,
): void {
  requireFloat64('error', error);
  requireFloat64('before', before, error.length);
  requireFloat64('after', after, error.length);
  for (const [name, value] of Object.entries({ atol, rtol })) {
    if (!(value >= 0 && value < Infinity)) throw new OptionError(name, value, 'a finite number, 0 or more');
  }
  requireFloat64('out', out);
  if (error.length % out.length !== 0) {
    throw new OptionError('out', out, `of a length that divides the ${error.length} elements of error`);
  }
  for (const [name, input] of Object.entries({ error, before, after }))
    requireDisjoint(name, input, 'out', out);
  const [rule, worst] = [['sum', 'larger'].indexOf(scale), ['l2', 'max'].indexOf(norm)];
  if (rule < 0) throw new OptionError('scale', scale, 'sum or larger');
  if (worst < 0) throw new OptionError('norm', norm, 'l2 or max');
  addon().scaledErrors(queue, error, before, after, atol, rtol, out, rule, worst);
}

/**
 * Samples of x times 1 + share (deviation of the sample of reference / deviation of the sample of x - 1), in place: with share 1 both
 * have one standard deviation. A sample of one value stays as it is. The batch is shares.length.
 */
export function matchSpread(x: State, reference: State, shares: Float64Array, queue?: QueueNumber): void {
  requireState('x', x);
  requireLike('reference', reference, x);
  requireDisjoint('reference', reference, 'x', x);
  requireFloat64('shares', shares);
  if (x.length % shares.length !== 0) {
    throw new OptionError('shares', shares, `of a length that divides the ${x.length} elements of x`);
  }
  addon().matchSpread(queue, x, reference, shares);
}

/** Fills `out`, `batch` samples, with the noise of an address, as {@link fillNormal} and its kin say. */
export function fill(
  out: State,
  batch: number,
  distribution: Distribution,
  noise: NoiseAddress,
  queue?: QueueNumber,
): void {
  requireState('out', out);
  if (!Number.isInteger(batch) || batch < 1 || out.length % batch !== 0) {
    throw new OptionError(
      'batch',
      batch,
      `a positive integer that divides the ${out.length} elements of out`,
    );
  }
  const address = packAddress(noise, batch, out.length / batch);
  addon().fill(queue, out, batch, distributions.indexOf(distribution), address, noise.samples);
}

/**
 * Fills `out`, `batch` samples, with the standard normal noise of an address (Box-Muller on Threefry4x32-13).
 * Float64 receives the same float32 values. The largest magnitude is 6.66.
 */
export function fillNormal(out: State, batch: number, noise: NoiseAddress): void {
  fill(out, batch, 'normal', noise);
}

/**
 * Fills `out` with uniform noise in the open interval (0, 1): the 2^23 values (2 k + 1) / 2^24, exact in float32,
 * symmetric about 1/2. Float64 receives the same values.
 */
export function fillUniform(out: State, batch: number, noise: NoiseAddress): void {
  fill(out, batch, 'uniform', noise);
}

/** Fills `out` with independent signs, 1 or -1. */
export function fillRademacher(out: State, batch: number, noise: NoiseAddress): void {
  fill(out, batch, 'rademacher', noise);
}

/**
 * Conditions a state on a linear measurement by replacement (Song et al. 2021, appendix I.2 to I.4): in the coordinates
 * u = basis^T x, every u[i] whose mask is set becomes alpha y[i] + sigma z[i].
 *
 * @param x [batch][D], written.
 * @param y [batch][D] measurements in the coordinates u; read where the mask is set.
 * @param mask [D], 0 or not, in the coordinates u.
 * @param coefficients row-major [batch][2] = alpha, sigma.
 * @param basis row-major orthonormal [C][C] over the channels of a [C][pixels] sample, C at most 16; u_j = sum_i x_i basis[i][j].
 *   The identity by default.
 */
export function projectMeasurement(
  x: Float32Array,
  y: Float32Array,
  mask: Float32Array,
  coefficients: Float64Array,
  noise: NoiseAddress,
  basis?: Float32Array,
  queue?: QueueNumber,
): void {
  requireFloat32('x', x);
  const batch = requireCoefficients(coefficients, 2, x.length);
  const size = x.length / batch;
  requireFloat32('y', y, x.length);
  requireFloat32('mask', mask, size);
  requireDisjoint('y', y, 'x', x);
  requireDisjoint('mask', mask, 'x', x);
  if (basis !== undefined) {
    requireFloat32('basis', basis);
    const channels = Math.sqrt(basis.length);
    const most = limits().channels;
    if (!Number.isInteger(channels) || channels > most || size % channels !== 0) {
      throw new OptionError(
        'basis',
        basis,
        `[C][C] with C at most ${most} and a divisor of the ${size} elements of a sample`,
      );
    }
    requireDisjoint('basis', basis, 'x', x);
  }
  const address = packAddress(noise, batch, size);
  addon().projectMeasurement(queue, x, y, mask, coefficients, address, noise.samples, basis);
}
