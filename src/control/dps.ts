import type { Predictor } from '../solvers/predictor.js';
import { ddim } from '../solvers/predictors/ddim.js';
import type { Denoised } from './denoiser.js';
import { dot, type Known } from './measurement.js';
import { differentiable, type Operator } from './operator.js';

/**
 * Diffusion posterior sampling (DPS, Chung et al. 2023, algorithm 1): an ancestral step, and a step of length `zeta` down the gradient
 * of |y - A(x_0(x))|, in the scale of VP, where states have variance 1 if data have. The norm is that of each sample, so that samples do not
 * depend on their batch.
 *
 * @param last what the denoiser gave at the state of the batch.
 * @param known measurements of the samples of a batch, in order.
 */
export function dps(last: () => Denoised, known: Known<Operator>, zeta: number): Predictor {
  const operator = differentiable(known.operator);
  const inner = ddim({ eta: 1 });
  return {
    name: 'dps',
    resolve: () => ({ zeta }),
    defaults: { steps: 1000 },
    begin(batch, steps) {
      const move = inner.begin(batch, steps);
      const place = batch.like();
      return async (step, noise) => {
        const { size, signal } = batch;
        const length =
          zeta * Math.hypot(step.from.alpha, step.from.sigma) * Math.hypot(step.to.alpha, step.to.sigma);
        const { estimate, product } = last();
        const residuals = await operator.images(estimate, signal);
        const m = residuals.length / size;
        for (let row = 0; row < size; row++) {
          const residual = residuals.subarray(row * m, (row + 1) * m);
          known.of(row).forEach((value, i) => (residual[i] = value - residual[i]!));
          const norm = Math.sqrt(dot(residual, residual));
          residual.forEach((value, i) => (residual[i] = norm > 0 ? (length * value) / norm : 0));
        }
        const directions = await operator.products(estimate, residuals, signal);
        const pull = await product(directions);
        await move(step, noise);
        batch.device.write(place, pull);
        batch.combine(batch.x, [batch.x, place], [1, 1]);
      };
    },
  };
}
