import test from 'ava';
import { NonFiniteScoreError, OptionError } from '../../src/errors.js';
import { Stream } from '../../src/device/binding.js';
import { fillNormal, fillRademacher } from '../../src/device/kernels.js';
import { functionModel } from '../../src/score/function.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { edm } from '../../src/sde/edm.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { priorLogDensity } from '../../src/sde/prior.js';
import type { Sde } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { LogDensityFlow } from '../../src/solvers/ode/log-density-ode.js';
import { ProbabilityFlow } from '../../src/solvers/ode/probability-flow-ode.js';
import { scoreDerivative } from '../../src/score/derivative.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { gaussianModel } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const sdes = [vp(), subvp(), ve(), edm()];

/** One Gaussian with correlations everywhere. */
const D = 8;
const correlated = new GaussianMixture({
  weights: [1],
  means: [Float64Array.from({ length: D }, (_, i) => 0.1 * i - 0.3)],
  covariances: [
    {
      factor: Array.from({ length: D }, (_, i) => [0, 1, 2].map((j) => 0.25 * Math.sin(1 + i * (j + 2.3)))),
      scalar: 0.02,
    },
  ],
});

function largest(values: Float64Array, exact: (value: number, i: number) => number): number {
  return values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - exact(value, i))), 0);
}

/** What the change of variables alone gives: the exact density at T replaces the prior's. */
function fromTruePrior(
  mixture: GaussianMixture,
  sde: Sde,
  { logDensity, latents }: { logDensity: Float64Array; latents?: Float64Array },
): Float64Array {
  const d = mixture.dimension;
  const x = latents!.map((z) => z * sde.priorSigma);
  const end = mixture.at(sde, sde.T).logDensity(x);
  return logDensity.map((value, i) => value - priorLogDensity(sde, x.subarray(i * d, (i + 1) * d)) + end[i]!);
}

for (const sde of sdes) {
  test(`the density of a mixture under ${sde.name} is exact to the tolerance`, async (t) => {
    const x = planar.sample(24, { seed: 4n });
    const exact = planar.at(sde, sde.likelihoodEpsilon ?? sde.epsilon).logDensity(x);
    const model = mixtureModel(planar, sde);
    const fine = await likelihood(model, x, { rtol: 1e-9, atol: 1e-9, latents: true });
    const error = largest(fromTruePrior(planar, sde, fine), (_, i) => exact[i]!);
    t.true(error < 1e-7, `${error} at 1e-9`);
    const mismatch = largest(fine.logDensity, (_, i) => exact[i]!);
    t.true(mismatch < 3e-2, `the prior is off by ${mismatch}`);
    const coarse = await likelihood(model, x, { latents: true });
    t.true(largest(fromTruePrior(planar, sde, coarse), (_, i) => exact[i]!) < 5e-3);
    t.is(coarse.trace, 'exact');
    t.is(coarse.derivative.method, 'closed-form');
    t.is(coarse.standardError, undefined);
  });

  test(`Rademacher probes have no variance on Gaussian data with a diagonal covariance under ${sde.name}`, async (t) => {
    const mixture = new GaussianMixture({
      weights: [1],
      means: [[0.3, -0.2, 0]],
      covariances: [[0.04, 0.09, 0.25]],
    });
    const x = mixture.sample(8);
    const model = mixtureModel(mixture, sde);
    const options = { probes: 4, trace: 'rademacher' as const, rtol: 1e-8, atol: 1e-8, latents: true };
    const result = await likelihood(model, x, options);
    t.true(result.standardError!.every((error) => error < 1e-12));
    const exact = mixture.at(sde, sde.likelihoodEpsilon ?? sde.epsilon).logDensity(x);
    t.true(largest(fromTruePrior(mixture, sde, result), (_, i) => exact[i]!) < 1e-6);
  });

  test(`the bound on the density of a mixture under ${sde.name} is the density, as the score is exact`, async (t) => {
    const x = planar.sample(40, { seed: 10n });
    const model = mixtureModel(planar, sde);
    const { elbo, bitsPerDim, counts, mean } = await likelihood(model, x, {
      elboDraws: 300,
      rtol: 1e-3,
      atol: 1e-3,
    });
    const scores = elbo!.bitsPerDim.map((value, i) => (value - bitsPerDim[i]!) / elbo!.standardError[i]!);
    // The terms are skewed, so that a few scores are large.
    t.true(scores.filter((score) => Math.abs(score) < 2).length >= 32, String(scores));
    t.true(elbo!.standardError.every((error) => error < 1.5));
    t.true(Math.abs(elbo!.mean.bitsPerDim - mean.bitsPerDim) < 5 * elbo!.mean.estimatorError!);
    t.true(counts.score > 600);
  });
}

