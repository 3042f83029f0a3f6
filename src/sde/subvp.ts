import { sdeOptions } from './names.js';
import { checkKnown } from '../options.js';
import { linearBeta } from './beta.js';
import { LIKELIHOOD_EPSILON, checkDataRange, checkEpsilon, type CommonOptions } from './constants.js';
import type { Sde } from './sde.js';

/** Constants of the sub-VP SDE. */
export interface SubVpOptions extends CommonOptions {
  /** beta(0); default 0.1. */
  beta0?: number;
  /** beta(1); default 20. */
  beta1?: number;
}

/**
 * The sub-VP SDE dx = -beta(t)/2 x dt + sqrt(beta(t) (1 - e^(-2 B(t)))) dw on [0, 1], with
 * sigma(t) = 1 - e^(-B(t)) (Song et al. 2021, equation 12). Defaults: epsilon 1e-3, data in [-1, 1].
 */
export function subvp(options: SubVpOptions = {}): Sde {
  checkKnown(options, sdeOptions.subvp);
  const { beta0 = 0.1, beta1 = 20, epsilon = 1e-3, dataRange = [-1, 1] } = options;
  const { beta, integral, increment, timeOfIntegral } = linearBeta(beta0, beta1);
  const sigma = (t: number) => -Math.expm1(-integral(t));
  return {
    name: 'subvp',
    T: 1,
    epsilon: checkEpsilon(epsilon, 1),
    likelihoodEpsilon: Math.min(LIKELIHOOD_EPSILON, epsilon),
    dataRange: checkDataRange(dataRange),
    constants: { beta0, beta1, epsilon },
    priorSigma: 1,
    published: 'euler',
    drift: (t) => -0.5 * beta(t),
    diffusion: (t) => Math.sqrt(-beta(t) * Math.expm1(-2 * integral(t))),
    alpha: (t) => Math.exp(-0.5 * integral(t)),
    sigma,
    lambda: (t) => -0.5 * integral(t) - Math.log(sigma(t)),
    // alpha / sigma = 1 / (2 sinh(B/2)).
    timeOfLambda: (lambda) => timeOfIntegral(2 * Math.asinh(0.5 * Math.exp(-lambda))),
    transition(from, to) {
      const B = increment(from, to);
      const retain = Math.exp(-0.5 * B);
      // sigma(to) - retain sigma(from) = (1 - retain) (1 + retain e^(-B(from))): no cancellation.
      const difference = -Math.expm1(-0.5 * B) * (1 + retain * Math.exp(-integral(from)));
      return { retain, spread: difference * (sigma(to) + retain * sigma(from)) };
    },
  };
}
