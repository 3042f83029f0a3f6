import test from 'ava';
import { OptionError } from '../../../src/errors.js';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { edm } from '../../../src/sde/edm.js';
import { subvp } from '../../../src/sde/subvp.js';
import { ve } from '../../../src/sde/ve.js';
import { vp } from '../../../src/sde/vp.js';
import { integrateAdaptively } from '../../../src/solvers/ode/adaptive-step.js';
import { Batch } from '../../../src/solvers/batch.js';
import { ProbabilityFlow } from '../../../src/solvers/ode/probability-flow-ode.js';
import { rk45, type Rk45Options } from '../../../src/solvers/ode/rk45.js';
import {
  predictorCorrector,
  type PredictorCorrectorOptions,
} from '../../../src/solvers/predictor-corrector.js';
import { heun } from '../../../src/solvers/predictors/runge-kutta.js';
import { sample, type SampleOptions } from '../../../src/sampling/sample.js';
import { ladderSde } from '../../../src/sde/ladder-sde.js';
import { ddpmLadder, linearBetas } from '../../../src/sde/ladder.js';
import { gaussianModel, moments } from '../../support/gaussian.js';
import { planar } from '../../support/planar-mixture.js';

const model = mixtureModel(planar, vp());

/** Ten steps from (1, -1) at t = 1 to 1e-3; spec of an independent implementation in NumPy. */
const endpoints = {
  euler: [0.843494079165, -0.315174281359],
  heun: [0.970049068355, -0.12821514008],
} as const;

/** Carries points by a predictor without a corrector to epsilon, in double precision. */
async function carry(x: Float64Array, options: PredictorCorrectorOptions): Promise<Float64Array> {
  const plan = predictorCorrector({ corrector: 'none', denoise: 'none', ...options }).plan(model);
  const batch = new Batch(model, { size: x.length / 2, first: 0, seed: 0n, precision: plan.precision });
  batch.write(x);
  await plan.run(batch, {});
  return Float64Array.from(await batch.read());
}

for (const method of ['euler', 'heun'] as const) {
  test(`${method} has the reference endpoint on the mixture`, async (t) => {
    const x = await carry(Float64Array.of(1, -1), { predictor: method, steps: 10, grid: 'uniform-t' });
    endpoints[method].forEach((value, i) => {
      t.true(Math.abs(x[i]! - value) < 1e-10, `${x[i]} against ${value}`);
    });
  });
}

test('RK45 has the endpoint of a reference of order 8', async (t) => {
  const x = Float64Array.of(1, -1);
  await integrateAdaptively(new ProbabilityFlow(model), [x], { from: 1, to: 1e-3, rtol: 1e-11, atol: 1e-11 });
  t.true(Math.abs(x[0]! - 0.96337392336) < 1e-9 && Math.abs(x[1]! + 0.044395972441) < 1e-9, String(x));
});

const orders: ['euler' | 'midpoint' | 'heun' | 'rk4', number, number][] = [
  ['euler', 128, 1],
  ['midpoint', 128, 2],
  ['heun', 128, 2],
  ['rk4', 64, 4],
];

for (const [method, steps, order] of orders) {
  test(`${method} has order ${order} on the probability-flow ODE`, async (t) => {
    const starts = Float64Array.from({ length: 32 }, (_, i) => 1.5 * Math.sin(1 + 2.3 * i));
    const flow = new ProbabilityFlow(model);
    const exact = starts.slice();
    await integrateAdaptively(flow, [exact], { from: 1, to: 1e-3, rtol: 1e-11, atol: 1e-11 });
    const error = async (n: number) => {
      const x = await carry(starts, { predictor: method, steps: n, grid: 'uniform-lambda' });
      return Math.hypot(...x.map((value, i) => value - exact[i]!));
    };
    const slope = Math.log2((await error(steps)) / (await error(2 * steps)));
    t.true(Math.abs(slope - order) < 0.15 * order, `order ${slope}`);
  });
}

for (const sde of [vp(), subvp(), ve(), edm()]) {
  test(`every ODE solver reaches the data law on ${sde.name}`, async (t) => {
    const shape = [10_000];
    const grid = 'uniform-lambda';
    const choices: SampleOptions[] = [
      { solver: 'rk45' },
      { solver: { name: 'rk45', coupling: 'batch', rtol: 1e-4, denoise: 'none' } },
      { solver: rk45({ variable: 'lambda' }) },
      { solver: 'euler', steps: 800, grid },
      { solver: 'midpoint', steps: 60, grid },
      { solver: 'heun', steps: 60, grid },
      { solver: 'rk4', steps: 30, grid },
      { solver: heun(), steps: 30, grid, corrector: 'ald' },
    ];
    for (const choice of choices) {
      const { samples, options } = await sample(gaussianModel(sde, { shape }), { count: 1, ...choice });
      const { mean, std } = moments(samples);
      const where = `${String(options['predictor'] ?? options['solver'])} ${mean} ${std}`;
      t.true(Math.abs(mean - 0.3) < 0.02 && Math.abs(std - 0.5) < 0.02, where);
    }
  });
}

