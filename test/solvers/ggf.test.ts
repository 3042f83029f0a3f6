import test from 'ava';
import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { IntegrationError, OptionError } from '../../src/errors.js';
import { sample, type SampleOptions, type SampleResult } from '../../src/sampling/sample.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { edm } from '../../src/sde/edm.js';
import type { Sde } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { gottaGoFast, type GottaGoFastOptions } from '../../src/solvers/gotta-go-fast.js';
import { gaussianModel, moments } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

/** Data N(0.3, 0.5^2) in d coordinates. */
const gaussian = (sde: Sde, d: number) =>
  mixtureModel(
    new GaussianMixture({ weights: [1], means: [new Array<number>(d).fill(0.3)], covariances: [0.25] }),
    sde,
  );

/** Standard errors by which the standard deviation of the samples is off. */
function deviation({ samples }: SampleResult): { mean: number; std: number } {
  const { mean, std } = moments(samples);
  const error = 0.5 / Math.sqrt(samples.length);
  return { mean: (mean - 0.3) / error, std: (std - 0.5) / (error / Math.SQRT2) };
}

const run = (sde: Sde, d: number, count: number, options: GottaGoFastOptions) =>
  sample(gaussian(sde, d), {
    count,
    batch: 2000,
    seed: 1,
    solver: { name: 'ggf', denoise: 'none', ...options },
  });

/** Algorithm 1 as published, for one number under VP, with the noise of sample `index`. */
function published(index: number, options: { rtol: number; atol: number; epsilon: number }) {
  const sde = vp();
  const { rtol, atol, epsilon } = options;
  const noise = (step: number, stream: number) => {
    const z = new Float32Array(1);
    fillNormal(z, 1, { seed: 1n, samples: index, step, stream });
    return z[0]!;
  };
  const drift = (x: number, t: number) => {
    const [alpha, sigma] = [sde.alpha(t), sde.sigma(t)];
    const score = (0.3 * alpha - x) / (0.25 * alpha ** 2 + sigma ** 2);
    return sde.drift(t) * x - sde.diffusion(t) ** 2 * score;
  };
  let x = Math.fround(Math.fround(sde.priorSigma) * noise(0, Stream.prior));
  let [t, h, previous] = [1, 0.01, x];
  let attempts = 0;
  let rejections = 0;
  while (t > epsilon) {
    h = Math.min(h, t - epsilon);
    const next = h === t - epsilon ? epsilon : t - h;
    const w = Math.sqrt(h) * noise(attempts++, Stream.predictor);
    const first = x - h * drift(x, t) + sde.diffusion(t) * w;
    const second = (first + x - h * drift(first, next) + sde.diffusion(next) * w) / 2;
    const tolerance = Math.max(atol, rtol * Math.max(Math.abs(first), Math.abs(previous)));
    const error = Math.abs(first - second) / tolerance;
    if (error <= 1) [x, t, previous] = [second, next, first];
    else rejections++;
    h *= 0.9 * error ** -0.9;
  }
  return { x, evaluations: 2 * attempts, rejected: 2 * rejections };
}

test('with redrawn noise, the samples and evaluations are those of the published algorithm', async (t) => {
  const options = { rtol: 0.05, atol: 0.005, epsilon: 1e-3 };
  const { samples, evaluations } = await run(vp(), 1, 40, { reject: 'redraw', ...options });
  for (const [i, value] of samples.entries()) {
    const expected = published(i, options);
    t.true(Math.abs(value - expected.x) < 1e-6, `sample ${i}: ${value} against ${expected.x}`);
    t.is(evaluations![i], expected.evaluations);
  }
  const { counts } = await run(vp(), 1, 1, { reject: 'redraw', ...options });
  t.is(counts.rejected, published(0, options).rejected);
});

test('redrawn noise biases a number, a bridge does not', async (t) => {
  const options = { rtol: 0.02, atol: 0.01 };
  const kept = await run(vp(), 1, 4000, options);
  const redrawn = await run(vp(), 1, 4000, { ...options, reject: 'redraw' });
  const { mean, std } = deviation(kept);
  t.true(Math.abs(mean) < 3 && Math.abs(std) < 3, `${mean}, ${std} standard errors`);
  t.true(moments(redrawn.samples).std > 0.65, `${moments(redrawn.samples).std}`);
  const [a, b] = [kept, redrawn].map(({ evaluations }) => evaluations!.reduce((sum, n) => sum + n)) as [
    number,
    number,
  ];
  t.true(Math.abs(a / b - 1) < 0.35, `${a} and ${b} evaluations`);
});