test('the prior of the SDE is off by what the spec says', async (t) => {
  // Means over 24 points; an independent implementation has 2.2e-5, 2.6e-5 and 2.0e-5 over 500.
  for (const sde of [vp(), subvp(), ve()]) {
    const x = planar.sample(24, { seed: 4n });
    const result = await likelihood(mixtureModel(planar, sde), x, { rtol: 1e-8, atol: 1e-8, latents: true });
    const own = fromTruePrior(planar, sde, result);
    const bias = result.logDensity.reduce((sum, value, i) => sum + (value - own[i]!) / 24, 0);
    t.true(Math.abs(bias) < 3e-3, `${sde.name} ${bias}`);
  }
});

for (const probe of ['rademacher', 'gaussian'] as const) {
  test(`the variance of ${probe} probes is as predicted`, async (t) => {
    const model = mixtureModel(correlated, vp());
    const samples = 200;
    const count = 256;
    const fill = probe === 'gaussian' ? fillNormal : fillRademacher;
    const stream = probe === 'gaussian' ? Stream.probeNormal : Stream.probeRademacher;
    const probes = Array.from({ length: count }, (_, substep) => {
      const vectors = new Float32Array(samples * D);
      fill(vectors, samples, { seed: 1n, samples: 0, step: 0, stream, substep });
      return vectors;
    });
    const flow = new ProbabilityFlow(model);
    const ode = new LogDensityFlow(flow, await scoreDerivative(model), probes);
    const time = 0.2;
    const rows = Int32Array.from({ length: samples }, (_, i) => i);
    const x = new Float64Array(samples * D);
    const out = [new Float64Array(x.length), new Float64Array(samples * count)] as const;
    await ode.derivative(new Float64Array(samples).fill(time), [x, out[1].slice()], out, rows);
    // S = dF/dx is the same everywhere for one Gaussian.
    const law = correlated.at(vp(), time);
    const unit = (j: number) => Float64Array.from({ length: D }, (_, i) => (i === j ? 1 : 0));
    const S = Array.from({ length: D }, (_, j) => law.jvp(new Float64Array(D), unit(j)));
    const half = vp().diffusion(time) ** 2 / 2 / D;
    let [all, diagonal] = [0, 0];
    S.forEach((column, j) => {
      column.forEach((value, i) => {
        all += value ** 2;
        if (i === j) diagonal += value ** 2;
      });
    });
    const predicted = 2 * half ** 2 * (probe === 'gaussian' ? all : all - diagonal);
    const trace = -half * S.reduce((sum, column, j) => sum + column[j]!, 0);
    const mean = out[1].reduce((sum, value) => sum + value, 0) / out[1].length;
    const variance = out[1].reduce((sum, value) => sum + (value - mean) ** 2, 0) / out[1].length;
    t.true(Math.abs(variance / predicted - 1) < 0.03, `${variance} against ${predicted}`);
    t.true(Math.abs(mean - trace) < 5 * Math.sqrt(predicted / out[1].length));
  });
}

