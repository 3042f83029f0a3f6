import { readFileSync } from 'node:fs';
import test from 'ava';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { functionModel } from '../../src/score/function.js';
import type { ScoreModel } from '../../src/score/model.js';
import { flow } from '../../src/sde/flow.js';
import { timeGrid } from '../../src/sde/grid.js';
import { predictorNames } from '../../src/solvers/names.js';
import { moments } from '../support/gaussian.js';

/** The exact velocity z - x_0 of data N(0.3, 0.5^2), which knows no alpha to divide by. */
function velocity(elements: number): ScoreModel {
  return functionModel({
    shape: [elements],
    sde: flow(),
    parameterization: 'flow',
    evaluate(x, [level], output) {
      const { t } = level!;
      const gain = ((1 - t) * 0.25 - t) / ((1 - t) ** 2 * 0.25 + t ** 2);
      for (let i = 0; i < x.length; i++) output[i] = -0.3 - gain * (x[i]! - (1 - t) * 0.3);
    },
  });
}

interface Trajectory {
  shift: number;
  sigmas: number[];
  start: number[];
  end: number[];
}

const trajectories = JSON.parse(readFileSync('test/fixtures/flow-euler.json', 'utf8')) as Trajectory[];

for (const { shift, sigmas, start, end } of trajectories) {
  test(`DDIM on a flow makes the Euler steps of diffusers: shift ${shift}, ${sigmas.length - 1} steps`, async (t) => {
    const visited = sigmas.slice(0, -1);
    const { samples, counts, trajectory, options } = await sample(velocity(8), {
      ...{ solver: 'ddim', grid: 'shifted', rho: shift, steps: visited.length - 1, epsilon: visited.at(-1) },
      ...{ count: 1, initial: Float32Array.from(start), trajectory: 1 },
    });
    t.is(counts.score + counts.denoise, visited.length);
    t.is(options['start'], 1);
    trajectory!.times.forEach((time, k) => {
      t.true(Math.abs(time - visited[k]!) < 1e-6, `${time} for ${visited[k]!}`);
    });
    samples.forEach((value, i) => {
      t.true(Math.abs(value - end[i]!) < 1e-5 * Math.max(...end.map(Math.abs)), `${value} for ${end[i]!}`);
    });
  });
}

/** Methods that go by f and g, or by the forward transition. */
const byDrift = ['euler-maruyama', 'reverse-diffusion', 'euler', 'midpoint', 'heun', 'rk4'];

for (const solver of [
  ...predictorNames.filter((name) => !['none', 'probability-flow', 'consistency'].includes(name)),
  'rk45',
  'ggf',
] as const) {
  const start = [...byDrift, 'rk45', 'ggf'].includes(solver) ? 0.999 : 1;
  test(`${solver} draws the data of a flow from ${start}`, async (t) => {
    const isAdaptive = solver === 'rk45' || solver === 'ggf';
    const how: SampleOptions = isAdaptive ? { solver } : { solver, steps: 200 };
    const { samples, options } = await sample(velocity(20_000), { count: 1, ...how });
    const { mean, std } = moments(samples);
    t.is(options['start'], start);
    t.true(Math.abs(mean - 0.3) < 0.03 && Math.abs(std - 0.5) < 0.03, `${mean} +- ${std}`);
  });
}

test('grids in t begin without signal, those in noise levels at the second level', (t) => {
  const times = (grid: 'uniform-t' | 'karras', steps: number) =>
    timeGrid(flow(), { steps, grid, fromNoise: true }).map(({ from }) => from.t);
  t.deepEqual(times('uniform-t', 3), [1, (2 + 1e-3) / 3, (1 + 2e-3) / 3]);
  t.deepEqual(times('karras', 3).slice(0, 2), [1, 0.999]);
  t.deepEqual(times('karras', 1), [1]);
  t.is(timeGrid(flow(), { steps: 3 })[0]!.from.t, 0.999);
});

test('the steps of a process without signal at its end are those of another method', (t) => {
  const refused = t.throws(() => sample(velocity(8), { solver: 'probability-flow', steps: 9 }));
  t.regex(refused.message, /must be 'euler' or 'ddim', .* flow process ends without signal/);
});

test('what says nothing of the data in noise starts at T', async (t) => {
  const model = { ...velocity(8), parameterization: 'eps' as const };
  const { options } = await sample(model, { count: 1, solver: 'ddim', steps: 2 });
  t.is(options['start'], 0.999);
});
