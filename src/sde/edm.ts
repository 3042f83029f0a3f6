import { sdeOptions } from './names.js';
import { checkKnown, checkNumber } from '../options.js';
import { checkDataRange, checkSigmas } from './constants.js';
import type { Sde } from './sde.js';

/** Constants of the process of Karras et al. 2022. */
export interface EdmOptions {
  /** Noise level at which sampling stops, and so `epsilon`; default 0.002. */
  sigmaMin?: number;
  /** Noise level of the prior; default 80. */
  sigmaMax?: number;
  /** Standard deviation of the data, used by the preconditioning of EDM networks; default 0.5. */
  sigmaData?: number;
  /** Values that data take in the model's own space; default [-1, 1]. */
  dataRange?: readonly [number, number];
}

/**
 * The process dx = sqrt(2 t) dw with alpha = 1, sigma(t) = t on [0, sigmaMax]: time is the noise level
 * (Karras et al. 2022, section 3).
 */
export function edm(options: EdmOptions = {}): Sde {
  checkKnown(options, sdeOptions.edm);
  const { sigmaMin = 0.002, sigmaMax = 80, sigmaData = 0.5, dataRange = [-1, 1] } = options;
  checkNumber('sigmaData', sigmaData, 0);
  checkSigmas(sigmaMin, sigmaMax);
  return {
    name: 'edm',
    T: sigmaMax,
    epsilon: sigmaMin,
    dataRange: checkDataRange(dataRange),
    constants: { sigmaMin, sigmaMax, sigmaData },
    // Even steps of the noise level would lead from far above the deviation of the data to far below it in one.
    usualGrid: 'karras',
    priorSigma: sigmaMax,
    drift: () => 0,
    diffusion: (t) => Math.sqrt(2 * t),
    alpha: () => 1,
    sigma: (t) => t,
    lambda: (t) => -Math.log(t),
    timeOfLambda: (lambda) => Math.exp(-lambda),
    transition: (from, to) => ({ retain: 1, spread: (to - from) * (to + from) }),
  };
}
