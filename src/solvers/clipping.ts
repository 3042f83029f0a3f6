import type { Elements } from '../device/device.js';
import type { Batch } from './batch.js';

/** out <- the estimate of x_0 from the last evaluation, clipped to the data range (Ho et al. 2020, in their sampler). */
export function clippedEstimate(batch: Batch, out: Elements): void {
  const [low, high] = batch.model.sde.dataRange;
  batch.estimate(out);
  batch.clip(out, low, high);
}
