import test from 'ava';

import { functionModel } from '../../src/score/function.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { ve } from '../../src/sde/ve.js';
import { fisherDivergence } from '../../src/training/explicit.js';
import { gaussianModel } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

test('the Fisher divergence between Gaussian models is its closed form', async (t) => {
  const sde = vp();
  const [data, assumed] = [0.7 ** 2, 0.5 ** 2];
  const normal = new GaussianMixture({
    weights: [1],
    means: [[0, 0]],
    covariances: [
      [
        [data, 0],
        [0, data],
      ],
    ],
  });
  const results = await fisherDivergence(
    gaussianModel(sde, { mean: 0, std: 0.5 }),
    mixtureModel(normal, sde),
    normal.sample(5000, { seed: 1n }),
    { seed: 2n },
  );
  t.is(results.length, 10);
  for (const { t: time, value, standardError } of results) {
    const [a2, s2] = [sde.alpha(time) ** 2, sde.sigma(time) ** 2];
    // s_theta - s = x (1 / (a^2 c^2 + s^2) - 1 / (a^2 c'^2 + s^2)).
    const exact = s2 * (a2 * data + s2) * (1 / (a2 * data + s2) - 1 / (a2 * assumed + s2)) ** 2;
    t.true(
      Math.abs(value - exact) < 5 * standardError + 1e-9,
      `at ${time}: ${value} +- ${standardError}, not ${exact}`,
    );
    t.true(standardError < 0.03 * exact + 1e-9);
  }
});

test('the exact score has no divergence, and batches do not change the result', async (t) => {
  const sde = ve({ sigmaMax: 5 });
  const truth = mixtureModel(planar, sde);
  const x0 = planar.sample(300, { seed: 3n });
  const halved = functionModel({
    sde,
    shape: [2],
    async evaluate(x, at, output) {
      await truth.evaluate(x, at, output);
      for (let i = 0; i < output.length; i++) output[i]! *= 0.5;
    },
  });
  const times = [0.01, 0.5, 1];
  for (const { value } of await fisherDivergence(truth, truth, x0, { times })) t.is(value, 0);
  const [whole, parts] = [
    await fisherDivergence(halved, truth, x0, { times }),
    await fisherDivergence(halved, truth, x0, { times, batch: 7 }),
  ];
  whole.forEach((each, i) => {
    t.true(each.value > 0 && Math.abs(each.value / parts[i]!.value - 1) < 1e-12);
  });
});

test('the weighting edm takes the standard deviation of the data from the model', async (t) => {
  const sde = ve();
  const truth = mixtureModel(planar, sde);
  const x0 = planar.sample(100, { seed: 3n });
  const halved = functionModel({ sde, shape: [2], evaluate: (_x, _at, output) => void output.fill(0) });
  const times = [1, 3].map((sigma) => sde.timeOfLambda(-Math.log(sigma)));
  for (const [sigmaData, factors] of [
    [1, [2, 10]],
    [undefined, [5, 37]],
  ] as const) {
    const model = { ...halved, ...(sigmaData !== undefined && { sigmaData }) };
    const plain = await fisherDivergence(model, truth, x0, { times, weighting: 'sigma2' });
    const edm = await fisherDivergence(model, truth, x0, { times, weighting: 'edm' });
    edm.forEach(({ value }, i) => {
      t.true(Math.abs(value / plain[i]!.value / factors[i]! - 1) < 1e-6);
    });
  }
});

test('models that do not belong together are refused', async (t) => {
  const x0 = planar.sample(10);
  const model = mixtureModel(planar, vp());
  await t.throwsAsync(fisherDivergence(model, mixtureModel(planar, ve()), x0), {
    message: /truth must be of the vp SDE/,
  });
  await t.throwsAsync(fisherDivergence(model, model, x0.subarray(0, 3)), { message: /not several samples/ });
});
