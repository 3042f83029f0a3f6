import { adamw } from '../../src/device/adamw.js';
import type { Distribution, NormMode, State } from '../../src/device/binding.js';
import { diffuse } from '../../src/device/diffuse.js';
import * as kernels from '../../src/device/kernels.js';
import { double, float, state, type Cases } from './gpu-case.js';

/** Of the verbs that update states, with noise or without. */
export const updateCases: Cases = {
  quads(draw, number) {
    const [count, size, operands] = [1 + draw.below(3), 4 * (17 + draw.below(50)), 1 + (number % 8)];
    const noise = draw.below(3) > 0 ? draw.noise(count) : undefined;
    const c = draw.rows(count, operands + 1);
    const x = Array.from({ length: operands }, () => draw.singles(count * size));
    const mean = draw.below(3) === 0 ? [draw.singles(count * size)] : [];
    return {
      isAligned: true,
      arrays: [...x, ...mean],
      run(arrays, queue) {
        kernels.affine(
          state(arrays[0]),
          arrays.slice(0, operands).map(state),
          c,
          noise,
          arrays[operands] as State,
          queue,
        );
      },
    };
  },
  affine(draw) {
    const { count, size } = draw.shape();
    const operands = 1 + draw.below(8);
    const isDouble = draw.below(5) === 0;
    const withMean = draw.below(3) === 0;
    const noise = draw.below(3) > 0 ? draw.noise(count) : undefined;
    const c = draw.rows(count, operands + 1);
    const isInPlace = draw.below(3) === 0;
    const out = draw.states(count * size, isDouble);
    const mean = withMean ? draw.states(count * size, isDouble) : [];
    const others = Array.from({ length: operands }, () =>
      draw.states(count * size, isDouble && draw.below(2) === 0),
    );
    return {
      arrays: [out, ...(withMean ? [mean as State] : []), ...others],
      run(arrays, queue) {
        const x = arrays.slice(withMean ? 2 : 1).map(state);
        if (isInPlace) x[0] = state(arrays[0]);
        kernels.affine(state(arrays[0]), x, c, noise, withMean ? state(arrays[1]) : undefined, queue);
      },
    };
  },
  langevin(draw) {
    const { count, size } = draw.shape();
    const isDouble = draw.below(2) === 0;
    const norm = draw.one<NormMode>('batch', 'sample', 'sqrt-d');
    const noise = draw.noise(count);
    const c = draw.rows(count, 3);
    for (let b = 0; b < count; b++) c[3 * b + 2] = Math.abs(c[3 * b + 2]!);
    if (draw.below(3) === 0) for (let b = 0; b < count; b++) c[3 * b] = 0;
    const x = draw.states(count * size, isDouble);
    const f = draw.states(count * size, isDouble && draw.below(2) === 0);
    return {
      arrays: [x, f, new Float64Array(count), draw.states(count * size, isDouble)],
      run(arrays, queue) {
        const results = { steps: double(arrays[2]), mean: state(arrays[3]) };
        kernels.langevinStep(state(arrays[0]), state(arrays[1]), c, norm, noise, results, queue);
      },
    };
  },
  fill(draw) {
    const { count, size } = draw.shape();
    const kind = draw.one<Distribution>('normal', 'uniform', 'rademacher');
    const noise = draw.noise(count);
    return {
      arrays: [draw.states(count * size, draw.below(4) === 0)],
      run(arrays, queue) {
        kernels.fill(state(arrays[0]), count, kind, noise, queue);
      },
    };
  },
  addNoise(draw) {
    const { count, size } = draw.shape();
    const rows = draw.rows(count, 2);
    const noise = draw.noise(count);
    return {
      arrays: [draw.states(count * size, draw.below(2) === 0), draw.singles(count * size)],
      run([x, v], queue) {
        kernels.addNoise(state(x), float(v), rows, noise, queue);
      },
    };
  },
  project(draw) {
    const { count, size } = draw.shape();
    const channels = draw.below(2) === 0 ? 0 : 1 + draw.below(4);
    const length = channels === 0 ? size : channels * Math.ceil(size / channels);
    const coefficients = draw.rows(count, 2);
    const noise = draw.noise(count);
    const mask = Float32Array.from({ length }, () => (draw.below(draw.one(2, 400)) === 0 ? 1 : 0));
    return {
      arrays: [
        ...[draw.singles(count * length), draw.singles(count * length), mask],
        ...(channels === 0 ? [] : [draw.singles(channels ** 2, false)]),
      ],
      run([x, y, m, basis], queue) {
        const own = basis && float(basis);
        kernels.projectMeasurement(float(x), float(y), float(m), coefficients, noise, own, queue);
      },
    };
  },
  diffuse(draw) {
    const { count, size } = draw.shape();
    const width = draw.below(2) === 0 ? size : size % 4 === 0 ? 4 : 1;
    const flips =
      draw.below(2) === 0 ? draw.fill(new Uint8Array(count)).map((value) => value % 2) : undefined;
    const coefficients = draw.rows(count, 4);
    const noise = draw.noise(count);
    const hasTarget = draw.below(2) === 0;
    const x0 = draw.below(2) === 0 ? draw.singles(count * size) : draw.fill(new Uint8Array(count * size));
    const [x, target] = [draw.singles(count * size), draw.singles(count * size)];
    return {
      arrays: [x, target, x0, ...(flips ? [flips] : [])],
      run(arrays, queue) {
        const flipped = flips && { flips: arrays[3] as Uint8Array, width };
        const clean = arrays[2] as Float32Array | Uint8Array;
        const wanted = hasTarget ? float(arrays[1]) : undefined;
        diffuse(float(arrays[0]), wanted, clean, coefficients, noise, { range: [-1, 1], ...flipped }, queue);
      },
    };
  },
  adamw(draw) {
    const length = 1 + draw.below(900);
    const averages = draw.one(0, 1, 2, 3, 9);
    const second = draw.singles(length).map(Math.abs);
    const decays = Array.from({ length: averages }, () => draw.uniform());
    const options = { learningRate: draw.uniform(), step: 1 + draw.below(50), weightDecay: draw.uniform() };
    const averaged = Array.from({ length: averages }, () => draw.singles(length));
    const squares = draw.doubles(1 + draw.below(4)).map(Math.abs);
    const norm = draw.one(0, 0.5, 2, Infinity);
    const isClipped = draw.below(2) === 0;
    return {
      arrays: [
        draw.singles(length),
        draw.singles(length),
        draw.singles(length),
        second,
        squares,
        ...averaged,
      ],
      run([p, g, m, v, known, ...means], queue) {
        const list = means.map((values, i) => ({ values: float(values), decay: decays[i]! }));
        const clip = isClipped ? { clip: { norm, squares: double(known) } } : {};
        adamw(float(p), float(g), float(m), float(v), list, { ...options, ...clip }, queue);
      },
    };
  },
};
