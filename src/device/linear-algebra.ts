import { addon } from './addon.js';
import type { Elements } from './device.js';
import type { Queue } from './queue.js';
import type { State } from './binding.js';

/** Matrices lie row by row in arrays of a queue, whose thread does the work. Its bits depend on the matrices alone. */

export interface ProductOptions {
  /** Whether a holds its transpose, [terms, rows]; default false. */
  readonly transposeA?: boolean;
  /** Whether b holds its transpose, [columns, terms]; default false. */
  readonly transposeB?: boolean;
  /** Whether the product is added to out; default false. */
  readonly accumulate?: boolean;
}

/** out [rows, columns], double <- a [rows, terms] times b [terms, columns], each single or double. */
export function multiply(
  queue: Queue,
  out: Elements,
  a: Elements,
  b: Elements,
  terms: number,
  { transposeA = false, transposeB = false, accumulate = false }: ProductOptions = {},
): void {
  const { number } = queue;
  addon().multiply(
    number,
    out as Float64Array,
    a as State,
    transposeA,
    b as State,
    transposeB,
    terms,
    accumulate,
  );
}

/**
 * factor [n, n] <- L of the positive semidefinite matrix L L^T [n, n], by pivoted elimination: its column k belongs to the row
 * pivots[k], from the rank on it is zero, and so are the elements of rows that were eliminated before. pivots [n] (int32) are -1
 * from the rank on, what rounding leaves of a zero counting as zero.
 */
export function factorize(queue: Queue, matrix: Elements, factor: Elements, pivots: Elements): void {
  addon().factorize(queue.number, matrix as Float64Array, factor as Float64Array, pivots as Int32Array);
}

/** inverse [n, n] <- that of a lower triangular matrix without zeros on its diagonal. */
export function invertTriangular(queue: Queue, lower: Elements, inverse: Elements): void {
  addon().invertTriangular(queue.number, lower as Float64Array, inverse as Float64Array);
}

/**
 * values [n] <- the eigenvalues of a symmetric matrix [n, n] in ascending order, and vectors [n, n] <- its eigenvectors as rows. Of the
 * matrix the lower triangle is read, and it is overwritten. What is not finite ends the work of the queue.
 */
export function eigen(queue: Queue, matrix: Elements, values: Elements, vectors?: Elements): void {
  addon().eigen(
    queue.number,
    matrix as Float64Array,
    values as Float64Array,
    vectors as Float64Array | undefined,
  );
}