test('in 64 dimensions the bias is small, and there', async (t) => {
  const options = { rtol: 0.03, atol: 0.003 };
  const { mean, std } = deviation(await run(vp(), 64, 2000, options));
  t.true(Math.abs(mean) < 3 && Math.abs(std) < 3, `${mean}, ${std} standard errors`);
  const redrawn = deviation(await run(vp(), 64, 2000, { ...options, reject: 'redraw' }));
  t.true(redrawn.std > 3, `${redrawn.std} standard errors`);
});

for (const sde of [vp(), subvp(), ve(), edm()]) {
  for (const options of [
    { rtol: 0.02 },
    { rtol: 0.1, errorNorm: 'max', errorScale: 'current' },
    { rtol: 0.005, extrapolation: 'none' },
  ] satisfies GottaGoFastOptions[]) {
    test(`the law of the data is reached on ${sde.name} with ${JSON.stringify(options)}`, async (t) => {
      const { mean, std } = deviation(await run(sde, 16, 100, options));
      t.true(Math.abs(mean) < 4 && Math.abs(std) < 4, `${mean}, ${std} standard errors`);
    });
  }
}

test('samples of a mixture are in its components as often as they should be', async (t) => {
  const model = mixtureModel(planar, vp());
  const { samples } = await sample(model, { count: 1000, solver: { name: 'ggf', rtol: 0.05 } });
  const weights = [0, 0, 0];
  planar.classProbabilities(samples).forEach((p, i) => (weights[i % 3]! += p / 1000));
  [0.5, 0.3, 0.2].forEach((weight, k) => {
    t.true(Math.abs(weights[k]! - weight) < 4 * Math.sqrt((weight * (1 - weight)) / 1000), String(weights));
  });
});

test('every attempted step is two evaluations, and the denoising one', async (t) => {
  const model = gaussianModel(vp());
  const { counts, evaluations } = await sample(model, { count: 6, solver: 'ggf' });
  t.is(
    model.calls.reduce((sum, { size }) => sum + size, 0),
    evaluations!.reduce((a, b) => a + b),
  );
  t.true(evaluations!.every((n) => n % 2 === 1));
  t.is(
    counts.score + counts.rejected + counts.denoise,
    evaluations!.reduce((a, b) => Math.max(a, b)),
  );
  t.is(counts.networks['network'], counts.score + counts.rejected + 1);
  t.is(counts.denoise, 1);
  t.true(counts.rejected > 0 && counts.score > counts.rejected);
});

test('the estimate of x_0 at epsilon is what comes out, unless it is not asked for', async (t) => {
  const noisy = await run(ve(), 4, 3, { rtol: 0.1 });
  const { samples } = await run(ve(), 4, 3, { rtol: 0.1, denoise: 'tweedie' });
  const level = { alpha: 1, sigma: ve().sigma(ve().epsilon) };
  noisy.samples.forEach((x, i) => {
    const estimate = x + (level.sigma ** 2 * (0.3 - x)) / (0.25 + level.sigma ** 2);
    t.true(Math.abs(samples[i]! - estimate) < 1e-6);
  });
});

for (const reject of ['bridge', 'redraw'] as const) {
  test(`a sample does not depend on batch size or split (${reject})`, async (t) => {
    const draw = (options: SampleOptions) =>
      sample(mixtureModel(planar, vp()), { seed: 3, solver: gottaGoFast({ rtol: 0.1, reject }), ...options });
    const all = await draw({ count: 9 });
    t.deepEqual((await draw({ count: 9, batch: 2 })).samples, all.samples);
    t.deepEqual((await draw({ count: 4, first: 5 })).samples, all.samples.subarray(10));
    t.deepEqual((await draw({ count: 1, first: 7 })).samples, all.samples.subarray(14, 16));
    t.deepEqual((await draw({ count: 4, first: 5 })).evaluations, all.evaluations!.subarray(5));
    t.notDeepEqual((await draw({ count: 9, seed: 4 })).samples, all.samples);
  });
}

