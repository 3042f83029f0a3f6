import test from 'ava';
import { cpu } from '../../src/device/cpu.js';
import { linearOperator } from '../../src/control/linear-operator.js';
import type { LinearOperator } from '../../src/control/operator.js';
import {
  blur,
  colorization,
  downsample,
  gaussianBlur,
  inpainting,
  matrixOperator,
} from '../../src/control/operators.js';
import { elementCount } from '../../src/shape.js';

/** The matrix of an operator, row by row, from what it does to unit vectors. */
function matrixOf(operator: LinearOperator): number[][] {
  const { shape, measuredShape } = operator;
  const d = elementCount(shape);
  const columns = Array.from({ length: d }, (_, j) =>
    operator.apply(Float64Array.from({ length: d }, (_, i) => (i === j ? 1 : 0))),
  );
  return Array.from({ length: elementCount(measuredShape) }, (_, i) => columns.map((column) => column[i]!));
}

const random = (n: number) => Float64Array.from({ length: n }, (_, i) => Math.sin(3 * i * i + i));
const near = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.from(a).every((value, i) => Math.abs(value - b[i]!) < 1e-9);

const matrix = Array.from({ length: 5 }, (_, i) => Array.from({ length: 12 }, (_, j) => Math.cos(i * j + i)));
// A row that repeats another: of rank 5.
const tall = matrixOperator([...matrix, matrix[0]!]);
const operators = [
  inpainting([1, 0, 0, 1, 1, 0], [3, 2, 3]),
  colorization([3, 2, 4]),
  blur(3, [3, 4, 5]),
  gaussianBlur(0.7, [1, 6, 5]),
  downsample(2, [3, 4, 6]),
  tall,
  linearOperator({
    shape: [3, 4],
    measuredShape: [6],
    apply: (x) => tall.apply(x),
    adjoint: (y) => Array.from(tall.adjoint(y)),
  }),
];

for (const operator of operators) {
  test(`adjoint and singular values: ${operator.name}`, (t) => {
    const rows = matrixOf(operator);
    const y = random(rows.length);
    const transposed = rows[0]!.map((_, j) => rows.reduce((sum, row, i) => sum + row[j]! * y[i]!, 0));
    t.true(near(operator.adjoint(y), transposed));

    // The same by commands of a device, of two rows.
    const bound = operator.bind?.(cpu);
    const pair = random(2 * elementCount(operator.shape));
    const images = new Float64Array(2 * rows.length).fill(NaN);
    const both = (map: (row: Float64Array) => Float64Array, values: Float64Array) =>
      [0, 1].flatMap((row) =>
        Array.from(map(values.slice((row * values.length) / 2, ((row + 1) * values.length) / 2))),
      );
    bound?.apply(images, pair);
    if (bound)
      t.true(
        near(
          images,
          both((x) => operator.apply(x), pair),
        ),
      );
    images.set(random(images.length));
    bound?.adjoint(pair, images);
    if (bound)
      t.true(
        near(
          pair,
          both((x) => operator.adjoint(x), images),
        ),
      );
    t.is(bound === undefined, operator.name === 'linear');

    const spectrum = operator.spectrum();
    const maps = spectrum.bind!(cpu);
    const coordinates = new Float64Array(2 * spectrum.values.length);
    maps.measured(coordinates, images);
    t.true(
      near(
        coordinates,
        both((x) => spectrum.measured(x), images),
      ),
    );
    maps.sample(pair, coordinates);
    t.true(
      near(
        pair,
        both((x) => spectrum.sample(x), coordinates),
      ),
    );
    pair.set(random(pair.length));
    maps.coordinates(coordinates, pair);
    t.true(
      near(
        coordinates,
        both((x) => spectrum.coordinates(x), pair),
      ),
    );
    const u = random(spectrum.values.length);
    t.true(near(spectrum.coordinates(spectrum.sample(u)), u), 'V is orthonormal');
    // U^T A x = s V^T x, and A x is within U.
    const x = random(elementCount(operator.shape));
    const measured = spectrum.measured(operator.apply(x));
    t.true(
      near(
        measured,
        spectrum.coordinates(x).map((value, i) => value * spectrum.values[i]!),
      ),
    );
    const squares = (v: Float64Array) => v.reduce((sum, value) => sum + value * value, 0);
    t.true(Math.abs(squares(measured) - squares(operator.apply(x))) < 1e-9);
    t.is(spectrum.values.length, operator === operators[0] ? 9 : rows.length - spectrum.unreached);
    const bounds = spectrum.deviations(new Float64Array(x.length).fill(1));
    t.true(bounds.every((bound) => bound > 1 - 1e-9 && bound <= Math.sqrt(x.length) + 1e-9));
  });
}

test('blurs and means keep a constant picture; a blur is the mean of its neighbours, mirrored at the edges', (t) => {
  const ones = new Float64Array(16).fill(1);
  for (const operator of [blur(3, [1, 4, 4]), gaussianBlur(1, [1, 4, 4]), downsample(2, [1, 4, 4])])
    t.true(
      operator.apply(ones).every((value) => Math.abs(value - 1) < 1e-12),
      operator.name,
    );
  const x = Float64Array.from({ length: 9 }, (_, i) => i * i);
  const blurred = blur(3, [1, 3, 3]).apply(x);
  t.true(Math.abs(blurred[4]! - x.reduce((a, b) => a + b) / 9) < 1e-12);
  // At the corner the pixel itself counts four times, its neighbours twice.
  t.true(Math.abs(blurred[0]! - (4 * x[0]! + 2 * x[1]! + 2 * x[3]! + x[4]!) / 9) < 1e-12);
});

test('colorization measures sqrt(3) times the mean of the channels', (t) => {
  const grey = colorization([3, 1, 2]).apply(Float64Array.of(1, 2, 3, 4, 5, 9));
  t.true(near(grey, [9 / Math.sqrt(3), 15 / Math.sqrt(3)]));
  const { basis } = colorization([3, 1, 2]).rows!;
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 3; j++) {
      const product = [0, 1, 2].reduce((sum, c) => sum + basis![3 * c + i]! * basis![3 * c + j]!, 0);
      t.true(Math.abs(product - (i === j ? 1 : 0)) < 1e-6);
    }
});
