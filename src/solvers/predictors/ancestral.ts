import type { NoiseAddress } from '../../device/binding.js';
import { OptionError } from '../../errors.js';
import { checkChoice, checkKnown } from '../../options.js';
import type { Step } from '../../sde/grid.js';
import type { Sde } from '../../sde/sde.js';
import type { Batch } from '../batch.js';
import { checkClip, estimator, type Clip } from '../clipping.js';
import { predictorOptions, variances } from '../names.js';
import { ddimFromNoise } from './ddim.js';
import { linearPredictor, type LinearPredictor } from '../predictor.js';

/** Options of {@link ancestral}. */
export interface AncestralOptions {
  /**
   * Variance of the reverse transition: `fixedlarge` is that of the forward step (beta_i), `fixedsmall` that of the
   * posterior q(x_{i-1} | x_i, x_0). `learned` is between the two, by the share (v + 1) / 2 in logarithms that the network predicts
   * for every element (Nichol and Dhariwal 2021, equation 15); `learned-log` takes v for its logarithm itself. Default: fixedlarge for
   * VP and fixedsmall elsewhere, as in Song et al. 2021.
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
    const large = varianceFor(sde) !== 'fixedsmall';
    return {
      state: 1 / retain,
      score: spread / retain,
      noise: large ? Math.sqrt(spread) : (to.sigma / from.sigma) * Math.sqrt(spread),
    };
  });
  return {
    ...predictor,
    resolve({ sde, learnedVariance }) {
      if (variance?.startsWith('learned') && !learnedVariance) {
        const expected =
          "'fixedlarge' or 'fixedsmall': the network predicts no variance, in as many channels more";
        throw new OptionError('variance', variance, expected);
      }
      return { variance: varianceFor(sde), clip };
    },
    fromNoise: ddimFromNoise({ eta: 1, clip }),
    begin(batch, steps) {
      const isLearned = variance?.startsWith('learned');
      if (!isLearned && !clip) return predictor.begin(batch, steps);
      const estimate = batch.like();
      const clipped = estimator(clip);
      const noised = isLearned ? learnedNoise(batch, steps, variance === 'learned') : undefined;
      return async (step, address) => {
        // The same step, written with the estimate of x_0 (Ho et al. 2020, equation 7).
        const { from, to, retain, spread } = step;
        const { noise } = predictor.update(step, batch.model.sde);
        clipped(batch, estimate);
        const coefficients = [retain * (to.sigma / from.sigma) ** 2, to.alpha * (spread / from.sigma ** 2)];
        const fixed = isLearned ? undefined : address;
        batch.combine(batch.x, [batch.x, estimate], coefficients, fixed && { scale: noise, address: fixed });
        if (address) await noised?.(step, address);
      };
    },
  };
}

/** The least variance, of a step that leads to the data. */
const LEAST = 1e-20;

/** By which a logarithm may lie above that of the largest variance of the step: that of 12. */
const MOST_EXCESS = 2.5;

/** Throws where what the network says is clearly the other quantity: shares lie about [-1, 1], logarithms below that of the step. */
function checkVariance(mean: number, isShare: boolean, large: number): void {
  if (isShare ? Math.abs(mean) < 2 : mean < large + MOST_EXCESS) return;
  const told = `the network gives ${mean.toPrecision(3)} on average`;
  throw isShare
    ? new OptionError(
        'variance',
        'learned',
        `'learned-log' or a fixed one: ${told}, which is no share in [-1, 1]`,
      )
    : new OptionError(
        'variance',
        'learned-log',
        `'learned' or a fixed one: ${told}, which is no logarithm of a variance of at most ${Math.exp(large).toPrecision(3)}`,
      );
}

/**
 * x <- x + sqrt(variance) z with the variance that the network predicts for every element. What it says is looked at in the first step
 * and in the last ones, where logarithms are least: the others are not waited for.
 */
function learnedNoise(
  batch: Batch,
  steps: readonly Step[],
  isShare: boolean,
): (step: Step, address: NoiseAddress) => Promise<void> {
  const { device, size } = batch;
  const looked = [steps[0], ...steps.slice(-2)];
  const ones = device.allocate(batch.x.length, 'single');
  const sums = device.allocate(size, 'double');
  device.write(ones, new Float32Array(batch.x.length).fill(1));
  return async (step, address) => {
    const { from, to, spread } = step;
    const large = Math.log(spread);
    const small = Math.log(Math.max(LEAST, (to.sigma / from.sigma) ** 2 * spread));
    if (looked.includes(step)) {
      device.dots(batch.variance!, ones, sums);
      let sum = 0;
      for (const ofSample of await device.read(sums)) sum += ofSample;
      checkVariance(sum / batch.x.length, isShare, large);
    }
    // Half of the logarithm: that of the deviation.
    if (isShare) batch.addNoise((small + large) / 4, (large - small) / 4, address);
    else batch.addNoise(0, 1 / 2, address);
  };
}
