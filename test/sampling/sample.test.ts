import test from 'ava';
import { NonFiniteScoreError, OptionError } from '../../src/errors.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { annealedLangevin } from '../../src/solvers/annealed-langevin.js';
import { langevinDynamics } from '../../src/solvers/langevin-dynamics.js';
import { correctorNames, predictorNames } from '../../src/solvers/names.js';
import { ancestral } from '../../src/solvers/predictors/ancestral.js';
import type { Preview } from '../../src/sampling/previews.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { gaussianModel, moments } from '../support/gaussian.js';

const sdes = { vp: vp(), subvp: subvp(), ve: ve(), edm: edm(), flow: flow() };

for (const [name, sde] of Object.entries(sdes)) {
  test(`every predictor and corrector reaches the data law on ${name}`, async (t) => {
    // Coordinates share one score, so that one sample of many elements gives the moments.
    const shape = [8000];
    for (const predictor of predictorNames) {
      for (const corrector of correctorNames) {
        if (predictor === 'none' && corrector === 'none') continue;
        // For networks that say x_0 at once: no score's.
        if (predictor === 'consistency') continue;
        // The signal of flow grows where its noise is too small for Langevin steps to follow.
        if (predictor === 'none' && name === 'flow') continue;
        // Langevin dynamics alone has to relax the whole law at every level; ald takes the smaller steps.
        const alone = predictor === 'none' && { correctorSteps: corrector === 'ald' ? 16 : 4 };
        // Their discretisation errors are the largest: that of the flow is half the squared step in lambda, at every step.
        const steps = predictor === 'probability-flow' ? 1200 : predictor === 'euler' ? 600 : 300;
        const result = await sample(gaussianModel(sde, { shape }), {
          count: 1,
          predictor,
          corrector,
          steps,
          grid: 'uniform-lambda',
          ...(corrector !== 'none' && alone),
        });
        const { mean, std } = moments(result.samples);
        const where = `${predictor} with ${corrector}: mean ${mean}, std ${std}`;
        t.true(Math.abs(mean - 0.3) < 0.03, where);
        t.true(Math.abs(std - 0.5) < 0.03, where);
      }
    }
  });
}

test('the sampler has the published bias of reverse diffusion and of ancestral sampling on VE', async (t) => {
  const run = async (predictor: 'reverse-diffusion' | 'ancestral') => {
    const options = { count: 8, grid: 'reference', corrector: 'none', denoise: 'none', predictor } as const;
    const result = await sample(gaussianModel(ve(), { shape: [16384] }), options);
    return moments(result.samples).std;
  };
  // The two differ by 0.9 %; the standard error of a standard deviation over 131072 draws is 0.2 %.
  t.true(Math.abs((await run('reverse-diffusion')) - 0.502159) < 5 * 0.002 * 0.5);
  t.true(Math.abs((await run('ancestral')) - 0.497798) < 5 * 0.002 * 0.5);
});

test('predictor-corrector inflates the standard deviation by the Langevin bias and no more', async (t) => {
  const model = gaussianModel(ve(), { shape: [65536] });
  const { samples } = await sample(model, { count: 2, grid: 'reference' });
  // 0.5001 sqrt(1 + 0.16^2), the stationary value, with 0.14 % standard error.
  t.true(Math.abs(moments(samples).std - 0.50646) < 5 * 0.0014 * 0.5);
});

test('counts are the evaluations that the model saw', async (t) => {
  const cases: [SampleOptions, number, number][] = [
    [{}, 10, 1],
    [{ corrector: 'langevin' }, 20, 1],
    [{ corrector: 'none' }, 10, 1],
    [{ correctorSteps: 3 }, 40, 1],
    [{ predictor: 'none' }, 10, 1],
    [{ denoise: 'none' }, 10, 0],
    [{ grid: 'reference', epsilon: 1e-3 }, 20, 0],
    [{ sequence: 'predictor-first' }, 20, 1],
    [{ sequence: 'predictor-first', grid: 'reference' }, 18, 1],
  ];
  for (const [options, score, denoise] of cases) {
    const model = gaussianModel(ve());
    const { counts } = await sample(model, { count: 4, steps: 10, ...options });
    const networks = { network: score + denoise };
    t.deepEqual(counts, { score, denoise, rejected: 0, jvp: 0, vjp: 0, networks }, JSON.stringify(options));
    t.is(model.calls.length, score + denoise);
  }
});

