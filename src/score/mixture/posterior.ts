import type { Matrix } from 'ml-matrix';
import { OptionError } from '../../errors.js';
import {
  covariance,
  finiteVector,
  isArrayLike,
  matrixRows,
  type Covariance,
  type CovarianceSpec,
} from './covariance.js';
import { GaussianMixture } from './mixture.js';
import { linearAlgebra } from './linear-algebra.js';

/** y = A x + n with n ~ N(0, R). */
export interface LinearObservation {
  /** A, one row for every observed number. */
  readonly matrix: readonly ArrayLike<number>[];
  /** y. */
  readonly value: ArrayLike<number>;
  /** R, positive definite. */
  readonly noise: CovarianceSpec;
}

/**
 * The law of x given a linear observation of it, again a mixture with the same components: each by Bayes' rule for
 * Gaussians, weighted by how well it predicted the observation. Decomposes full matrices of the dimension of x.
 */
export function mixturePosterior(prior: GaussianMixture, observation: LinearObservation): GaussianMixture {
  if (!isArrayLike(observation.matrix) || observation.matrix.length === 0) {
    throw new OptionError('matrix', observation.matrix, 'rows, one for every observed number');
  }
  const A = matrixRows('matrix', observation.matrix, prior.dimension);
  const { Matrix } = linearAlgebra();
  const y = Matrix.columnVector(finiteVector('value', observation.value, A.rows));
  const R = covariance('noise', observation.noise, A.rows);
  // A^T R^-1: the gain of the observation, and times A the precision that it adds.
  const gain = product(inverse(R), A).transpose();
  const information = gain.mmul(A);

  const components = prior.covariances.map((sigma, k) => {
    const mean = Matrix.columnVector(prior.means[k]!);
    const residual = Matrix.sub(y, A.mmul(mean));
    const predicted = A.mmul(product(sigma, A.transpose())).add(dense(R));
    const likelihood = new GaussianMixture({
      weights: [1],
      means: [new Float64Array(A.rows)],
      covariances: [beside(observation.noise, predicted)],
    });
    const precision = dense(inverse(sigma)).add(information);
    const posterior = inverse(beside(observation.noise, precision));
    return {
      logWeight: Math.log(prior.weights[k]!) + likelihood.logDensity(vector(residual))[0]!,
      mean: vector(mean.add(product(posterior, gain.mmul(residual)))),
      covariance: posterior,
    };
  });

  const most = Math.max(...components.map(({ logWeight }) => logWeight));
  // Weights stay positive where a component all but cannot have made the observation.
  const likelihoods = components.map(({ logWeight }) => Math.max(Math.exp(logWeight - most), 1e-300));
  const total = likelihoods.reduce((sum, likelihood) => sum + likelihood, 0);
  return new GaussianMixture({
    weights: likelihoods.map((likelihood) => likelihood / total),
    means: components.map(({ mean }) => mean),
    covariances: components.map((component) => component.covariance),
  });
}

/** A matrix to which the noise adds: where it is nearer to singular than double precision tells, the noise is too small. */
function beside(noise: CovarianceSpec, matrix: Matrix): Covariance {
  try {
    return covariance('covariance', matrix.to2DArray(), matrix.rows);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new OptionError('noise', noise, `larger beside the prior: with it a ${cause.message}`);
  }
}

function inverse(matrix: Covariance): Covariance {
  return matrix.map((eigenvalue) => 1 / eigenvalue);
}

function dense(matrix: Covariance): Matrix {
  return product(matrix, linearAlgebra().Matrix.eye(matrix.dimension));
}

function product(matrix: Covariance, columns: Matrix): Matrix {
  const { Matrix } = linearAlgebra();
  const out = new Matrix(columns.rows, columns.columns);
  const column = new Float64Array(columns.rows);
  for (let j = 0; j < columns.columns; j++) {
    matrix.apply(Float64Array.from(columns.getColumn(j)), column);
    out.setColumn(j, column);
  }
  return out;
}

function vector(column: Matrix): Float64Array {
  return Float64Array.from(column.to1DArray());
}
