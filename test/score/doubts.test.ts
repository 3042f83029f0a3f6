import test from 'ava';
import { decode, encode, interpolate } from '../../src/likelihood/latent.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { sample } from '../../src/sampling/sample.js';
import { priorMismatch, scoreRounding } from '../../src/score/doubts.js';
import { functionModel } from '../../src/score/function.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { Parameterization } from '../../src/score/model.js';
import { customSde } from '../../src/sde/custom.js';
import { edm } from '../../src/sde/edm.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import type { Sde } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { planar } from '../support/planar-mixture.js';

const far = new GaussianMixture({ weights: [0.9, 0.1], means: [[-300], [300]], covariances: [1, 1] });

const network = (sde: Sde, shape: number[], parameterization: Exclude<Parameterization, 'edm'> = 'eps') =>
  functionModel({ shape, sde, parameterization, evaluate: () => undefined });

test('the mismatch between a mixture at T and the prior is told in their moments', (t) => {
  // -240 = 0.8 x -300, and 1 + 0.36 x 300^2 + 50^2 = 34901 = 186.8^2.
  const [warning, ...more] = priorMismatch(mixtureModel(far, ve()));
  t.deepEqual(more, []);
  t.regex(warning!, /standard deviation 50\.0 .* have -240 and 187 .* a larger sigmaMax/);
  const divergence = 0.5 * ((240 / 50) ** 2 + 34901 / 2500 - 1 - Math.log(34901 / 2500));
  t.true(warning!.includes(`(${divergence.toPrecision(3)} nats)`), warning);
  // alpha(1) = exp(-0.275) under beta from 0.1 to 1.
  const near = new GaussianMixture({ weights: [1], means: [[2]], covariances: [0.01] });
  const alpha = Math.exp(-0.275);
  t.regex(
    priorMismatch(mixtureModel(near, vp({ beta1: 1 })))[0]!,
    new RegExp(`have ${(2 * alpha).toPrecision(3)} and .* a larger beta1`),
  );
});

test('a prior that is the law at T, or all but that, is no matter for a warning', (t) => {
  for (const sde of [vp(), subvp(), ve(), edm()]) t.deepEqual(priorMismatch(mixtureModel(planar, sde)), []);
  // Standard normal data stay standard normal under VP, however little noise it adds.
  const normal = new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] });
  t.deepEqual(priorMismatch(mixtureModel(normal, vp({ beta1: 1 }))), []);
});

test('of a conditional mixture the classes that are asked for are meant', (t) => {
  const centred = new GaussianMixture({
    weights: [0.99, 0.01],
    means: [[0], [30]],
    covariances: [1, 1],
  });
  const model = mixtureModel(centred, ve(), { conditional: true });
  t.deepEqual(priorMismatch(model), []);
  t.deepEqual(priorMismatch(model, Int32Array.of(0, 0)), []);
  t.regex(priorMismatch(model, Int32Array.of(0, 1))[0]!, /have 30\.0 and/);
});

test('a network is judged by how far its data range reaches in units of the prior', (t) => {
  for (const [sde, shape] of [
    [vp(), [3, 256, 256]],
    [subvp(), [3, 32, 32]],
    [ve(), [3, 32, 32]],
    [ve({ sigmaMax: 348 }), [3, 256, 256]],
    [ve({ sigmaMax: 20 }), [1, 28, 28]],
    [ve({ sigmaMax: 3 }), [2]],
    [ve({ sigmaMax: 4 }), [1, 8, 8]],
    [edm(), [3, 64, 64]],
  ] as const)
    t.deepEqual(priorMismatch(network(sde, [...shape])), [], `${sde.name} ${shape.join()}`);
  t.regex(priorMismatch(network(vp({ beta1: 1 }), [1]))[0]!, /alpha\(T\) is 0\.760.* 0\.76 standard dev/);
  t.regex(priorMismatch(network(vp({ beta1: 6 }), [1, 28, 28]))[0]!, /larger beta1/);
  for (const sigmaMax of [1, 5])
    t.regex(priorMismatch(network(ve({ sigmaMax }), [3, 32, 32]))[0]!, /larger sigmaMax/);
  const wrong = customSde({
    alpha: (s) => Math.exp(-5 * s),
    sigma: (s) => 1 - Math.exp(-5 * s),
    priorSigma: 2,
  });
  t.regex(priorMismatch(network(wrong, [4]))[0]!, /standard deviation is 2\.00, and sigma\(T\) is 0\.993/);
  // The end of a trained ladder counts, not the SDE's.
  const ladder = ddpmLadder(linearBetas(1000, 0.1, 1));
  t.regex(priorMismatch({ ...network(vp(), [1, 8, 8]), ladder })[0]!, /alpha\(T\) is 0\.760/);
});

test('samples carry the warning where they start from the prior', async (t) => {
  const model = mixtureModel(far, ve());
  const options = { count: 2, steps: 2, corrector: 'none' } as const;
  t.deepEqual((await sample(model, options)).warnings, priorMismatch(model));
  t.deepEqual((await sample(model, { ...options, initial: Float32Array.of(1, 2) })).warnings, []);
  const sde = subvp({ epsilon: 1e-5 });
  t.deepEqual(
    (await sample(network(sde, [4], 'x0'), options)).warnings,
    scoreRounding(network(sde, [4], 'x0'), sde.sigma(1e-5)),
  );
});

test('likelihoods and latent codes carry the warning', async (t) => {
  const model = mixtureModel(far, ve());
  const x = Float64Array.of(-300, 300);
  const options = { rtol: 1e-2, atol: 1e-2 };
  const expected = priorMismatch(model);
  for (const { warnings } of [
    await likelihood(model, x, options),
    await encode(model, x, options),
    await decode(model, Float64Array.of(0, 1), options),
    await interpolate(model, x, x, { ...options, points: 2 }),
  ])
    t.deepEqual(warnings, expected);
  t.deepEqual((await encode(mixtureModel(planar, ve()), x, options)).warnings, []);
});

test('a network that predicts x_0 is doubted where its score is the rounding of float32', (t) => {
  t.deepEqual(scoreRounding(network(subvp(), [4], 'x0'), subvp().sigma(1e-3)), []);
  t.regex(
    scoreRounding(network(subvp(), [4], 'x0'), subvp().sigma(1e-5))[0]!,
    /sigma 0\.0000010 .* 0\.00003 or more/,
  );
  t.deepEqual(scoreRounding(network(subvp(), [4], 'eps'), subvp().sigma(1e-5)), []);
});