test('a sample does not depend on batch size, on the split, or on its companions', async (t) => {
  const model = gaussianModel(vp(), { shape: [3, 5] });
  const all = await sample(model, { count: 7, steps: 20, seed: 5 });
  const small = await sample(model, { count: 7, steps: 20, seed: 5, batch: 3 });
  t.deepEqual(small.samples, all.samples);
  const tail = await sample(model, { count: 2, steps: 20, seed: 5, first: 5 });
  t.deepEqual(tail.samples, all.samples.subarray(5 * 15));
  const other = await sample(model, { count: 7, steps: 20, seed: 6 });
  t.notDeepEqual(other.samples, all.samples);
});

test('the published norm rule couples the samples of a batch', async (t) => {
  const model = gaussianModel(ve());
  const run = async (batch: number) =>
    (await sample(model, { count: 4, steps: 10, norm: 'batch', batch })).samples;
  t.notDeepEqual(await run(4), await run(1));
});

test('the orders of the paper and of the published code agree in law', async (t) => {
  for (const sequence of ['predictor-first', 'corrector-first'] as const) {
    const model = gaussianModel(ve(), { shape: [65536] });
    const { samples } = await sample(model, { count: 1, sequence, steps: 500 });
    t.true(Math.abs(moments(samples).std - 0.5063) < 0.01, sequence);
  }
});

test('a model with trained levels walks them down to the data', async (t) => {
  const ladder = ddpmLadder(linearBetas(100));
  const model = gaussianModel(ladderSde(ladder, vp()), { change: { ladder } });
  await sample(model, {
    count: 2,
    corrector: 'none',
    predictor: ancestral({ variance: 'fixedsmall', clip: true }),
  });
  t.deepEqual(
    model.calls.map(({ index }) => index),
    Array.from({ length: 100 }, (_, k) => 99 - k),
  );
  model.calls.length = 0;
  await sample(model, { count: 2, corrector: 'none', steps: 10 });
  t.deepEqual(
    model.calls.map(({ index }) => index),
    [99, 88, 77, 66, 55, 44, 33, 22, 11, 0],
  );
  model.calls.length = 0;
  const { options } = await sample(model, { count: 2, solver: 'unipc', steps: 4, epsilon: 0.02 });
  t.deepEqual([model.calls.length, model.calls[0]!.t, model.calls.at(-1)!.t], [5, 1, 0.02]);
  t.is(options['betweenLevels'], 'interpolated');
  const error = t.throws(() => sample(model, { epsilon: 1e-4 }), { instanceOf: OptionError });
  t.is(error.option, 'epsilon');
});

test('clipping keeps ancestral samples inside the data range', async (t) => {
  const model = gaussianModel(vp(), { shape: [1000], std: 1, mean: 0 });
  const options = { count: 1, corrector: 'none', steps: 100 } as const;
  const clipped = await sample(model, {
    ...options,
    predictor: ancestral({ clip: true, variance: 'fixedsmall' }),
    grid: 'reference',
    epsilon: 1e-3,
  });
  t.true(clipped.samples.every((value) => Math.abs(value) <= 1));
  const free = await sample(model, { ...options, predictor: 'ancestral' });
  t.true(free.samples.some((value) => Math.abs(value) > 1.5));
});

test('annealed Langevin dynamics reaches the data law', async (t) => {
  const model = gaussianModel(ve({ sigmaMin: 0.05, sigmaMax: 5 }), { shape: [20_000] });
  const sigmas = Array.from({ length: 60 }, (_, c) => 5 * 0.01 ** (c / 59));
  const { samples, counts } = await sample(model, {
    count: 1,
    solver: annealedLangevin({ sigmas, stepSize: 2.5e-4, stepsPerLevel: 20 }),
  });
  const { mean, std } = moments(samples);
  t.true(Math.abs(mean - 0.3) < 0.02 && Math.abs(std - 0.5) < 0.02, `${mean} ${std}`);
  t.deepEqual([counts.score, counts.denoise], [1200, 1]);
});