test('the standard error covers the truth as often as it should', async (t) => {
  const model = mixtureModel(correlated, vp());
  const count = 1000;
  const x = correlated.sample(count);
  const exact = correlated.at(vp(), 1e-5).logDensity(x);
  const options = { probes: 12, trace: 'rademacher' as const, rtol: 1e-3, atol: 1e-3, batch: 250 };
  const { logDensity, standardError, mean } = await likelihood(model, x, options);
  const nats = D * Math.LN2;
  const covered = logDensity.filter(
    (value, i) => Math.abs(value - exact[i]!) < 2.201 * standardError![i]! * nats,
  );
  // Student's t with 11 degrees of freedom has 95 % within 2.201; five standard errors of the share are 3.4 %.
  t.true(Math.abs(covered.length / count - 0.95) < 0.035, String(covered.length));
  const truth = -exact.reduce((sum, value) => sum + value, 0) / count / nats;
  t.true(Math.abs(mean.bitsPerDim - truth) < 5 * mean.estimatorError! + 1e-3);
  t.true(mean.standardError > mean.estimatorError!);
});

test('a likelihood has the same bits alone and in any batch', async (t) => {
  const sde = ve();
  const model = mixtureModel(planar, sde);
  const bytes = Uint8Array.from({ length: 14 }, (_, i) => (37 * i) % 256);
  const options = { probes: 2, trace: 'rademacher' as const, repeats: 2, seed: 11, elboDraws: 2 };
  const all = await likelihood(model, bytes, options);
  for (const batch of [1, 3]) {
    const parts = await likelihood(model, bytes, { ...options, batch });
    t.deepEqual(parts.logDensity, all.logDensity);
    t.deepEqual(parts.evaluations, all.evaluations);
    t.deepEqual(parts.elbo!.bitsPerDim, all.elbo!.bitsPerDim);
  }
  const alone = await likelihood(model, bytes.subarray(8, 10), { ...options, first: 4 });
  t.is(alone.logDensity[0], all.logDensity[4]);
  t.is(alone.standardError![0], all.standardError![4]);
  const coupled = await likelihood(model, bytes, { ...options, coupling: 'batch' });
  t.notDeepEqual(coupled.logDensity, all.logDensity);
});

test('bits/dim do not change when data and model are rescaled', async (t) => {
  const scaled = (factor: number) =>
    new GaussianMixture({
      weights: [1],
      means: [[0.4 * factor, 0.6 * factor]],
      covariances: [[0.04 * factor ** 2, 0.09 * factor ** 2]],
    });
  const model = (factor: number) => {
    const options = { sigmaMin: 0.001 * factor, sigmaMax: 20 * factor, dataRange: [0, factor] as const };
    return mixtureModel(scaled(factor), ve(options));
  };
  const bytes = Uint8Array.of(10, 200, 128, 77);
  // The absolute tolerance is in the units of the state.
  const options = { rtol: 1e-9, atol: 1e-11, trace: 'rademacher' as const, elboDraws: 2 };
  const [unit, double] = [
    await likelihood(model(1), bytes, options),
    await likelihood(model(2), bytes, options),
  ];
  t.is(unit.offset, 8);
  t.is(double.offset, 7);
  t.true(largest(unit.bitsPerDim, (_, i) => double.bitsPerDim[i]!) < 1e-6);
  t.true(largest(unit.elbo!.bitsPerDim, (_, i) => double.elbo!.bitsPerDim[i]!) < 1e-5);
  t.true(Math.abs(unit.epsilon.bins! / double.epsilon.bins! - 1) < 1e-12);
  t.true(Math.abs(unit.epsilon.bins! - 256 * 0.001) < 1e-3);
});

