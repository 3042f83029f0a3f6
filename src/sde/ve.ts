import { sdeOptions } from './names.js';
import { checkKnown } from '../options.js';
import {
  LIKELIHOOD_EPSILON,
  checkDataRange,
  checkEpsilon,
  checkSigmas,
  type CommonOptions,
} from './constants.js';
import { geometricSigmas, smldLadder } from './ladder.js';
import type { Sde } from './sde.js';

/** Constants of the VE SDE. */
export interface VeOptions extends CommonOptions {
  /** sigma(0); default 0.01. */
  sigmaMin?: number;
  /** sigma(1); default 50 (CIFAR-10). About the largest distance between two training examples. */
  sigmaMax?: number;
}

/**
 * The variance-exploding SDE dx = sigma(t) sqrt(2 ln(sigmaMax / sigmaMin)) dw on [0, 1] with
 * sigma(t) = sigmaMin (sigmaMax / sigmaMin)^t, the limit of SMLD (Song et al. 2021, equation 9 and appendix C).
 * As in every trained checkpoint, sigma(t)^2 is the whole variance: sigmaMin^2 is not subtracted.
 * Defaults: epsilon 1e-5, data in [0, 1].
 */
export function ve(options: VeOptions = {}): Sde {
  checkKnown(options, sdeOptions.ve);
  const { sigmaMin = 0.01, sigmaMax = 50, epsilon = 1e-5, dataRange = [0, 1] } = options;
  checkSigmas(sigmaMin, sigmaMax);
  const logRatio = Math.log(sigmaMax / sigmaMin);
  const logMin = Math.log(sigmaMin);
  const sigma = (t: number) => sigmaMin * Math.pow(sigmaMax / sigmaMin, t);
  return {
    name: 've',
    T: 1,
    epsilon: checkEpsilon(epsilon, 1),
    likelihoodEpsilon: Math.min(LIKELIHOOD_EPSILON, epsilon),
    dataRange: checkDataRange(dataRange),
    constants: { sigmaMin, sigmaMax, epsilon },
    priorSigma: sigmaMax,
    published: (levels) => smldLadder(geometricSigmas(levels, sigmaMin, sigmaMax)),
    drift: () => 0,
    diffusion: (t) => sigma(t) * Math.sqrt(2 * logRatio),
    alpha: () => 1,
    sigma,
    lambda: (t) => -logMin - t * logRatio,
    timeOfLambda: (lambda) => (-lambda - logMin) / logRatio,
    transition: (from, to) => ({
      retain: 1,
      spread: sigma(from) ** 2 * Math.expm1(2 * logRatio * (to - from)),
    }),
  };
}
