import test from 'ava';
import { eigen, factorize, invertTriangular, multiply } from '../../src/device/linear-algebra.js';
import { Queue } from '../../src/device/queue.js';
import { addon } from '../../src/device/addon.js';
import { scrambled } from '../support/native-reference.js';

const sizes = [1, 2, 3, 17, 64, 150];

/** a [rows, terms] b [terms, columns], one sum at a time. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, terms: number): Float64Array {
  const [rows, columns] = [a.length / terms, b.length / terms];
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < terms; k++) out[i * columns + j]! += a[i * terms + k]! * b[k * columns + j]!;
  return out;
}

function transpose(a: ArrayLike<number>, columns: number): Float64Array {
  const rows = a.length / columns;
  return Float64Array.from({ length: a.length }, (_, k) => a[(k % rows) * columns + Math.floor(k / rows)]!);
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, k) => Math.max(most, Math.abs(value - b[k]!)), 0);
}

/** X^T X of a matrix X [rows, n]. */
function gram(n: number, rows: number): Float64Array {
  const x = scrambled(rows * n, 5);
  return product(transpose(x, n), x, rows);
}

async function onQueue<T>(work: (queue: Queue) => Promise<T>): Promise<T> {
  const queue = new Queue();
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}

const double = (queue: Queue, values: ArrayLike<number>): Float64Array => {
  const out = queue.allocate(values.length, 'double') as Float64Array;
  out.set(values);
  return out;
};

test('a product is the sums of its terms, however the factors lie in memory', async (t) => {
  for (const [rows, terms, columns] of [
    [1, 1, 1],
    [5, 3, 7],
    [129, 300, 140],
  ] as const)
    await onQueue(async (queue) => {
      const [a, b] = [scrambled(rows * terms, 1), scrambled(terms * columns, 2)];
      const expected = product(a, b, terms);
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const out = double(queue, new Float64Array(rows * columns).fill(1));
          const left = double(queue, transposeA ? transpose(a, terms) : a);
          const right = double(queue, transposeB ? transpose(b, columns) : b);
          multiply(queue, out, left, right, terms, { transposeA, transposeB });
          await queue.settled();
          t.true(distance(out, expected) < 1e-12);
          multiply(queue, out, left, right, terms, { transposeA, transposeB, accumulate: true });
          await queue.settled();
          t.true(
            distance(
              out,
              expected.map((value) => 2 * value),
            ) < 1e-12,
          );
        }
    });
});

test('eigenvectors are orthonormal, and the matrix scales each by its eigenvalue', async (t) => {
  for (const n of sizes)
    await onQueue(async (queue) => {
      const matrix = gram(n, n + 2);
      const values = double(queue, new Float64Array(n));
      const vectors = double(queue, new Float64Array(n * n));
      eigen(queue, double(queue, matrix), values, vectors);
      await queue.settled();
      t.true(values.every((value, i) => i === 0 || value >= values[i - 1]!));
      const images = product(vectors, matrix, n);
      t.true(
        distance(
          images,
          vectors.map((v, k) => v * values[Math.floor(k / n)]!),
        ) <
          1e-13 * n * values[n - 1]!,
      );
      const identity = product(vectors, transpose(vectors, n), n);
      t.true(
        distance(
          identity,
          identity.map((_, k) => (k % (n + 1) === 0 ? 1 : 0)),
        ) <
          1e-14 * n,
      );
      const alone = double(queue, new Float64Array(n));
      eigen(queue, double(queue, matrix), alone);
      await queue.settled();
      t.deepEqual(alone, values, 'the same values without vectors');
    });
});

test('eigenvalues of diagonal, constant and zero matrices are those', async (t) => {
  await onQueue(async (queue) => {
    const values = double(queue, new Float64Array(4));
    const vectors = double(queue, new Float64Array(16));
    const cases: [(k: number) => number, number[]][] = [
      [(k) => (k % 5 === 0 ? 4 - k / 5 : 0), [1, 2, 3, 4]],
      [() => 1, [0, 0, 0, 4]],
      [() => 0, [0, 0, 0, 0]],
    ];
    for (const [element, expected] of cases) {
      eigen(
        queue,
        double(
          queue,
          Float64Array.from({ length: 16 }, (_, k) => element(k)),
        ),
        values,
        vectors,
      );
      await queue.settled();
      t.true(distance(values, expected) < 1e-14);
    }
  });
});

test('a matrix of rank r has a Cholesky factor of r columns', async (t) => {
  for (const [n, rank] of [
    [1, 1],
    [6, 6],
    [40, 11],
    [5, 0],
  ] as const)
    await onQueue(async (queue) => {
      const matrix = rank === 0 ? new Float64Array(n * n) : gram(n, rank);
      const factor = double(queue, new Float64Array(n * n));
      const pivots = queue.allocate(n, 'int32') as Int32Array;
      factorize(queue, double(queue, matrix), factor, pivots);
      await queue.settled();
      t.is(pivots.filter((pivot) => pivot >= 0).length, rank);
      t.true(distance(product(factor, transpose(factor, n), n), matrix) < 1e-12 * n);
    });
});

test('a triangular matrix times its inverse is 1', async (t) => {
  const n = 30;
  const lower = scrambled(n * n, 3).map((x, k) =>
    k % n > Math.floor(k / n) ? 0 : k % (n + 1) === 0 ? 2 + x : x / n,
  );
  await onQueue(async (queue) => {
    const inverse = double(queue, new Float64Array(n * n));
    invertTriangular(queue, double(queue, lower), inverse);
    await queue.settled();
    const identity = product(lower, inverse, n);
    t.true(
      distance(
        identity,
        identity.map((_, k) => (k % (n + 1) === 0 ? 1 : 0)),
      ) < 1e-13,
    );
  });
});

test('what is not finite ends the work of a queue', async (t) => {
  await onQueue(async (queue) => {
    eigen(queue, double(queue, [1, 0, NaN, 1]), double(queue, [0, 0]));
    await t.throwsAsync(() => queue.settled(), { message: /not finite/ });
  });
});

test('the addon refuses matrices whose sizes do not agree', (t) => {
  const native = addon();
  const m = (n: number): Float64Array => new Float64Array(n);
  t.throws(
    () => {
      native.multiply(undefined, m(3), m(4), false, m(4), false, 2, false);
    },
    { instanceOf: RangeError },
  );
  t.throws(
    () => {
      native.multiply(undefined, m(4), m(5), false, m(4), false, 2, false);
    },
    { instanceOf: RangeError },
  );
  t.throws(
    () => {
      native.eigen(undefined, m(5), m(2), undefined);
    },
    { instanceOf: RangeError },
  );
  t.throws(
    () => {
      native.eigen(undefined, m(4), m(2), m(3));
    },
    { instanceOf: RangeError },
  );
  t.throws(
    () => {
      native.factorize(undefined, m(4), m(4), new Int32Array(3));
    },
    { instanceOf: RangeError },
  );
  t.throws(
    () => {
      native.invertTriangular(undefined, m(0), m(0));
    },
    { instanceOf: RangeError },
  );
});