test('previews, trajectory and progress follow the time, and change nothing', async (t) => {
  const fractions: number[] = [];
  const options = { count: 4, batch: 2, solver: 'ggf' } as const;
  const watched = sample(gaussianModel(ve()), {
    ...options,
    trajectory: 25,
    preview: 'x0',
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  const previews: number[] = [];
  for await (const { step, samples } of watched) {
    previews.push(step);
    // E[x_0 | x_t] is the mean of the data at T.
    if (step === 0) t.true(samples.every((value) => Math.abs(value - 0.3) < 0.1));
    t.true(samples.every((value) => Math.abs(value - 0.3) < 3));
  }
  t.is(previews.length, 20);
  const { trajectory, samples } = await watched;
  t.deepEqual(trajectory?.steps, [0, 25, 50, 75]);
  t.is(fractions.length, 200);
  t.is(fractions.at(-1), 1);
  t.deepEqual(samples, (await sample(gaussianModel(ve()), options)).samples);
});

test('frames are states on the way from noise to data', async (t) => {
  const frames = (await sample(gaussian(ve(), 16), { count: 50, solver: 'ggf', trajectory: 20 })).trajectory!;
  frames.times.forEach((time, k) => {
    const expected = Math.hypot(0.5, ve().sigma(time));
    const { std } = moments(frames.frames[k]!);
    t.true(Math.abs(std / expected - 1) < 0.15, `${std} against ${expected} at ${time}`);
  });
});

test('the record of a run has the defaults', async (t) => {
  const { options } = await sample(gaussianModel(vp()), { count: 1, solver: 'ggf' });
  t.like(options, {
    ...{ solver: 'ggf', rtol: 0.01, atol: 2 / 256, initialStep: 0.01, safety: 0.9, exponent: 0.9 },
    ...{ errorNorm: 'l2', errorScale: 'previous', extrapolation: 'improved-euler', reject: 'bridge' },
    ...{ epsilon: 1e-3, denoise: 'tweedie' },
  });
  const { options: other } = await sample(gaussianModel(ve()), { count: 1, solver: 'ggf' });
  t.is(other['atol'], 1 / 256);
});

const refused: [GottaGoFastOptions, string][] = [
  [{ rtol: -1 }, 'rtol'],
  [{ rtol: NaN }, 'rtol'],
  [{ atol: 0 }, 'atol'],
  [{ initialStep: 0 }, 'initialStep'],
  [{ safety: 1 }, 'safety'],
  [{ safety: 0 }, 'safety'],
  [{ exponent: 0 }, 'exponent'],
  [{ exponent: 1.5 }, 'exponent'],
  [{ exponent: '0.5' as never }, 'exponent'],
  [{ safety: true as never }, 'safety'],
  [{ errorNorm: 'l1' as never }, 'errorNorm'],
  [{ errorScale: 'both' as never }, 'errorScale'],
  [{ extrapolation: true as never }, 'extrapolation'],
  [{ reject: 'keep' as never }, 'reject'],
  [{ denoise: 'mean' as never }, 'denoise'],
  [{ epsilon: 2 }, 'epsilon'],
  [{ steps: 10 } as never, 'steps'],
];

for (const [options, option] of refused) {
  test(`${JSON.stringify(options)} is refused by name`, (t) => {
    const error = t.throws(() => sample(gaussianModel(vp()), { solver: gottaGoFast(options) }), {
      instanceOf: OptionError,
    });
    t.is(error.option, option);
  });
}

test('correctors and constraints are refused, with what to do', (t) => {
  const model = gaussianModel(vp());
  t.throws(() => sample(model, { solver: 'ggf', corrector: 'langevin' }), {
    message: /^corrector must be left out when solver is given \(ggf\)/,
  });
  t.throws(() => sample(model, { solver: 'ggf', constraints: [{ name: 'c', apply: () => undefined }] }), {
    message: /^constraints must be left out/,
  });
});

test('a tolerance below rounding is an error that names the sample', async (t) => {
  const error = await t.throwsAsync(
    async () =>
      sample(gaussianModel(vp()), { count: 2, first: 3, solver: gottaGoFast({ rtol: 0, atol: 1e-40 }) }),
    { instanceOf: IntegrationError },
  );
  t.is(error.sample, 3);
  t.deepEqual(error.tolerances, { rtol: 0, atol: 1e-40 });
});
