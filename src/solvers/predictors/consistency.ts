import { checkKnown } from '../../options.js';
import { checkClip, estimator, type Clip } from '../clipping.js';
import { predictorOptions } from '../names.js';
import { linearPredictor, type LinearPredictor, type Predictor } from '../predictor.js';

/** Options of {@link consistency}. */
export interface ConsistencyOptions {
  /** How the estimate of x_0 is kept within the data range at every step. Default false. */
  readonly clip?: Clip | undefined;
}

/**
 * Multistep consistency sampling (Song, Dhariwal, Chen and Sutskever 2023, algorithm 1; Luo et al. 2023, algorithm 3), for networks that
 * were distilled to say x_0 at once: x' = alpha' x_0 + sigma' z, with none of the noise before. Of other networks it is the posterior mean,
 * and samples lose what that leaves out.
 */
export function consistency(options: ConsistencyOptions = {}): LinearPredictor {
  checkKnown(options, predictorOptions.consistency);
  const { clip = false } = options;
  checkClip(clip);
  const predictor = linearPredictor('consistency', ({ from, to }) => ({
    state: to.alpha / from.alpha,
    score: (to.alpha / from.alpha) * from.sigma ** 2,
    noise: to.sigma,
  }));
  const beginInData: Predictor['begin'] = (batch) => {
    const estimate = estimator(clip);
    const data = batch.like();
    return ({ to }, address) => {
      estimate(batch, data);
      batch.combine(batch.x, [data], [to.alpha], address && { scale: to.sigma, address });
    };
  };
  return {
    ...predictor,
    resolve: () => ({ clip }),
    fromNoise: { name: 'consistency', begin: beginInData },
    defaults: { steps: 4, grid: 'karras' },
    begin: clip ? beginInData : (batch, steps) => predictor.begin(batch, steps),
  };
}
