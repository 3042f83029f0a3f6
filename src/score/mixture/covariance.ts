import type { Matrix } from 'ml-matrix';
import type { CovarianceParts } from '../../device/mixture.js';
import { OptionError } from '../../errors.js';
import { linearAlgebra } from './linear-algebra.js';

/** factor factor^T + scalar I: `factor` has one row for every dimension. */
export interface LowRankCovariance {
  readonly factor: readonly ArrayLike<number>[];
  readonly scalar: number;
}

/**
 * A covariance as users give it: a number v for v I, a vector for a diagonal matrix, rows for a full one, or a
 * low-rank factor plus a multiple of the identity, which stays cheap in thousands of dimensions.
 */
export type CovarianceSpec = number | ArrayLike<number> | readonly ArrayLike<number>[] | LowRankCovariance;

/** A symmetric matrix with its eigenvectors, so that every function of it is as cheap as a product. */
export interface Covariance {
  readonly dimension: number;
  readonly trace: number;
  /** Eigenvalues and eigenvectors, as the addon takes them. */
  readonly parts: CovarianceParts;
  /** Its diagonal. */
  diagonal(): Float64Array;
  /** The matrix of the same eigenvectors with f of the eigenvalues. */
  map(f: (eigenvalue: number) => number): Covariance;
  /** out <- the matrix times v. */
  apply(v: Float64Array, out: Float64Array): void;
}

/** Eigenvalues on an orthonormal basis of a subspace, and one further eigenvalue on its complement. */
class SubspaceCovariance implements Covariance {
  readonly dimension: number;
  /** Basis vectors, one after the other. */
  readonly #basis: Float64Array;
  readonly #values: Float64Array;
  /** Eigenvalue of the complement; 0 where there is none. */
  readonly #rest: number;

  constructor(dimension: number, basis: Float64Array, values: Float64Array, rest: number) {
    this.dimension = dimension;
    this.#basis = basis;
    this.#values = values;
    this.#rest = rest;
  }

  get trace(): number {
    const complement = this.dimension - this.#values.length;
    return this.#values.reduce((sum, value) => sum + value, complement * this.#rest);
  }

