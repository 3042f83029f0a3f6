import { OptionError } from '../errors.js';
import { addon } from './addon.js';
import type { QueueNumber } from './addon-interface.js';
import { requireDisjoint, requireFloat64 } from './arguments.js';

/** Maps of the samples of a batch, and Krylov spaces of each: all in double. */

/** x <- x times factors, element by element: those of a sample or of all of x. */
export function weigh(x: Float64Array, factors: Float64Array, queue?: QueueNumber): void {
  requireFloat64('x', x);
  requireFloat64('factors', factors);
  requireDisjoint('factors', factors, 'x', x);
  requireDivisor('factors', factors, x);
  addon().weigh(queue, x, factors);
}

/**
 * A matrix along an axis: out[o][j][i] <- sum over k of matrix[j][k] x[o][k][i].
 *
 * @param matrix row-major, with `columns` columns.
 * @param inner elements i that lie side by side.
 */
export function multiplyAxis(
  out: Float64Array,
  x: Float64Array,
  matrix: Float64Array,
  columns: number,
  inner: number,
  queue?: QueueNumber,
): void {
  requireFloat64('x', x);
  requireFloat64('matrix', matrix);
  if (!(columns >= 1) || matrix.length % columns !== 0)
    throw new OptionError('columns', columns, `a divisor of the ${matrix.length} elements of the matrix`);
  if (!(inner >= 1) || x.length % (columns * inner) !== 0)
    throw new OptionError('inner', inner, `elements of which x has a multiple of ${columns} (${x.length})`);
  requireFloat64('out', out, (x.length / columns) * (matrix.length / columns));
  requireDisjoint('x', x, 'out', out);
  requireDisjoint('matrix', matrix, 'out', out);
  addon().multiplyAxis(queue, out, x, matrix, columns, inner);
}

/**
 * A step of Arnoldi's iteration, in a space for each row: vector `index` is made orthogonal to those before it, and of norm 1; its column
 * receives its parts along them, and the norm of the rest. Where that is rounding alone, both are 0: the space is complete.
 *
 * @param vectors [blocks][rows][size], one block for every vector.
 * @param columns [blocks][rows][blocks].
 */
export function orthonormalize(
  vectors: Float64Array,
  columns: Float64Array,
  rows: number,
  index: number,
  queue?: QueueNumber,
): void {
  const blocks = blocksOf(columns, rows);
  requireFloat64('vectors', vectors);
  requireDisjoint('columns', columns, 'vectors', vectors);
  if (vectors.length % (blocks * rows) !== 0)
    throw new OptionError('vectors', vectors, `${blocks} vectors for each of ${rows} rows`);
  if (!(Number.isInteger(index) && index >= 0 && index < blocks))
    throw new OptionError('index', index, `an integer from 0 to ${blocks - 1}`);
  addon().orthonormalize(queue, vectors, columns, rows, index);
}

/**
 * out <- sum of c_j images[j], with the c that minimise |b - M sum of c_j v_j| in every row (GMRES, Saad and Schultz 1986): b was vector 0
 * of {@link orthonormalize}, and M v_j vector j + 1.
 *
 * @param out [rows][size].
 * @param images [blocks - 1][rows][size], of v_0, v_1 and so on.
 */
export function leastResiduals(
  out: Float64Array,
  images: Float64Array,
  columns: Float64Array,
  rows: number,
  queue?: QueueNumber,
): void {
  const blocks = blocksOf(columns, rows);
  requireFloat64('out', out);
  requireDivisor('rows', { length: rows }, out);
  requireFloat64('images', images, (blocks - 1) * out.length);
  for (const [name, input] of Object.entries({ images, columns })) requireDisjoint(name, input, 'out', out);
  addon().leastResiduals(queue, out, images, columns, rows);
}

function blocksOf(columns: Float64Array, rows: number): number {
  requireFloat64('columns', columns);
  const blocks = Math.sqrt(columns.length / rows);
  if (Number.isInteger(rows) && rows >= 1 && Number.isInteger(blocks)) return blocks;
  throw new OptionError('columns', columns, `columns of as many elements as there are, for ${rows} rows`);
}

function requireDivisor(name: string, value: { readonly length: number }, of: Float64Array): void {
  if (of.length % value.length !== 0)
    throw new OptionError(name, value, `of a length that divides ${of.length}`);
}
