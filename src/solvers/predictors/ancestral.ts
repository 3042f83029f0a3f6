import { checkChoice, checkKnown } from '../../options.js';
import type { Sde } from '../../sde/sde.js';
import { checkClip, estimator, type Clip } from '../clipping.js';
import { predictorOptions, variances } from '../names.js';
import { linearPredictor, type LinearPredictor } from '../predictor.js';

export interface AncestralOptions {
  /**
   * Variance of the reverse transition: `fixedlarge` is that of the forward step (beta_i), `fixedsmall` that of the
   * posterior q(x_{i-1} | x_i, x_0). Default: fixedlarge for VP and fixedsmall elsewhere, as in Song et al. 2021.
   */
  readonly variance?: (typeof variances)[number] | undefined;
  /** How the estimate of x_0 is kept within the data range at every step. Default false. */
  readonly clip?: Clip | undefined;
}

/**
 * Ancestral sampling: DDPM for VP (Ho et al. 2020, equation 11), its VE form (Song et al. 2021, appendix F), and the same
 * Markov-chain posterior for every other SDE with scalar-linear drift.
 */
export function ancestral(options: AncestralOptions = {}): LinearPredictor {
  checkKnown(options, predictorOptions.ancestral);
  const { variance, clip = false } = options;
  checkClip(clip);
  if (variance !== undefined) checkChoice('variance', variance, variances);
  const varianceFor = (sde: Sde) => variance ?? (sde.name === 'vp' ? 'fixedlarge' : 'fixedsmall');
  const predictor = linearPredictor('ancestral', ({ from, to, retain, spread }, sde) => {
    const large = varianceFor(sde) === 'fixedlarge';
    return {
      state: 1 / retain,
      score: spread / retain,
      noise: large ? Math.sqrt(spread) : (to.sigma / from.sigma) * Math.sqrt(spread),
    };
  });
  return {
    ...predictor,
    resolve: ({ sde }) => ({ variance: varianceFor(sde), clip }),
    fromNoise: true,
    begin(batch, steps) {
      if (!clip && steps[0]!.from.alpha > 0) return predictor.begin(batch, steps);
      const estimate = batch.like();
      const clipped = estimator(clip);
      return (step, address) => {
        // The same step, written with the estimate of x_0 (Ho et al. 2020, equation 7).
        const { from, to, retain, spread } = step;
        const { noise } = predictor.update(step, batch.model.sde);
        clipped(batch, estimate);
        const coefficients = [retain * (to.sigma / from.sigma) ** 2, to.alpha * (spread / from.sigma ** 2)];
        batch.combine(batch.x, [batch.x, estimate], coefficients, address && { scale: noise, address });
      };
    },
  };
}
