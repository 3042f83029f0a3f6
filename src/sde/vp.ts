import { sdeOptions } from './names.js';
import { checkKnown } from '../options.js';
import { OptionError } from '../errors.js';
import { linearBeta } from './beta.js';
import { LIKELIHOOD_EPSILON, checkDataRange, checkEpsilon, type CommonOptions } from './constants.js';
import { ddpmLadder, linearBetas } from './ladder.js';
import type { Sde } from './sde.js';

/** Constants of the VP SDE. */
export interface VpOptions extends CommonOptions {
  /** beta(0); default 0.1. */
  beta0?: number;
  /** beta(1); default 20. */
  beta1?: number;
}

/**
 * The variance-preserving SDE dx = -beta(t)/2 x dt + sqrt(beta(t)) dw on [0, 1], the limit of DDPM
 * (Song et al. 2021, equation 11). Defaults: epsilon 1e-3, data in [-1, 1].
 */
export function vp(options: VpOptions = {}): Sde {
  checkKnown(options, sdeOptions.vp);
  const { beta0 = 0.1, beta1 = 20, epsilon = 1e-3, dataRange = [-1, 1] } = options;
  const { beta, integral, increment, timeOfIntegral } = linearBeta(beta0, beta1);
  return {
    name: 'vp',
    T: 1,
    epsilon: checkEpsilon(epsilon, 1),
    likelihoodEpsilon: Math.min(LIKELIHOOD_EPSILON, epsilon),
    dataRange: checkDataRange(dataRange),
    constants: { beta0, beta1, epsilon },
    priorSigma: 1,
    drift: (t) => -0.5 * beta(t),
    diffusion: (t) => Math.sqrt(beta(t)),
    alpha: (t) => Math.exp(-0.5 * integral(t)),
    sigma: (t) => Math.sqrt(-Math.expm1(-integral(t))),
    lambda: (t) => -0.5 * (integral(t) + Math.log(-Math.expm1(-integral(t)))),
    timeOfLambda: (lambda) => timeOfIntegral(softplus(-2 * lambda)),
    transition(from, to) {
      const B = increment(from, to);
      return { retain: Math.exp(-0.5 * B), spread: -Math.expm1(-B) };
    },
    published(levels) {
      if (Math.max(beta0, beta1) < levels) return ddpmLadder(linearBetas(levels, beta0, beta1));
      throw new OptionError(
        'steps',
        levels,
        `more than beta1 (${beta1}) with grid 'reference', whose last level keeps 1 - beta1 / steps of the variance; ` +
          'the other grids take any number',
      );
    },
  };
}

/** ln(1 + e^x). */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