test('dequantised bytes have the mean density of their bin', async (t) => {
  const mixture = new GaussianMixture({ weights: [1], means: [[0.1]], covariances: [[0.02]] });
  const sde = vp();
  const model = mixtureModel(mixture, sde);
  const { bitsPerDim, standardError } = await likelihood(model, Uint8Array.of(90, 200), { repeats: 24 });
  [90, 200].forEach((k, i) => {
    // E[-log2 p(2 (k + u) / 256 - 1)] + 7 for N(0.1, 0.02 + sigma^2).
    const variance = 0.02 + sde.sigma(1e-5) ** 2;
    const square = Array.from({ length: 1000 }, (_, m) => ((k + (m + 0.5) / 1000) / 128 - 1.1) ** 2 / 1000);
    const expected =
      (0.5 * Math.log(2 * Math.PI * variance) + square.reduce((a, b) => a + b) / (2 * variance)) / Math.LN2 +
      7;
    t.true(
      Math.abs(bitsPerDim[i]! - expected) < 5 * standardError![i]! + 2e-3,
      `${bitsPerDim[i]} ${expected}`,
    );
  });
});

test('central differences agree with the closed form within the error that they report', async (t) => {
  const sde = vp();
  const x = planar.sample(6, { seed: 2n });
  const exact = await likelihood(mixtureModel(planar, sde), x, { rtol: 1e-6, atol: 1e-6 });
  const narrow = functionModel({
    shape: [2],
    sde,
    evaluate: (state, at, output) => mixtureModel(planar, sde).evaluate(state, at, output),
  });
  for (const [model, options] of [
    [mixtureModel(planar, sde), { derivative: 'central-difference' }],
    [narrow, { rtol: 1e-5, atol: 1e-5 }],
  ] as const) {
    const result = await likelihood(model, x, options);
    t.is(result.derivative.method, 'central-difference');
    t.is(result.trace, 'exact');
    result.bitsPerDim.forEach((value, i) => {
      const error = result.derivative.error![i]!;
      t.true(error < 2e-2, `reported ${error}`);
      t.true(Math.abs(value - exact.bitsPerDim[i]!) < error + 2e-3, `${value} ${exact.bitsPerDim[i]}`);
    });
  }
});

test('differences of a prediction of x_0 are refused where they are rounding, and right where they are not', async (t) => {
  // N(0.3, 0.3^2) in four coordinates under sub-VP, whose sigma(1e-5) is 1e-6.
  const sde = subvp();
  const mixture = new GaussianMixture({ weights: [1], means: [[0.3, 0.3, 0.3, 0.3]], covariances: [0.09] });
  const model = (parameterization: 'x0' | 'eps') =>
    functionModel({
      shape: [4],
      sde,
      parameterization,
      evaluate(x, at, output) {
        x.forEach((value, i) => {
          const time = at[i >> 2]!.t;
          const [alpha, sigma] = [sde.alpha(time), sde.sigma(time)];
          const score = (0.3 * alpha - value) / (0.09 * alpha ** 2 + sigma ** 2);
          output[i] = parameterization === 'eps' ? -sigma * score : (value + sigma ** 2 * score) / alpha;
        });
      },
    });
  const x = mixture.sample(12, { seed: 3n });
  const refused = await t.throwsAsync(likelihood(model('x0'), x), { instanceOf: OptionError });
  t.is(refused.option, 'epsilon');
  t.regex(refused.message, /about 0\.000\d+ or more for central differences.*got 0\.00001/);
  for (const [kind, epsilon] of [
    ['x0', 3e-4],
    ['eps', 1e-5],
  ] as const) {
    const exact = mixture.at(sde, epsilon).logDensity(x);
    const { logDensity, derivative } = await likelihood(model(kind), x, { epsilon });
    t.regex(derivative.reason!, /closed form/);
    logDensity.forEach((value, i) => {
      // The prior is off by up to 2.6e-3 bits/dim.
      const off = Math.abs(value - exact[i]!) / (4 * Math.LN2);
      t.true(off < derivative.error![i]! + 4e-3, `${kind}: off by ${off}, said ${derivative.error![i]}`);
    });
  }
});