  get parts(): CovarianceParts {
    const values = Float64Array.of(...this.#values, this.#rest);
    return { rank: this.#values.length, values, basis: this.#basis };
  }

  diagonal(): Float64Array {
    const d = this.dimension;
    const out = new Float64Array(d).fill(this.#rest);
    this.#values.forEach((value, j) => {
      for (let i = 0; i < d; i++) out[i]! += (value - this.#rest) * this.#basis[j * d + i]! ** 2;
    });
    return out;
  }

  map(f: (eigenvalue: number) => number): Covariance {
    const rest = this.#values.length === this.dimension ? 0 : f(this.#rest);
    return new SubspaceCovariance(this.dimension, this.#basis, this.#values.map(f), rest);
  }

  apply(v: Float64Array, out: Float64Array): void {
    const d = this.dimension;
    const basis = this.#basis;
    for (let i = 0; i < d; i++) out[i] = this.#rest * v[i]!;
    this.#values.forEach((value, j) => {
      let coordinate = 0;
      for (let i = 0, at = j * d; i < d; i++, at++) coordinate += basis[at]! * v[i]!;
      const scale = (value - this.#rest) * coordinate;
      for (let i = 0, at = j * d; i < d; i++, at++) out[i]! += scale * basis[at]!;
    });
  }
}

class DiagonalCovariance implements Covariance {
  readonly dimension: number;
  readonly #variances: Float64Array;

  constructor(variances: Float64Array) {
    this.dimension = variances.length;
    this.#variances = variances;
  }

  get trace(): number {
    return this.#variances.reduce((sum, value) => sum + value, 0);
  }

  get parts(): CovarianceParts {
    return { rank: -1, values: Float64Array.of(...this.#variances, 0), basis: new Float64Array(0) };
  }

  diagonal(): Float64Array {
    return this.#variances.slice();
  }

  map(f: (eigenvalue: number) => number): Covariance {
    return new DiagonalCovariance(this.#variances.map((value) => f(value)));
  }

  apply(v: Float64Array, out: Float64Array): void {
    const variances = this.#variances;
    for (let i = 0; i < v.length; i++) out[i] = variances[i]! * v[i]!;
  }
}

/** The covariance that a user gave at `path`; refuses what is not symmetric and positive definite. */
export function covariance(path: string, spec: CovarianceSpec, dimension: number): Covariance {
  if (typeof spec === 'number') {
    const value = positive(path, spec);
    return new SubspaceCovariance(dimension, new Float64Array(0), new Float64Array(0), value);
  }
  if (isLowRank(spec)) return lowRank(path, spec, dimension);
  if (!isArrayLike(spec) || spec.length !== dimension) {
    throw new OptionError(
      path,
      spec,
      `a number, ${dimension} variances, ${dimension} rows, or {factor, scalar}`,
    );
  }
  if (typeof spec[0] === 'number') {
    return new DiagonalCovariance(
      Float64Array.from(spec as ArrayLike<number>, (value, i) => positive(`${path}[${i}]`, value)),
    );
  }
  return full(path, matrixRows(path, spec, dimension), dimension);
}

function lowRank(path: string, { factor, scalar }: LowRankCovariance, d: number): Covariance {
  const rest = positive(`${path}.scalar`, scalar);
  if (!isArrayLike(factor) || factor.length !== d || !isArrayLike(factor[0])) {
    throw new OptionError(`${path}.factor`, factor, `${d} rows, one for every dimension`);
  }
  const rows = matrixRows(`${path}.factor`, factor, factor[0].length);
  if (rows.columns >= d)
    return full(path, rows.mmul(rows.transpose()).add(linearAlgebra().Matrix.eye(d).mul(rest)), d);
  const { SingularValueDecomposition } = linearAlgebra();
  const { leftSingularVectors, diagonal } = new SingularValueDecomposition(rows, {
    computeRightSingularVectors: false,
  });
  return new SubspaceCovariance(
    d,
    Float64Array.from(leftSingularVectors.transpose().to1DArray()),
    Float64Array.from(diagonal, (value) => value * value + rest),
    rest,
  );
}

/**
 * The least ratio of eigenvalues, for every dimension: they are computed to about 1e-16 of the largest, so that above it the
 * least one is known to a thousandth.
 */
const PRECISION = 1e3 * Number.EPSILON;

function full(path: string, matrix: Matrix, d: number): Covariance {
  const scale = Math.max(matrix.max(), -matrix.min());
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) {
      const [lower, upper] = [matrix.get(i, j), matrix.get(j, i)];
      if (Math.abs(lower - upper) > 1e-9 * scale) {
        throw new OptionError(`${path}[${i}][${j}]`, lower, `equal to ${path}[${j}][${i}] (${upper})`);
      }
    }
  }
  const { EigenvalueDecomposition } = linearAlgebra();
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const values = Float64Array.from(realEigenvalues);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const bound = PRECISION * d;
  if (!(least > bound * most)) {
    throw new OptionError(
      path,
      matrix.to2DArray(),
      `positive definite, its least eigenvalue above ${bound.toPrecision(2)} times its largest: nearer to singular its density ` +
        `is rounding noise (here they are ${least.toPrecision(3)} and ${most.toPrecision(3)}, the ratio ${(least / most).toPrecision(2)}; ` +
        'variances along the axes, or {factor, scalar}, may be as small as they like)',
    );
  }
  return new SubspaceCovariance(d, Float64Array.from(eigenvectorMatrix.transpose().to1DArray()), values, 0);
}

/** The rows as a matrix, every entry checked. */
export function matrixRows(path: string, rows: ArrayLike<unknown>, columns: number): Matrix {
  const { Matrix } = linearAlgebra();
  const matrix = new Matrix(rows.length, columns);
  for (let i = 0; i < rows.length; i++) {
    finiteVector(`${path}[${i}]`, rows[i], columns).forEach((value, j) => matrix.set(i, j, value));
  }
  return matrix;
}

/** The vector, copied, with its length and every entry checked. */
export function finiteVector(path: string, value: unknown, length: number): Float64Array {
  if (!isArrayLike(value) || value.length !== length) {
    throw new OptionError(
      path,
      value,
      length === 1 ? 'an array of 1 number' : `an array of ${length} numbers`,
    );
  }
  return Float64Array.from(value, (entry, i) => {
    if (typeof entry === 'number' && Number.isFinite(entry)) return entry;
    throw new OptionError(`${path}[${i}]`, entry, 'a finite number');
  });
}

function positive(path: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new OptionError(path, value, 'a finite number above 0');
}

export function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

function isLowRank(spec: CovarianceSpec): spec is LowRankCovariance {
  return typeof spec === 'object' && 'factor' in spec;
}

export function isCovariance(value: unknown): value is Covariance {
  return value instanceof SubspaceCovariance || value instanceof DiagonalCovariance;
}
