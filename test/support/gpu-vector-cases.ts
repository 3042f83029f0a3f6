import { leastResiduals, multiplyAxis, orthonormalize, weigh } from '../../src/device/vectors.js';
import type { Draws } from './draws.js';
import { double, type Cases } from './gpu-case.js';

/** Vectors of Krylov spaces, now and then of several blocks of a sum, or none but multiples of one. */
function space(draw: Draws) {
  const isLong = draw.below(25) === 0;
  const rows = 1 + draw.below(isLong ? 2 : 6);
  const blocks = 1 + draw.below(isLong ? 2 : 6);
  const size = isLong ? 8000 + draw.below(12000) : 1 + draw.below(draw.one(3, 40, 400));
  return { rows, blocks, size };
}

/** Of the verbs of linear measurements and their solutions. */
export const vectorCases: Cases = {
  weigh(draw) {
    const { count, size } = draw.shape();
    const factors = draw.doubles(draw.below(2) === 0 ? size : count * size);
    return {
      arrays: [draw.doubles(count * size), factors],
      run([x, by], queue) {
        weigh(double(x), double(by), queue);
      },
    };
  },
  multiplyAxis(draw) {
    const [rows, columns] = [1 + draw.below(12), 1 + draw.below(12)];
    const [outer, inner] = [1 + draw.below(8), draw.one(1, 1 + draw.below(20))];
    // Bands, columns of zeros, and zeros within.
    const band = draw.one(1, 3, 12);
    const matrix = draw.doubles(rows * columns);
    for (let at = 0; at < matrix.length; at++)
      if (Math.abs(Math.floor(at / columns) - (at % columns)) > band || draw.below(5) === 0) matrix[at] = 0;
    return {
      arrays: [...[new Float64Array(outer * rows * inner), draw.doubles(outer * columns * inner), matrix]],
      run([out, x, by], queue) {
        multiplyAxis(double(out), double(x), double(by), columns, inner, queue);
      },
    };
  },
  orthonormalize(draw) {
    const { rows, blocks, size } = space(draw);
    const vectors = draw.doubles(blocks * rows * size);
    const index = draw.below(blocks);
    if (index > 0 && draw.below(3) === 0) {
      const length = rows * size;
      vectors.set(vectors.subarray(0, length), index * length);
    }
    return {
      arrays: [vectors, draw.doubles(rows * blocks ** 2)],
      run([all, columns], queue) {
        // One after the other, so that those before are orthogonal.
        for (let j = 0; j <= index; j++) orthonormalize(double(all), double(columns), rows, j, queue);
      },
    };
  },
  leastResiduals(draw) {
    const { rows, blocks, size } = space(draw);
    const columns = draw.doubles(rows * blocks ** 2);
    if (draw.below(3) === 0) columns.fill(0, draw.below(columns.length));
    return {
      arrays: [draw.doubles(rows * size), draw.doubles((blocks - 1) * rows * size), columns],
      run([out, images, known], queue) {
        leastResiduals(double(out), double(images), double(known), rows, queue);
      },
    };
  },
};
