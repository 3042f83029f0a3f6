import { checkKnown } from '../options.js';
import { checkDataRange, checkEpsilon, type CommonOptions } from './constants.js';
import { sdeOptions } from './names.js';
import type { Sde } from './sde.js';

/** Where f and g are still of use: at 1 no signal is left to divide by, and at 0.999 a thousandth of the data. */
const END = 1 - 1e-3;

/**
 * The process of flow matching and rectified flow, alpha = 1 - t and sigma = t, as an SDE: dx = -x / (1 - t) dt + sqrt(2 t / (1 - t)) dw
 * (Lipman et al. 2023; Liu et al. 2023). T is 0.999, and methods of
 * alpha and sigma alone start at 1. Defaults: epsilon 1e-3, data in [-1, 1].
 */
export function flow(options: CommonOptions = {}): Sde {
  checkKnown(options, sdeOptions.flow);
  const { epsilon = 1e-3, dataRange = [-1, 1] } = options;
  return {
    name: 'flow',
    T: END,
    noiseTime: 1,
    epsilon: checkEpsilon(epsilon, END),
    dataRange: checkDataRange(dataRange),
    constants: { epsilon },
    priorSigma: END,
    drift: (t) => -1 / (1 - t),
    diffusion: (t) => Math.sqrt((2 * t) / (1 - t)),
    alpha: (t) => 1 - t,
    sigma: (t) => t,
    lambda: (t) => Math.log1p(-t) - Math.log(t),
    timeOfLambda: (lambda) => 1 / (1 + Math.exp(lambda)),
    transition(from, to) {
      const retain = (1 - to) / (1 - from);
      // to - retain from, without cancellation.
      const left = (to - from) / (1 - from);
      return { retain, spread: left * (to + retain * from) };
    },
  };
}
