import { OptionError } from '../../errors.js';
import { checkKnown, isRecord } from '../../options.js';
import {
  covariance,
  finiteVector,
  isArrayLike,
  isCovariance,
  type Covariance,
  type CovarianceSpec,
} from './covariance.js';

/** A Gaussian mixture as plain data: what a JSON file holds. */
export interface MixtureSpec {
  /** Positive, with sum 1. */
  readonly weights: ArrayLike<number>;
  /** One vector for every weight. */
  readonly means: readonly ArrayLike<number>[];
  /** One for every weight, all positive definite. */
  readonly covariances: readonly (CovarianceSpec | Covariance)[];
}

/** The components of a mixture, checked and copied. */
export interface Components {
  readonly weights: Float64Array;
  readonly means: readonly Float64Array[];
  readonly covariances: readonly Covariance[];
}

/** @throws OptionError with the path of what does not fit, such as `covariances[1][0]`. */
export function checkMixture(spec: MixtureSpec): Components {
  if (!isRecord(spec))
    throw new OptionError('mixture', spec, 'an object with weights, means and covariances');
  checkKnown(spec, ['weights', 'means', 'covariances']);
  const { weights, means, covariances } = spec;
  const count = isArrayLike(weights) ? weights.length : 0;
  if (count === 0) throw new OptionError('weights', weights, 'an array of at least one number');
  const normal = normalize(finiteVector('weights', weights, count));
  if (!isArrayLike(means) || means.length !== count) {
    throw new OptionError('means', means, `an array of ${count} vectors, one for every weight`);
  }
  const dimension = isArrayLike(means[0]) ? means[0].length : 0;
  if (dimension === 0) throw new OptionError('means[0]', means[0], 'an array of at least one number');
  const vectors = Array.from(means, (mean, k) => finiteVector(`means[${k}]`, mean, dimension));
  if (!isArrayLike(covariances) || covariances.length !== count) {
    throw new OptionError('covariances', covariances, `an array of ${count}, one for every weight`);
  }
  return {
    weights: normal,
    means: vectors,
    covariances: Array.from(covariances, (matrix, k) =>
      isCovariance(matrix) ? matrix : covariance(`covariances[${k}]`, matrix, dimension),
    ),
  };
}

function normalize(weights: Float64Array): Float64Array {
  weights.forEach((weight, k) => {
    if (!(weight > 0)) throw new OptionError(`weights[${k}]`, weight, 'positive');
  });
  const sum = weights.reduce((a, b) => a + b);
  if (Math.abs(sum - 1) > 1e-6) throw new OptionError('weights', weights, `numbers with sum 1, not ${sum}`);
  return weights.map((weight) => weight / sum);
}
