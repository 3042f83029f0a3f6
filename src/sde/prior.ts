import type { State } from '../device/binding.js';
import type { Sde } from './sde.js';

/** ln N(z; 0, priorSigma^2 I) for one sample z, in nats. */
export function priorLogDensity(sde: Sde, z: State): number {
  const variance = sde.priorSigma ** 2;
  let squared = 0;
  for (const value of z) squared += value * value;
  return -0.5 * (z.length * Math.log(2 * Math.PI * variance) + squared / variance);
}
