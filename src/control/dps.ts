import { Room } from '../device/room.js';
import type { Predictor } from '../solvers/predictor.js';
import { ddim } from '../solvers/predictors/ddim.js';
import { Residuals } from './bound-operator.js';
import type { Remembered } from './denoiser.js';
import type { Known } from './measurement.js';
import type { Operator } from './operator.js';
import { awaited } from './steps.js';

/**
 * Diffusion posterior sampling (DPS, Chung et al. 2023, algorithm 1): an ancestral step, and a step of length `zeta` down the gradient
 * of |y - A(x_0(x))|, in the scale of VP, where states have variance 1 if data have. The norm is that of each sample, so that samples do not
 * depend on their batch.
 *
 * @param evaluated the model, which the solver evaluates by its denoiser.
 * @param known measurements of the samples of a batch, in order.
 */
export function dps(evaluated: () => Remembered, known: Known<Operator>, zeta: number): Predictor {
  const inner = ddim({ eta: 1 });
  return {
    name: 'dps',
    resolve: () => ({ zeta }),
    defaults: { steps: 1000 },
    begin(batch, steps) {
      const { size, signal } = batch;
      const { denoiser, last } = evaluated();
      const device = batch.isAwaited ? denoiser.device : batch.device;
      const move = inner.begin(batch, steps);
      const place = batch.like();
      const room = new Room(device);
      const residuals = new Residuals(known, device, signal);
      const norms = device.allocate(size, 'double');
      return async (step, noise) => {
        const length =
          zeta * Math.hypot(step.from.alpha, step.from.sigma) * Math.hypot(step.to.alpha, step.to.sigma);
        const { estimate, product } = last();
        const direction = room.place('direction', estimate.length, 'double');
        const pull = room.place('pull', estimate.length, 'double');
        const residual = await awaited(residuals.of(estimate, size));
        // With r = y - A(x_0), the gradient of |r| is -J^T (dA/dx)^T r / |r|: r is made of length 1, and what follows is added.
        device.orthonormalize(residual, norms, size, 0);
        await residuals.operator.products(direction, estimate, residual);
        await product(pull, direction, () => length);
        await move(step, noise);
        if (device === batch.device) device.copy(place, pull);
        else batch.device.write(place, await device.read(pull));
        batch.combine(batch.x, [batch.x, place], [1, 1]);
      };
    },
  };
}
