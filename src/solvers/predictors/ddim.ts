import { checkKnown, checkNumber } from '../../options.js';
import type { Step } from '../../sde/grid.js';
import { checkClip, estimator, type Clip } from '../clipping.js';
import { predictorOptions } from '../names.js';
import { linearPredictor, type LinearPredictor, type Predictor } from '../predictor.js';

/** Options of {@link ddim}. */
export interface DdimOptions {
  /** Noise, from 0 (default, the ODE) to 1 (the posterior of the Markov chain, as ancestral sampling) and more. */
  readonly eta?: number | undefined;
  /** How the estimate of x_0 is kept within the data range at every step. Default false. */
  readonly clip?: Clip | undefined;
  /**
   * Keep the noise that the network predicts where the estimate is clipped, as diffusers does, in place of what the clipped estimate
   * leaves. Default false.
   */
  readonly keepNoise?: boolean | undefined;
}

/**
 * DDIM (Song, Meng and Ermon 2020, equation 12), for every alpha and sigma:
 * x' = alpha' x_0 + sqrt(sigma'^2 - c^2) e + c z with c = eta sigma' sqrt(1 - exp(-2 h)), at most
 * sigma', where h is the step in lambda. Order 1.
 */
export function ddim(options: DdimOptions = {}): LinearPredictor {
  checkKnown(options, predictorOptions.ddim);
  const { eta = 0, clip = false, keepNoise = false } = options;
  checkClip(clip);
  checkNumber('eta', eta, 0, true);
  const fresh = (step: Step) => freshDeviation(step, eta);
  const logKept = (step: Step) => Math.log1p(-freshShare(step, eta)) / 2;
  const predictor = linearPredictor('ddim', (step) => {
    const { from, to } = step;
    const scale = to.alpha / from.alpha;
    return {
      state: scale,
      score: -scale * from.sigma ** 2 * Math.expm1(from.lambda - to.lambda + logKept(step)),
      noise: fresh(step),
    };
  });
  /** The same step, written with the estimate of x_0. */
  const beginInData: Predictor['begin'] = (batch) => {
    const estimate = estimator(clip);
    const data = batch.like();
    return (step, address) => {
      const { from, to } = step;
      const state = (to.sigma * Math.exp(logKept(step))) / from.sigma;
      estimate(batch, data);
      const noise = address && { scale: fresh(step), address };
      if (keepNoise && from.alpha > 0) {
        // z = -sigma s, with the score s of the network.
        const score = batch.model.coefficients(from);
        const factor = -state * from.sigma ** 2;
        const coefficients = [factor * score.state, factor * score.output, to.alpha];
        batch.combine(batch.x, [batch.x, batch.output, data], coefficients, noise);
      } else {
        batch.combine(batch.x, [batch.x, data], [state, to.alpha - state * from.alpha], noise);
      }
    };
  };
  return {
    ...predictor,
    resolve: () => ({ eta, clip, ...(clip !== false && { keepNoise }) }),
    fromNoise: { name: 'ddim', begin: beginInData },
    defaults: { steps: 50, grid: 'uniform-lambda' },
    begin: clip ? beginInData : (batch, steps) => predictor.begin(batch, steps),
  };
}

/** The share of sigma'^2 that is fresh noise. */
function freshShare({ from, to }: Step, eta: number): number {
  return Math.min(1, -(eta ** 2) * Math.expm1(2 * (from.lambda - to.lambda)));
}

/** The deviation of the fresh noise of a step: c above. */
export function freshDeviation(step: Step, eta: number): number {
  return step.to.sigma * Math.sqrt(freshShare(step, eta));
}

/** The step of DDIM from where no signal is left, with which methods of alpha and sigma alone start. */
export function ddimFromNoise(options: DdimOptions): Predictor {
  return ddim(options).fromNoise!;
}