test('steps in lambda lead to the same samples', async (t) => {
  const run = (options: Rk45Options) =>
    sample(model, {
      count: 16,
      solver: rk45({ rtol: 1e-7, atol: 1e-7, epsilon: 1e-5, denoise: 'none', ...options }),
    });
  const [inTime, inLambda] = [await run({}), await run({ variable: 'lambda' })];
  inLambda.samples.forEach((value, i) => {
    t.true(Math.abs(value - inTime.samples[i]!) < 1e-5);
  });
  t.is(inLambda.options['variable'], 'lambda');
});

test('samples of the mixture are in its components as often as they should be', async (t) => {
  const { samples, evaluations } = await sample(model, {
    count: 1000,
    batch: 250,
    solver: rk45({ rtol: 1e-3, atol: 1e-3 }),
  });
  const weights = [0, 0, 0];
  const classes = planar.classProbabilities(samples);
  classes.forEach((p, i) => (weights[i % 3]! += p / 1000));
  [0.5, 0.3, 0.2].forEach((weight, k) => {
    t.true(Math.abs(weights[k]! - weight) < 5 * Math.sqrt((weight * (1 - weight)) / 1000), String(weights));
  });
  t.is(evaluations!.length, 1000);
});

test('counts are the evaluations that the model saw', async (t) => {
  const alone = gaussianModel(vp());
  const { counts, evaluations, options } = await sample(alone, { count: 1, solver: rk45() });
  t.is(counts.score + counts.rejected + counts.denoise, alone.calls.length);
  t.is(evaluations![0], alone.calls.length);
  t.is(counts.denoise, 1);
  t.is(options['rtol'], 1e-5);
  const several = gaussianModel(vp());
  const all = await sample(several, { count: 6, solver: rk45() });
  t.is(
    several.calls.reduce((sum, { size }) => sum + size, 0),
    all.evaluations!.reduce((a, b) => a + b),
  );
  t.is(
    all.counts.score + all.counts.rejected + all.counts.denoise,
    all.evaluations!.reduce((a, b) => Math.max(a, b)),
  );
  const fixed = gaussianModel(vp());
  const result = await sample(fixed, { count: 2, solver: 'rk4', steps: 7 });
  const networks = { network: 29 };
  t.deepEqual(result.counts, { score: 28, denoise: 1, rejected: 0, jvp: 0, vjp: 0, networks });
  t.is(fixed.calls.length, 29);
});

test('a sample does not depend on batch size or split', async (t) => {
  const run = (options: object) => sample(model, { seed: 3, solver: rk45(), ...options });
  const all = await run({ count: 9 });
  t.deepEqual((await run({ count: 9, batch: 2 })).samples, all.samples);
  t.deepEqual((await run({ count: 4, first: 5 })).samples, all.samples.subarray(10));
  const coupled = await run({ count: 9, solver: rk45({ coupling: 'batch' }) });
  t.notDeepEqual(coupled.samples, all.samples);
});

test('previews, trajectory and progress follow the time', async (t) => {
  const gaussian = gaussianModel(ve());
  const fractions: number[] = [];
  const run = sample(gaussian, {
    count: 4,
    batch: 2,
    solver: rk45(),
    trajectory: 50,
    preview: 'x0',
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  const times: number[] = [];
  for await (const preview of run) {
    times.push(preview.t);
    // What the dense output implies for E[x_0 | x_t] is what the model says; at t = 1 it is the data's mean.
    if (preview.step === 0) t.true(preview.samples.every((value) => Math.abs(value - 0.3) < 0.1));
  }
  t.is(times.length, 20);
  t.deepEqual((await run).trajectory?.steps, [0, 50]);
  t.is(fractions.length, 200);
  t.is(fractions.at(-1), 1);
  t.true(fractions.every((value, i) => i === 0 || value > fractions[i - 1]!));
});

test('what does not fit is refused', (t) => {
  const ladder = ddpmLadder(linearBetas(100));
  const trained = gaussianModel(ladderSde(ladder, vp()), { change: { ladder } });
  for (const name of ['rk45', 'ggf'] as const)
    t.throws(() => sample(trained, { solver: { name, epsilon: 1e-3 } }), {
      message: /^epsilon must be at least 0.01/,
    });
  t.is(t.throws(() => rk45({ rtol: -1 }), { instanceOf: OptionError }).option, 'rtol');
  t.is(
    t.throws(() => sample(model, { solver: 'heun', steps: 0 }), { instanceOf: OptionError }).option,
    'steps',
  );
  t.regex(
    t.throws(() => sample(model, { solver: 'heun', grid: 'reference' }), { instanceOf: OptionError }).message,
    /another with heun/,
  );
  t.is(
    t.throws(() => sample(model, { solver: rk45({ epsilon: 2 }) }), { instanceOf: OptionError }).option,
    'epsilon',
  );
});