test('counts are the evaluations that the model saw', async (t) => {
  const model = gaussianModel(vp(), { shape: [20] });
  const { counts, evaluations } = await likelihood(model, new Float32Array(20), { probes: 2 });
  t.is(counts.score + counts.rejected, model.calls.length);
  // A score and two central differences at every evaluation, and the checks of these at nine times.
  t.is(model.calls.length, 5 * evaluations[0]! + 9 * 8);
  t.deepEqual([counts.jvp, counts.vjp, counts.denoise], [0, 0, 0]);
  const closed = await likelihood(mixtureModel(planar, vp()), new Float64Array(2), {
    trace: 'rademacher' as const,
    probes: 3,
  });
  t.is(closed.counts.jvp, 3 * closed.counts.score);
});

test('progress follows lambda, and an aborted run rejects with the reason', async (t) => {
  const fractions: number[] = [];
  const controller = new AbortController();
  const model = mixtureModel(planar, vp());
  const x = planar.sample(4);
  await likelihood(model, x, { batch: 2, onProgress: ({ fraction }) => fractions.push(fraction) });
  t.true(fractions.every((value, i) => i === 0 || value >= fractions[i - 1]!));
  t.is(fractions.at(-1), 1);
  const run = likelihood(model, x, {
    signal: controller.signal,
    onProgress: () => {
      controller.abort(new Error('enough'));
    },
  });
  await t.throwsAsync(run, { message: 'enough' });
});

test('a score that is not finite is reported with the sample and the time', async (t) => {
  const model = functionModel({
    shape: [2],
    sde: vp(),
    evaluate(x, levels, output) {
      x.forEach((value, i) => (output[i] = value < 0 && levels[i >> 1]!.t > 0.5 ? NaN : -value));
    },
  });
  const error = await t.throwsAsync(likelihood(model, Float64Array.of(1, 2, -3, -4), { first: 5 }), {
    instanceOf: NonFiniteScoreError,
  });
  t.is(error.sample, 6);
  t.true(error.time > 0.5);
});

test('data and options that do not fit are refused', async (t) => {
  const model = mixtureModel(planar, vp());
  const image = gaussianModel(ve(), { shape: [1, 2, 2] });
  const ladder = ddpmLadder(linearBetas(100));
  const discrete = gaussianModel(ladderSde(ladder, vp()), { change: { ladder } });
  const cases: [Promise<unknown>, string, RegExp][] = [
    [likelihood(model, new Float64Array(3)), 'data', /samples of 2 = 2 elements/],
    [likelihood(model, Float64Array.of(1, NaN)), 'data[1]', /finite/],
    [likelihood(model, [1, 2] as unknown as Float64Array), 'data', /Uint8Array/],
    [likelihood(image, Float32Array.of(0, 1, 128, 255)), 'data', /--data-range/],
    [likelihood(discrete, new Float64Array(2), { epsilon: 1e-3 }), 'epsilon', /at least 0.01/],
    [likelihood(model, new Float64Array(2), { probes: 0 }), 'probes', /from 1 to/],
    [likelihood(model, new Float64Array(2), { trace: 'exact', probes: 2 }), 'probes', /left out/],
    [likelihood(model, new Float64Array(2), { trace: 'hutchinson' as 'exact' }), 'trace', /one of/],
    [likelihood(model, new Float64Array(2), { probes: 1e9 }), 'probes', /to 134217728/],
    [likelihood(model, new Float64Array(2), { repeats: 1e9 }), 'repeats', /to 10000/],
    [likelihood(model, new Float64Array(2), { elboDraws: 1e9 }), 'elboDraws', /to 100000/],
    [likelihood(model, new Float64Array(2), { elboDraws: 3 }), 'elboDraws', /even/],
    [likelihood(model, new Uint8Array(2), { bins: 16 }), 'bins', /256 for bytes/],
    [likelihood(model, new Float64Array(2), { epsilon: 1 }), 'epsilon', /T/],
    [likelihood(image, new Float32Array(4), { derivative: 'vjp' }), 'derivative', /central-difference/],
    [likelihood(model, new Float64Array(2), { derivative: 'fd' as 'vjp' }), 'derivative', /one of/],
  ];
  for (const [run, option, message] of cases) {
    const error = await t.throwsAsync(run, { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  }
});
