import { checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import type { Clip } from '../clipping.js';
import { multistep, type Combination } from '../multistep.js';
import { predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { adamsBashforth, withNoise } from './ipndm.js';

/** Options of {@link pndm}. */
export interface PndmOptions {
  /** How the estimate of x_0 is kept within the data range at every step. Default false. */
  readonly clip?: Clip | undefined;
}

/**
 * PLMS (Liu et al. 2022, "Pseudo numerical methods for diffusion models on manifolds", the pseudo linear multistep of section 3.3, started as
 * in Stable Diffusion): {@link ipndm} whose first step is made again with the mean of the noise at its two ends, for one evaluation more. One
 * a step otherwise.
 */
export function pndm(options: PndmOptions = {}): Predictor {
  checkKnown(options, predictorOptions.pndm);
  return {
    ...multistep(
      'pndm',
      {
        options: {},
        order: 4,
        prediction: 'noise',
        wholeToData: true,
        predict: (levels, to) => withNoise(levels[0]!, to, adamsBashforth(levels.length)),
        correct: {
          order: 1,
          steps: 1,
          evaluates: true,
          combine: ([end, from]: readonly Level[]): Combination => withNoise(from!, end!, [1 / 2, 1 / 2]),
        },
      },
      { ...options, lowerOrderFinal: false },
    ),
    defaults: { steps: 20, grid: 'karras' },
  };
}
