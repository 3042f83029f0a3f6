import { Stream } from '../device/binding.js';
import type { QueueNumber } from '../device/addon-interface.js';
import { affine, copy } from '../device/kernels.js';
import type { Sde } from '../sde/sde.js';
import type { TrainingAddress } from './times.js';

/** Arrays of the simulation of some rows. */
export interface SimulationPlace {
  readonly z: Float32Array;
  readonly path: Float64Array;
}

/**
 * Euler-Maruyama paths of dx = f(t) x dt + g(t) dw from x_0 to the time of each row, told as the z for which the end of the
 * path is alpha x_0 + sigma z. Their law tends to that of a standard normal z at first order in 1 / steps, up to what the SDE
 * leaves out: the VE SDE started at 0 has the variance sigma(t)^2 - sigma(0)^2.
 *
 * @param x0 [rows, ...shape]
 * @param place where z goes, and the path of its length; new arrays by default
 * @param queue whose arrays they are, and whose commands the steps are then; here and now by default
 */
export function simulatedNoise(
  sde: Sde,
  x0: Float32Array,
  times: Float64Array,
  steps: number,
  { seed, step, first }: TrainingAddress,
  { z, path: x }: SimulationPlace = simulationPlace(x0.length),
  queue?: QueueNumber,
): Float32Array {
  const rows = times.length;
  copy(x, x0, queue);
  const coefficients = new Float64Array(2 * rows);
  for (let k = 0; k < steps; k++) {
    for (let b = 0; b < rows; b++) {
      const h = times[b]! / steps;
      coefficients[2 * b] = 1 + sde.drift(k * h) * h;
      coefficients[2 * b + 1] = sde.diffusion(k * h) * Math.sqrt(h);
    }
    const noise = { seed, samples: first, step, stream: Stream.forward, substep: k };
    affine(x, [x], coefficients, noise, undefined, queue);
  }
  const noise = new Float64Array(3 * rows);
  for (let b = 0; b < rows; b++) {
    const sigma = sde.sigma(times[b]!);
    noise[3 * b] = 1 / sigma;
    noise[3 * b + 1] = -sde.alpha(times[b]!) / sigma;
  }
  affine(x, [x, x0], noise, undefined, undefined, queue);
  copy(z, x, queue);
  return z;
}

function simulationPlace(length: number): SimulationPlace {
  return { z: new Float32Array(length), path: new Float64Array(length) };
}
