import test from 'ava';
import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { OptionError } from '../../src/errors.js';
import { findGrid, type FindGridOptions, type GridCost } from '../../src/sampling/find-grid.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { ddpmLadder } from '../../src/sde/ladder.js';
import { spacedTimes } from '../../src/sde/grid.js';
import { shortestGrid } from '../../src/sde/shortest-grid.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

const deviations = [0.1, 0.5, 1.2];
const gaussian = new GaussianMixture({
  weights: [1],
  means: [[0, 0, 0]],
  covariances: [deviations.map((c, i) => deviations.map((_, j) => (i === j ? c * c : 0)))],
});

const length = (x: readonly number[]) => Math.hypot(...x);
const minus = (x: readonly number[], y: readonly number[]) => x.map((value, i) => value - y[i]!);

for (const sde of [vp(), subvp(), ve({ sigmaMax: 50 })]) {
  for (const cost of ['deviation', 'l2'] satisfies GridCost[]) {
    test(`${sde.name}, ${cost}: the grid of a Gaussian is that of its trajectories in closed form`, async (t) => {
      const [count, fineSteps, steps] = [5, 90, 4];
      const model = mixtureModel(gaussian, sde);
      const times = spacedTimes(sde, { steps: fineSteps, grid: 'karras' });
      const levels = Array.from(times, (time) => Math.exp(-sde.lambda(time)));
      const start = new Float32Array(count * 3);
      fillNormal(start, count, { seed: 3n, samples: 0, step: 0, stream: Stream.prior, substep: 0 });
      const costs = new Float64Array(levels.length ** 2);
      for (let row = 0; row < count; row++) {
        // x / alpha is proportional to the standard deviation of its marginal, sqrt(c^2 + rho^2) (probability flow).
        const spread = (rho: number) => deviations.map((c) => Math.hypot(c, rho));
        const path = levels.map((rho) =>
          spread(rho).map((s, i) => (start[3 * row + i]! * sde.priorSigma * s) / spread(levels[0]!)[i]!),
        );
        const end = path.at(-1)!;
        const chord = minus(end, path[0]!).map((value, _, all) => value / length(all));
        const off = (x: readonly number[]) => {
          const difference = minus(end, x);
          const along = difference.reduce((sum, value, i) => sum + value * chord[i]!, 0);
          return Math.sqrt(Math.max(0, length(difference) ** 2 - along ** 2));
        };
        for (let i = 0; i < levels.length; i++) {
          for (let j = i + 1; j < levels.length; j++) {
            const [from, to] = [levels[i]!, levels[j]!];
            const slope = path[i]!.map((x, k) => (x * from) / (deviations[k]! ** 2 + from ** 2));
            const jump = path[i]!.map((x, k) => x + (to - from) * slope[k]!);
            costs[i * levels.length + j]! +=
              cost === 'l2' ? length(minus(jump, path[j]!)) : off(jump) - off(path[j]!);
          }
        }
      }
      const nodes = shortestGrid(costs, levels.length, steps, 1.15);
      const found = await findGrid(model, { steps, count, fineSteps, cost, seed: 3 });
      t.deepEqual(
        found,
        nodes.map((node) => times[node]!),
      );
    });
  }
}

test('a grid belongs to the class of its trajectories, and stops where it is told', async (t) => {
  const model = mixtureModel(
    new GaussianMixture({ weights: [0.5, 0.5], means: [[0], [0]], covariances: [[[1e-4]], [[4]]] }),
    vp(),
    { conditional: true },
  );
  const [narrow, wide] = await Promise.all(
    [0, 1].map((classLabel) =>
      findGrid(model, { steps: 4, count: 4, cost: 'l2', classLabel, epsilon: 0.01 }),
    ),
  );
  t.is(narrow!.at(-1), 0.01);
  t.notDeepEqual(narrow, wide);
});

test('options that cannot be used are named', async (t) => {
  const model = mixtureModel(gaussian, vp());
  const named = async (options: FindGridOptions, option: string) => {
    await t.throwsAsync(findGrid(model, options), {
      instanceOf: OptionError,
      message: new RegExp(`^${option} `),
    });
  };
  await named({ steps: 61 }, 'steps');
  await named({ steps: 2, fineSteps: 0 }, 'fineSteps');
  await named({ steps: 2, cost: 'l1' as GridCost }, 'cost');
  await named({ steps: 2, gamma: NaN }, 'gamma');
  await named({ steps: 2, classLabel: 1 }, 'classLabel');
  await named({ steps: 2, grid: 'karras' } as FindGridOptions, 'grid');
});

test('a signal ends the search', async (t) => {
  const reason = new Error('enough');
  await t.throwsAsync(
    findGrid(mixtureModel(gaussian, vp()), { steps: 2, signal: AbortSignal.abort(reason) }),
    { is: reason },
  );
});

test('a grid of a ladder of few levels leads from level to level', async (t) => {
  const ladder = { ...ddpmLadder(Array.from({ length: 12 }, (_, i) => 0.02 + 0.05 * i)), nearest: true };
  const model = mixtureModel(gaussian, ladderSde(ladder, vp()));
  const times = await findGrid(model, { steps: 4, count: 5 });
  const levels = times.map((time) => 12 * time - 1);
  t.is(levels.length, 5);
  t.true(
    levels.every((level) => Math.abs(level - Math.round(level)) < 1e-9),
    String(levels),
  );
});
