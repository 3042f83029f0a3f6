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

/** What a first step has to keep of the state: 2 - retain is then 1 / retain within 1 %. */
const KEEPS = 0.9;

/**
 * The probability-flow ODE, discretised as reverse diffusion is: half the score term and no noise (equation 47). Where the signal ends, a
 * step even in t keeps little of it, and what 2 - retain is off no noise makes good: there `euler` and `ddim` solve the same ODE.
 */
export function probabilityFlow(): LinearPredictor {
  return {
    ...linearPredictor('probability-flow', ({ retain, spread }) => ({
      state: 2 - retain,
      score: spread / 2,
      noise: 0,
    })),
    resolve({ sde }, [first]) {
      if (sde.noiseTime === undefined || first!.retain > KEEPS) return {};
      const expected =
        `'euler' or 'ddim', which solve the same ODE, or with more steps on the grid uniform-lambda: the ${sde.name} process ends without ` +
        'signal, where so long a step is far off';
      throw new OptionError('predictor', 'probability-flow', expected);
    },
  };
}
