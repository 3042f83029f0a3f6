import { OptionError } from '../../errors.js';
import { linearPredictor, type LinearPredictor } from '../predictor.js';

/**
 * Reverse diffusion (Song et al. 2021, equation 46): the forward discretisation x_t = retain x + G z, run backwards with
 * the same f and G.
 */
export function reverseDiffusion(): LinearPredictor {
  return linearPredictor('reverse-diffusion', ({ retain, spread }) => ({
    state: 2 - retain,
    score: spread,
    noise: Math.sqrt(spread),
  }));
}

/**
 * The probability-flow ODE, discretised as reverse diffusion is: half the score term and no noise (equation 47). Where the signal ends, a
 * step keeps little of it, and what 2 - retain is off no noise makes good: there `euler` and `ddim` solve the same ODE.
 */
export function probabilityFlow(): LinearPredictor {
  return {
    ...linearPredictor('probability-flow', ({ retain, spread }) => ({
      state: 2 - retain,
      score: spread / 2,
      noise: 0,
    })),
    resolve({ sde }) {
      if (sde.noiseTime === undefined) return {};
      const expected = `'euler' or 'ddim', which solve the same ODE: the ${sde.name} process ends without signal, where its step is far off`;
      throw new OptionError('predictor', 'probability-flow', expected);
    },
  };
}
