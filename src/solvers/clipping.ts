import type { Elements } from '../device/device.js';
import type { Batch } from './batch.js';

/** Writes the estimate of x_0 that the last evaluation, of `state`, implies. */
export type Estimator = (batch: Batch, out: Elements, state?: Elements) => void;

/** The estimate of x_0, clipped to the data range where that is asked for (Ho et al. 2020, in their sampler). */
export function estimator(clip: boolean): Estimator {
  if (!clip) {
    return (batch, out, state) => {
      batch.estimate(out, state);
    };
  }
  return (batch, out, state) => {
    const [low, high] = batch.model.sde.dataRange;
    batch.estimate(out, state);
    batch.clip(out, low, high);
  };
}
