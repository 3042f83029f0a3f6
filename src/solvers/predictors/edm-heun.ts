import { checkClip, type Clip } from '../clipping.js';
import { OptionError } from '../../errors.js';
import { checkKnown, checkNumber } from '../../options.js';
import { levelAt, type Level } from '../../sde/level.js';
import { predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { ddimFromNoise } from './ddim.js';
import { levelOfNoise, noiseToSignal, raiseNoise, secondEvaluations, secondOrder } from '../second-order.js';

/** Options of {@link edmHeun}. */
export interface EdmHeunOptions {
  /** How much noise the steps put back in all (S_churn); at most sqrt(2) - 1 of the noise level in one. Default 0, the ODE. */
  readonly churn?: number | undefined;
  /** Noise levels sigma / alpha between which that is done (S_tmin, S_tmax). Default 0 and all. */
  readonly churnLeast?: number | undefined;
  /** Most sigma / alpha at which noise is put back. Default: any. */
  readonly churnMost?: number | undefined;
  /** Standard deviation of that noise (S_noise). Default 1: above it the sampler does not converge to the law of the model. */
  readonly churnNoise?: number | undefined;
  /** The family of order 2 with its second evaluation at this share of the step: 1 (default) is Heun's, 1/2 the midpoint's. */
  readonly node?: number | undefined;
  /** How the estimate of x_0 is kept within the data range at every evaluation. Default false. */
  readonly clip?: Clip | undefined;
}

/** The most by which a step may raise the noise level, for the variance to grow to twice at most (Karras et al. 2022, algorithm 2). */
const MOST_GAMMA = Math.SQRT2 - 1;

/**
 * The sampler of Karras et al. 2022, algorithms 1 and 2: a step of order 2 in rho = sigma / alpha, for every SDE; two evaluations
 * a step. Noise is never put back beyond the level at T.
 */
export function edmHeun(options: EdmHeunOptions = {}): Predictor {
  checkKnown(options, predictorOptions['edm-heun']);
  const { churn = 0, churnLeast = 0, churnMost = Infinity, churnNoise = 1, node = 1, clip = false } = options;
  checkClip(clip);
  checkNumber('churn', churn, 0, true);
  checkNumber('churnLeast', churnLeast, 0, true);
  if (churnMost !== Infinity) checkNumber('churnMost', churnMost, churnLeast, true);
  checkNumber('churnNoise', churnNoise, 0);
  checkNumber('node', node, 0);
  if (node > 1) throw new OptionError('node', node, 'a number above 0 and at most 1');
  const churns = ({ from }: { from: Level }) =>
    churn > 0 && noiseToSignal(from) >= churnLeast && noiseToSignal(from) <= churnMost;
  return {
    name: 'edm-heun',
    ...((churn > 0 || node !== 1) && { continuous: true }),
    precision: 'double',
    fromNoise: ddimFromNoise({ clip }),
    defaults: { steps: 18, grid: 'karras' },
    resolve: () => ({ node, clip, churn, ...(churn > 0 && { churnLeast, churnMost, churnNoise }) }),
    blind: churns,
    inner: (step) => (churns(step) ? 1 : 0) + secondEvaluations(step.to),
    begin(batch, steps) {
      const { model } = batch;
      const advance = secondOrder(batch, node, clip);
      const gamma = Math.min(churn / steps.length, MOST_GAMMA);
      return async (step, address) => {
        const { k, to } = step;
        let { from } = step;
        if (churns(step)) {
          const raised = Math.min(
            noiseToSignal(from) * (1 + gamma),
            noiseToSignal(levelAt(model, model.sde.T)),
          );
          if (address) {
            const level = levelOfNoise(model, raised);
            raiseNoise(batch, from, level, churnNoise, address);
            from = level;
          }
          await batch.evaluate(from, k);
        }
        await advance(k, from, to);
      };
    },
  };
}
