import { Stream } from '../device/binding.js';
import { affine } from '../device/kernels.js';
import type { Sde } from '../sde/sde.js';
import type { TrainingAddress } from './times.js';

/**
 * Euler-Maruyama paths of dx = f(t) x dt + g(t) dw from x_0 to the time of each row, told as the z for which the end of the
 * path is alpha x_0 + sigma z. Their law tends to that of a standard normal z at first order in 1 / steps, up to what the SDE
 * leaves out: the VE SDE started at 0 has the variance sigma(t)^2 - sigma(0)^2.
 *
 * @param x0 [rows, ...shape]
 */
export function simulatedNoise(
  sde: Sde,
  x0: Float32Array,
  times: Float64Array,
  steps: number,
  { seed, step, first }: TrainingAddress,
): Float32Array {
  const rows = times.length;
  const x = Float64Array.from(x0);
  const coefficients = new Float64Array(2 * rows);
  for (let k = 0; k < steps; k++) {
    for (let b = 0; b < rows; b++) {
      const h = times[b]! / steps;
      coefficients[2 * b] = 1 + sde.drift(k * h) * h;
      coefficients[2 * b + 1] = sde.diffusion(k * h) * Math.sqrt(h);
    }
    affine(x, [x], coefficients, { seed, samples: first, step, stream: Stream.forward, substep: k });
  }
  const noise = new Float64Array(3 * rows);
  for (let b = 0; b < rows; b++) {
    const sigma = sde.sigma(times[b]!);
    noise[3 * b] = 1 / sigma;
    noise[3 * b + 1] = -sde.alpha(times[b]!) / sigma;
  }
  affine(x, [x, x0], noise);
  return Float32Array.from(x);
}
