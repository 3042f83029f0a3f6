import type { State } from './binding.js';
import type { Device, Elements } from './device.js';
import {
  affine,
  clip,
  dots,
  fill,
  gather,
  langevinStep,
  matchSpread,
  addNoise,
  projectMeasurement,
  scale,
  scaledErrors,
  scatter,
  threshold,
  traceRates,
} from './kernels.js';
import { turn } from './turn.js';
import { leastResiduals, multiplyAxis, orthonormalize, weigh } from './vectors.js';

const state = (elements: Elements): State => elements as State;
const single = (elements: Elements): Float32Array => elements as Float32Array;
const double = (elements: Elements): Float64Array => elements as Float64Array;

/** The calling thread and the kernels' threads: arrays are typed arrays, and verbs have taken effect when they return. */
export const cpu: Device = {
  allocate: (length, kind) => new (kind === 'double' ? Float64Array : Float32Array)(length),
  write(out, values) {
    state(out).set(values as State);
  },
  copy(out, from) {
    state(out).set(state(from));
  },
  affine(out, operands, coefficients, noise) {
    affine(state(out), operands.map(state), coefficients, noise);
  },
  langevin(x, output, coefficients, norm, noise) {
    langevinStep(state(x), state(output), coefficients, norm, noise);
  },
  dots(a, b, out) {
    dots(state(a), state(b), out as Float64Array);
  },
  fill(out, samples, distribution, noise) {
    fill(state(out), samples, distribution, noise);
  },
  scale(x, factors) {
    scale(single(x), factors);
  },
  addNoise(x, v, coefficients, noise) {
    addNoise(state(x), single(v), coefficients, noise);
  },
  clip(x, low, high) {
    clip(state(x), low, high);
  },
  threshold(x, samples, range, quantile) {
    threshold(state(x), samples, range, quantile);
  },
  project(x, y, mask, coefficients, noise, basis) {
    projectMeasurement(single(x), single(y), single(mask), coefficients, noise, basis && single(basis));
  },
  traceRates(x, count, coefficients) {
    traceRates(x as Float64Array, count, coefficients);
  },
  rows: (x, width, first, count) => state(x).subarray(first * width, (first + count) * width),
  gather(out, x, rows) {
    gather(state(out), state(x), rows);
  },
  scatter(out, x, rows) {
    scatter(state(out), state(x), rows);
  },
  scaledErrors(error, before, after, { atol, rtol, ...measure }, out) {
    scaledErrors(double(error), double(before), double(after), atol, rtol, double(out), measure);
  },
  matchSpread(x, reference, shares) {
    matchSpread(state(x), state(reference), shares);
  },
  weigh(x, factors) {
    weigh(double(x), double(factors));
  },
  multiplyAxis(out, x, matrix, columns, inner) {
    multiplyAxis(double(out), double(x), double(matrix), columns, inner);
  },
  orthonormalize(vectors, columns, rows, index) {
    orthonormalize(double(vectors), double(columns), rows, index);
  },
  leastResiduals(out, images, columns, rows) {
    leastResiduals(double(out), double(images), double(columns), rows);
  },
  mixtureScore(out, mixture, points) {
    mixture.score({ ...points, x: state(points.x) }, state(out));
  },
  mixtureDivergence(out, mixture, points) {
    mixture.divergence({ ...points, x: state(points.x) }, out as Float64Array);
  },
  mixtureProduct(out, mixture, points, v) {
    mixture.product({ ...points, x: state(points.x) }, state(v), state(out));
  },
  requireFinite(x, samples, failed) {
    const norms = new Float64Array(samples);
    dots(state(x), state(x), norms);
    const bad = norms.findIndex((norm) => !Number.isFinite(norm));
    if (bad >= 0) throw failed(bad);
  },
  bind() {
    throw new TypeError('networks run elsewhere');
  },
  run() {
    throw new TypeError('networks run elsewhere');
  },
  settled: turn,
  close: () => Promise.resolve(),
  async read(x) {
    await turn();
    return state(x).slice();
  },
};