test('Langevin dynamics has the stationary variance of its step size', async (t) => {
  const sde = ve();
  const time = sde.timeOfLambda(0); // sigma = 1
  const model = gaussianModel(sde, { shape: [100_000] });
  const variance = 0.25 + 1;
  const stepSize = 0.25;
  const { samples } = await sample(model, {
    count: 1,
    solver: langevinDynamics({ stepSize, steps: 200, time }),
    initial: new Float32Array(100_000),
  });
  const { mean, std } = moments(samples);
  t.true(Math.abs(mean - 0.3) < 0.02);
  t.true(Math.abs(std - Math.sqrt(variance / (1 - stepSize / (2 * variance)))) < 5 * 0.0023 * std);
});

test('a score that is not finite is reported with its step and sample', async (t) => {
  const broken = gaussianModel(ve());
  const model = gaussianModel(ve(), {
    change: {
      evaluate(x, at, output) {
        void broken.evaluate(x, at, output);
        if (broken.calls.length === 7) output[3] = NaN;
      },
    },
  });
  const error = await t.throwsAsync(async () => sample(model, { count: 4, steps: 10, first: 40 }), {
    instanceOf: NonFiniteScoreError,
  });
  t.deepEqual([error.step, error.sample, error.code], [6, 41, 'ERR_FASTSDE_NON_FINITE']);
});

test('previews come in order, with the state or the estimate of the clean sample', async (t) => {
  const model = gaussianModel(ve());
  const run = sample(model, { count: 4, batch: 2, steps: 10, previewEvery: 5, preview: 'x0', trajectory: 5 });
  const previews: Preview[] = [];
  for await (const preview of run) previews.push(preview);
  t.deepEqual(
    previews.map(({ first, step }) => [first, step]),
    [
      [0, 0],
      [0, 5],
      [2, 0],
      [2, 5],
    ],
  );
  // At the prior the estimate is close to the mean of the data; the state is not.
  t.true(previews[0]!.samples.every((value) => Math.abs(value - 0.3) < 0.1));
  const { trajectory } = await run;
  t.deepEqual(trajectory?.steps, [0, 5]);
  t.deepEqual(trajectory?.frames[1], Float32Array.of(...previews[1]!.samples, ...previews[3]!.samples));
});

test('an aborted run rejects with the reason of its signal', async (t) => {
  const controller = new AbortController();
  const model = gaussianModel(ve());
  const run = sample(model, {
    signal: controller.signal,
    onProgress: ({ step }) => {
      if (step === 5) controller.abort(new Error('enough'));
    },
  });
  await t.throwsAsync(async () => run, { message: 'enough' });
  t.is(model.calls.length, 5);
});

test('options that cannot be used are refused with their names', (t) => {
  const model = gaussianModel(ve());
  const refused: [SampleOptions, string, RegExp][] = [
    [{ count: 0 }, 'count', /integer of at least 1/],
    [{ seed: -1 }, 'seed', /2\^64/],
    [{ seed: 0.5 }, 'seed', /2\^64/],
    [{ steps: 1.5 }, 'steps', /integer/],
    [{ epsilon: 2 }, 'epsilon', /T/],
    [{ snr: 0 }, 'snr', /above 0/],
    [{ snr: 0.1, corrector: 'none' }, 'snr', /left out/],
    [{ norm: 'batch', corrector: 'ald' }, 'norm', /left out/],
    [{ corrector: 'langvin' as 'langevin' }, 'corrector', /did you mean langevin/],
    [{ sequence: 'predictor-first', denoise: 'mean' }, 'denoise', /not a denoiser/],
    [{ classLabel: 3 }, 'classLabel', /takes no class/],
    [{ initial: new Float32Array(3) }, 'initial', /32 elements/],
    [{ solver: langevinDynamics({ stepSize: 1 }), steps: 10 }, 'steps', /left out/],
  ];
  for (const [options, option, message] of refused) {
    const error = t.throws(() => sample(model, options), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  }
  t.throws(() => sample(gaussianModel(vp()), { solver: annealedLangevin() }), { instanceOf: OptionError });
});
