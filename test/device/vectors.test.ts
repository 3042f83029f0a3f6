import test from 'ava';
import { Matrix, solve } from 'ml-matrix';

import { cpu } from '../../src/device/cpu.js';
import type { Device } from '../../src/device/device.js';
import { addon, nativeInfo } from '../../src/device/addon.js';
import { Queue } from '../../src/device/queue.js';
import { leastResiduals, multiplyAxis, orthonormalize, weigh } from '../../src/device/vectors.js';
import { OptionError } from '../../src/errors.js';
import { useEmulatedGpu } from '../support/emulated-gpu.js';

useEmulatedGpu();

const numbers = (n: number, seed: number) =>
  Float64Array.from({ length: n }, (_, i) => Math.sin(seed + 3 * i * i + i));
const near = (a: ArrayLike<number>, b: ArrayLike<number>, by = 1e-12) =>
  a.length === b.length && Array.from(a).every((value, i) => Math.abs(value - b[i]!) < by);

test('factors are those of a sample or of all', (t) => {
  const x = numbers(12, 1);
  for (const factors of [numbers(4, 2), numbers(12, 3)]) {
    const out = x.slice();
    weigh(out, factors);
    t.deepEqual(
      out,
      x.map((value, i) => value * factors[i % factors.length]!),
    );
  }
});

for (const [rows, columns, inner, outer] of [
  [3, 5, 1, 4],
  [5, 3, 7, 2],
  [1, 3, 40, 3],
  [33, 65, 1, 70],
] as const)
  test(`a matrix of ${rows} x ${columns} along an axis, of ${inner} elements side by side`, (t) => {
    // A band, a column of zeros, and zeros within.
    const matrix = numbers(rows * columns, 4).map((value, at) => {
      const [j, k] = [Math.floor(at / columns), at % columns];
      return Math.abs(j - k) > 2 || k === 2 || at % 7 === 3 ? 0 : value;
    });
    const x = numbers(outer * columns * inner, 5);
    const out = new Float64Array(outer * rows * inner).fill(NaN);
    multiplyAxis(out, x, matrix, columns, inner);
    const expected = out.map((_, at) => {
      const [o, j, i] = [Math.floor(at / (rows * inner)), Math.floor(at / inner) % rows, at % inner];
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += matrix[j * columns + k]! * x[(o * columns + k) * inner + i]!;
      return sum;
    });
    t.true(near(out, expected));
  });

test('a vector has the same bits alone and beside others', (t) => {
  const [rows, columns, outer] = [9, 12, 70];
  const matrix = numbers(rows * columns, 6).map((value, at) => (at % 5 === 1 ? 0 : value));
  const x = numbers(outer * columns, 7);
  x[columns] = Infinity;
  const together = new Float64Array(outer * rows);
  multiplyAxis(together, x, matrix, columns, 1);
  const alone = new Float64Array(rows);
  for (let o = 0; o < outer; o++) {
    multiplyAxis(alone, x.subarray(o * columns, (o + 1) * columns), matrix, columns, 1);
    t.deepEqual(together.subarray(o * rows, (o + 1) * rows), alone);
  }
});

/** The solution that GMRES finds of M u = b in a space of so many dimensions, for rows with matrices of their own. */
function found(matrices: readonly Matrix[], b: Float64Array, iterations: number): Float64Array {
  const rows = matrices.length;
  const n = b.length / rows;
  const blocks = iterations + 1;
  const vectors = new Float64Array(blocks * rows * n);
  const columns = new Float64Array(blocks * rows * blocks);
  vectors.set(b);
  orthonormalize(vectors, columns, rows, 0);
  for (let j = 0; j < iterations; j++) {
    matrices.forEach((matrix, row) => {
      const own = Array.from(vectors.subarray((j * rows + row) * n, (j * rows + row + 1) * n));
      vectors.set(matrix.mmul(Matrix.columnVector(own)).to1DArray(), ((j + 1) * rows + row) * n);
    });
    orthonormalize(vectors, columns, rows, j + 1);
  }
  const out = new Float64Array(b.length);
  leastResiduals(out, vectors.slice(0, iterations * b.length), columns, rows);
  return out;
}

const n = 6;
const matrices = [1, 2, 3].map((seed) => {
  const own = numbers(n * n, seed);
  return new Matrix(
    Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (__, j) => own[i * n + j]! + (i === j ? 3 : 0)),
    ),
  );
});
const right = numbers(3 * n, 9);
const rightOf = (row: number) => Matrix.columnVector(Array.from(right.subarray(row * n, (row + 1) * n)));

