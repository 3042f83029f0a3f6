import type { State } from './binding.js';
import type { Device, Distribution, Elements } from './device.js';
import {
  affine,
  clip,
  dots,
  fillNormal,
  fillRademacher,
  fillUniform,
  gather,
  langevinStep,
  projectMeasurement,
  scaledErrors,
} from './kernels.js';

const fills = {
  normal: fillNormal,
  uniform: fillUniform,
  rademacher: fillRademacher,
} as const satisfies Record<Distribution, unknown>;

const state = (elements: Elements): State => elements as State;
const single = (elements: Elements): Float32Array => elements as Float32Array;

/** The calling thread and the kernels' threads: arrays are typed arrays, and verbs have taken effect when they return. */
export const cpu: Device = {
  allocate: (length, precision) => new (precision === 'double' ? Float64Array : Float32Array)(length),
  write(out, values) {
    state(out).set(values);
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
    fills[distribution](state(out), samples, noise);
  },
  clip(x, low, high) {
    clip(state(x), low, high);
  },
  project(x, y, mask, coefficients, noise, basis) {
    projectMeasurement(single(x), single(y), single(mask), coefficients, noise, basis && single(basis));
  },
  rows: (x, width, first, count) => state(x).subarray(first * width, (first + count) * width),
  gather(out, x, rows) {
    gather(state(out), state(x), rows);
  },
  scatter(out, x, rows) {
    const [to, from, width] = [state(out), state(x), x.length / rows.length];
    rows.forEach((row, i) => {
      to.set(from.subarray(i * width, (i + 1) * width), row * width);
    });
  },
  scaledErrors(error, before, after, { atol, rtol }, out) {
    const double = (elements: Elements): Float64Array => elements as Float64Array;
    scaledErrors(double(error), double(before), double(after), atol, rtol, double(out));
  },
  read: (x) => Promise.resolve(state(x)),
};
