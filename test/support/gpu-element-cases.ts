import { sumOfSquares } from '../../src/device/adamw.js';
import type { State } from '../../src/device/binding.js';
import * as kernels from '../../src/device/kernels.js';
import { double, float, state, type Cases } from './gpu-case.js';

/** Of the verbs that read or rearrange elements. */
export const elementCases: Cases = {
  dots(draw) {
    const { count, size } = draw.shape();
    const [a, b] = [0, 1].map(() => draw.states(count * size, draw.below(2) === 0));
    return {
      arrays: [a!, b!, new Float64Array(count)],
      run(arrays, queue) {
        kernels.dots(state(arrays[0]), state(arrays[1]), double(arrays[2]), queue);
      },
    };
  },
  clip(draw) {
    const low = draw.one(-Infinity, -1, -0.1);
    const high = draw.one(Infinity, 0.7);
    return {
      arrays: [draw.states(1 + draw.below(2000), draw.below(2) === 0)],
      run(arrays, queue) {
        kernels.clip(state(arrays[0]), low, high, queue);
      },
    };
  },
  threshold(draw) {
    const { count, size } = draw.smallShape();
    const quantile = draw.one(0, 1, 0.5, 0.995, draw.uniform());
    const x = draw.states(count * size, draw.below(2) === 0);
    // Many equal values: their places in the order do not matter.
    if (draw.below(3) === 0) x.forEach((value, i) => (x[i] = Math.round(value)));
    return {
      arrays: [x],
      run(arrays, queue) {
        kernels.threshold(state(arrays[0]), count, [-1, 0.75], quantile, queue);
      },
    };
  },
  rows(draw) {
    const { count, size } = draw.shape();
    const isDouble = draw.below(2) === 0;
    const all = count + draw.below(5);
    const isGather = draw.below(2) === 0;
    // A row is written once.
    const order = Array.from({ length: all }, (_, i) => i);
    for (let i = all - 1; i > 0; i--) {
      const j = draw.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const places = isGather ? draw.places(count, all) : Int32Array.from(order.slice(0, count));
    return {
      arrays: [draw.states(count * size, isDouble), draw.states(all * size, isDouble)],
      run(arrays, queue) {
        if (isGather) kernels.gather(state(arrays[0]), state(arrays[1]), places, queue);
        else kernels.scatter(state(arrays[1]), state(arrays[0]), places, queue);
      },
    };
  },
  copy(draw) {
    const length = 1 + draw.below(2000);
    const make = [
      () => draw.singles(length),
      () => draw.doubles(length),
      () => draw.fill(new Uint16Array(length)),
    ];
    const [out, x] = draw.one<readonly [number, number]>([0, 1], [1, 0], [0, 2], [2, 0], [0, 0], [1, 1]);
    const from = make[x]!();
    // Halves that are small or large.
    const scale = draw.one(1, 1e-5, 1e-7, 3e4);
    if (from instanceof Float32Array) from.forEach((value, i) => (from[i] = value * scale));
    return {
      arrays: [make[out]!(), from],
      run(arrays, queue) {
        kernels.copy(arrays[0] as State, arrays[1] as State, queue);
      },
    };
  },
  scale(draw) {
    const { count, size } = draw.shape();
    const factors = draw.rows(count, 1);
    return {
      arrays: [draw.singles(count * size)],
      run(arrays, queue) {
        kernels.scale(float(arrays[0]), factors, queue);
      },
    };
  },
  traceRates(draw) {
    const count = 1 + draw.below(50);
    const size = 1 + draw.below(3);
    const rows = draw.rows(count, 3);
    return {
      arrays: [draw.doubles(count * size)],
      run(arrays, queue) {
        kernels.traceRates(double(arrays[0]), size, rows, queue);
      },
    };
  },
  scaledErrors(draw) {
    const { count, size } = draw.smallShape();
    const measure = {
      scale: draw.one<'sum' | 'larger'>('sum', 'larger'),
      norm: draw.one<'l2' | 'max'>('l2', 'max'),
    };
    const [atol, rtol] = [draw.one(0, 1e-3), draw.one(0, 1e-2)];
    const three = [0, 1, 2].map(() => draw.doubles(count * size));
    return {
      arrays: [...three, new Float64Array(count)],
      run([error, before, after, out], queue) {
        const [e, from, to] = [double(error), double(before), double(after)];
        kernels.scaledErrors(e, from, to, atol, rtol, double(out), measure, queue);
      },
    };
  },
  matchSpread(draw) {
    const { count, size } = draw.smallShape();
    const isDouble = draw.below(2) === 0;
    const shares = draw.rows(count, 1);
    const x = draw.states(count * size, isDouble);
    if (draw.below(10) === 0) x.fill(0.5);
    return {
      arrays: [x, draw.states(count * size, isDouble)],
      run(arrays, queue) {
        kernels.matchSpread(state(arrays[0]), state(arrays[1]), shares, queue);
      },
    };
  },
  sumOfSquares(draw) {
    const tensors = Array.from({ length: 1 + draw.below(4) }, () =>
      draw.singles(1 + draw.below(draw.one(100, 20000))),
    );
    return {
      arrays: [new Float64Array(1), ...tensors],
      run([out, ...all], queue) {
        sumOfSquares(all.map(float), double(out), queue);
      },
    };
  },
};