test('the residual is least in the Krylov space of each row', (t) => {
  for (const iterations of [1, 3, n]) {
    const u = found(matrices, right, iterations);
    matrices.forEach((matrix, row) => {
      const b = rightOf(row);
      // An independent solution: least squares over b, M b and so on.
      const space = [b];
      for (let j = 1; j < iterations; j++) space.push(matrix.mmul(space.at(-1)!));
      const basis = new Matrix(Array.from({ length: n }, (_, i) => space.map((vector) => vector.get(i, 0))));
      const expected = basis.mmul(solve(matrix.mmul(basis), b, true)).to1DArray();
      t.true(near(u.subarray(row * n, (row + 1) * n), expected, 1e-7), `${iterations} ${row}`);
    });
  }
});

test('a space that is complete, and a right side of zero, leave zeros and no more', (t) => {
  const identity = Matrix.eye(n);
  const b = right.map((value, i) => (i < n ? 0 : value));
  const u = found([identity, identity, matrices[0]!], b, 4);
  t.true(near(u.subarray(0, 2 * n), b.subarray(0, 2 * n)));
  const bad = found([identity, identity, identity], Float64Array.from(b).fill(NaN, n, n + 1), 2);
  t.true(bad.subarray(n, 2 * n).every(Number.isNaN), 'what is no number stays so');
  t.true(bad.subarray(2 * n).every(Number.isFinite));
});

test.serial('verbs have the same bits on every device and instruction set', async (t) => {
  const [rows, size] = [70, 97];
  const run = async (device: Device): Promise<Float64Array> => {
    const place = (values: Float64Array) => {
      const array = device.allocate(values.length, 'double');
      device.write(array, values);
      return array;
    };
    const [vectors, columns] = [place(numbers(3 * rows * size, 1)), place(new Float64Array(9 * rows))];
    for (const index of [0, 1, 2]) device.orthonormalize(vectors, columns, rows, index);
    const out = place(new Float64Array(rows * size));
    device.leastResiduals(out, device.rows(vectors, rows * size, 0, 2), columns, rows);
    device.weigh(out, place(numbers(size, 4)));
    const image = place(new Float64Array(rows * 5));
    device.multiplyAxis(image, out, place(numbers(5 * size, 5)), size, 1);
    const all = (await device.read(image)) as Float64Array;
    await device.close();
    return all;
  };
  const expected = await run(cpu);
  const { isa, supported } = nativeInfo();
  for (const name of supported) {
    addon().selectIsa(name);
    t.deepEqual(await run(cpu), expected, name);
  }
  addon().selectIsa(isa);
  for (const where of ['cpu', 'cuda'] as const)
    t.deepEqual(await run(new Queue(undefined, where)), expected, where);
});

const f64 = (length: number) => new Float64Array(length);
const memory = f64(12);
for (const [option, run] of [
  [
    'factors',
    () => {
      weigh(f64(6), f64(4));
    },
  ],
  [
    'factors',
    () => {
      weigh(memory, memory.subarray(0, 4));
    },
  ],
  [
    'x',
    () => {
      weigh(new Float32Array(4) as never, f64(4));
    },
  ],
  [
    'columns',
    () => {
      multiplyAxis(f64(2), f64(4), f64(3), 2, 1);
    },
  ],
  [
    'inner',
    () => {
      multiplyAxis(f64(2), f64(5), f64(4), 2, 1);
    },
  ],
  [
    'out',
    () => {
      multiplyAxis(f64(3), f64(4), f64(4), 2, 1);
    },
  ],
  [
    'x',
    () => {
      multiplyAxis(memory.subarray(0, 4), memory.subarray(0, 4), f64(4), 2, 1);
    },
  ],
  [
    'columns',
    () => {
      orthonormalize(f64(4), f64(6), 2, 0);
    },
  ],
  [
    'vectors',
    () => {
      orthonormalize(f64(5), f64(8), 2, 0);
    },
  ],
  [
    'index',
    () => {
      orthonormalize(f64(8), f64(8), 2, 2);
    },
  ],
  [
    'rows',
    () => {
      leastResiduals(f64(5), f64(5), f64(8), 2);
    },
  ],
  [
    'images',
    () => {
      leastResiduals(f64(6), f64(5), f64(8), 2);
    },
  ],
] as const)
  test(`vectors that do not fit are an error that names ${option}: ${String(run)}`, (t) => {
    t.is(t.throws(run, { instanceOf: OptionError }).option, option);
  });
