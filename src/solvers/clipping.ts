import type { Elements } from '../device/device.js';
import { OptionError } from '../errors.js';
import type { Batch } from './batch.js';

/**
 * Whether the estimate of x_0 is kept within the data range at every step: `true` clips it (Ho et al. 2020, in their sampler); a number is
 * the quantile of dynamic thresholding (Saharia et al. 2022, section 2.3; theirs is 0.995), which first scales every sample towards the
 * middle of the range until this share of its elements lies within.
 */
export type Clip = boolean | number;

/** Throws where this is no way to clip. */
export function checkClip(clip: Clip): Clip {
  if (typeof clip === 'boolean' || (clip > 0 && clip <= 1)) return clip;
  throw new OptionError('clip', clip, 'true, false, or a quantile above 0 and at most 1, such as 0.995');
}

/** Writes the estimate of x_0 that the last evaluation, of `state`, implies. */
export type Estimator = (batch: Batch, out: Elements, state?: Elements) => void;

/** The estimate of x_0, kept within the data range where that is asked for. */
export function estimator(clip: Clip): Estimator {
  return (batch, out, state) => {
    const { dataRange } = batch.model.sde;
    batch.estimate(out, state);
    if (typeof clip === 'number') batch.threshold(out, dataRange, clip);
    else if (clip) batch.clip(out, ...dataRange);
    if (clip !== false) batch.conditionOn(out);
  };
}
