import test from 'ava';
import { matrixOperator } from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { spacedTimes } from '../../src/sde/grid.js';
import { levelAt, type Level } from '../../src/sde/level.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

/** Independent normal data of which two combinations are measured. */
const [means, variances] = [
  [0.2, -0.1, 0.4],
  [1, 0.25, 2],
];
const A = [
  [1, 0.5, 0],
  [0, 1, -0.3],
];
const y = [0.7, -0.4];
const d = 3;

const data = new GaussianMixture({
  weights: [1],
  means: [means],
  covariances: [variances.map((value, i) => variances.map((_, j) => (i === j ? value : 0)))],
});

/** Normal numbers of a run of seed 0. */
function noise(count: number, stream: number, step: number): Float32Array {
  const z = new Float32Array(count * d);
  fillNormal(z, count, { seed: 0n, samples: 0, stream, step });
  return z;
}

/** Chung et al. 2023, algorithm 1, of one sample, in double precision; variances of single numbers make the estimate and its Jacobian. */
function stepOf(x: readonly number[], z: readonly number[], from: Level, to: Level, zeta: number): number[] {
  const gain = variances.map((v) => (from.alpha * v) / (from.alpha ** 2 * v + from.sigma ** 2));
  const estimate = x.map((value, i) => means[i]! + gain[i]! * (value - from.alpha * means[i]!));
  const residual = A.map((row, k) => y[k]! - row.reduce((sum, a, i) => sum + a * estimate[i]!, 0));
  const norm = Math.hypot(...residual);
  // Of VP, whose states have variance 1 for data of variance 1; others are scaled to it.
  const [scale, next] = [Math.hypot(from.alpha, from.sigma), Math.hypot(to.alpha, to.sigma)];
  const retain = from.alpha / to.alpha;
  const spread = from.sigma ** 2 - (retain * to.sigma) ** 2;
  return x.map((value, i) => {
    const ancestral =
      ((retain * to.sigma ** 2) / from.sigma ** 2) * value +
      ((to.alpha * spread) / from.sigma ** 2) * estimate[i]! +
      Math.sqrt((to.sigma ** 2 * spread) / from.sigma ** 2) * z[i]!;
    // The gradient of |y - A x_0| in x, in the scale of VP.
    const gradient = (-A.reduce((sum, row, k) => sum + row[i]! * residual[k]!, 0) * gain[i]!) / norm;
    return ancestral - zeta * next * (scale * gradient);
  });
}

for (const sde of [vp(), subvp(), ve()]) {
  test(`a sample of dps goes the way of its algorithm: ${sde.name}`, async (t) => {
    const model = mixtureModel(data, sde);
    const [count, zeta] = [6, 0.3];
    const grid = spacedTimes(sde, { steps: 25, grid: 'uniform-lambda' });
    const levels = Array.from(grid, (time) => levelAt(model, time));
    const { samples, counts } = await restore(
      model,
      { operator: matrixOperator(A), values: Float64Array.from(y) },
      { method: 'dps', zeta, grid, count, batch: 4, denoise: 'none' },
    );
    t.deepEqual(counts.networks, { network: 25, derivative: 25 });
    const prior = noise(count, Stream.prior, 0);
    const drawn = levels.slice(1).map((_, k) => noise(count, Stream.predictor, k));
    for (let b = 0; b < count; b++) {
      const own = (z: Float32Array) => Array.from(z.subarray(b * d, (b + 1) * d));
      let x = own(prior).map((value) => sde.priorSigma * value);
      levels.slice(1).forEach((to, k) => (x = stepOf(x, own(drawn[k]!), levels[k]!, to, zeta)));
      x.forEach((value, i) =>
        t.true(Math.abs(samples[b * d + i]! - value) < 1e-3, `${samples[b * d + i]!} for ${value}`),
      );
    }
  });
}
