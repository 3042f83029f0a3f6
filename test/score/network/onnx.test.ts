import { readFileSync } from 'node:fs';
import test from 'ava';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import {
  fixture,
  scoreError,
  signed,
  unsigned,
  type GaussianImage,
  type Place,
} from '../../support/gaussian-image.js';

const vpTimes = [0.001, 0.03, 0.3, 0.7, 1];
const conventions: Record<
  string,
  { options?: LoadOptions; at: readonly Place[]; data: GaussianImage; bound?: number }
> = {
  'vp-eps': { at: vpTimes, data: signed },
  'vp-v': { at: vpTimes, data: signed, bound: 2e-5 },
  'vp-x0': { at: [0.03, 0.3, 0.7, 1], data: signed },
  'vp-batch4': { at: vpTimes, data: signed },
  'vp-float16': { at: [64 / 999, 256 / 999, 512 / 999], data: signed, bound: 1e-2 },
  've-score': {
    options: { sde: 've', parameterization: 'score', labels: 'sigma' },
    at: [1e-5, 0.2, 0.6, 1],
    data: unsigned,
  },
  ddpm: {
    options: { sde: 'vp', parameterization: 'eps' },
    at: [0, 999, 999, 1, 400].map((index) => ({ index })),
    data: signed,
    bound: 2e-5,
  },
  smld: { at: [0, 5, 13, 19].map((index) => ({ index })), data: unsigned, bound: 2e-5 },
  edm: { at: [0.002, 0.1, 1, 80], data: signed },
};

for (const [name, { options, at, data, bound = 1e-5 }] of Object.entries(conventions)) {
  test(`${name} gives the exact score of its data`, async (t) => {
    const model = await loadModel(fixture(name), options);
    t.deepEqual(model.warnings, []);
    const error = await scoreError(model, at, data);
    t.true(error < bound, `error ${error}`);
    await model.close();
  });
}

test('class labels choose the mean', async (t) => {
  const model = await loadModel(fixture('vp-class'));
  t.is(model.classes, 3);
  const classes = [-0.6, 0, 0.5].map((mean) => ({ ...signed, mean }));
  const error = await scoreError(model, [0.05, 0.3, 0.8], classes, Int32Array.of(0, 1, 2));
  t.true(error < 1e-5, `error ${error}`);
  await t.throwsAsync(() => scoreError(model, [0.05], signed), { message: /class/ });
  await t.throwsAsync(() => scoreError(model, [0.05], signed, Int32Array.of(3)), {
    message: /classLabel\[0\] must be an integer from 0 to 2; got 3/,
  });
  await model.close();
});

test('a model loads from bytes', async (t) => {
  const model = await loadModel(readFileSync(fixture('vp-eps')));
  t.true((await scoreError(model, vpTimes, signed)) < 1e-5);
  await model.close();
});

test('padding and splitting leave the output as it is', async (t) => {
  const at = Array.from({ length: 7 }, (_, i) => 0.1 + 0.1 * i);
  for (const batch of [1, 3, 7, 16]) {
    const model = await loadModel(fixture('vp-eps'), { batch });
    t.true((await scoreError(model, at, signed)) < 1e-5, `batch ${batch}`);
    await model.close();
  }
});

test('evaluations at once do not disturb each other', async (t) => {
  const model = await loadModel(fixture('edm'));
  const errors = await Promise.all([0.01, 0.5, 20].map((noise) => scoreError(model, [noise], signed)));
  t.true(Math.max(...errors) < 1e-5);
  await model.close();
});

test('a closed model cannot be evaluated', async (t) => {
  const model = await loadModel(fixture('vp-eps'), { probe: false });
  await model.close();
  await model.close();
  const error = await t.throwsAsync(() => scoreError(model, vpTimes, signed));
  t.regex(error.message, /vp-eps\.onnx is closed/);
});

for (const name of ['vp', 've']) {
  test(`the embedded ${name} model describes itself and passes the probe`, async (t) => {
    const model = await loadModel(`models/mnist-${name}.onnx`);
    t.deepEqual(model.shape, [1, 28, 28]);
    t.is(model.sde.name, name as 'vp');
    t.deepEqual(model.report?.findings, []);
    await model.close();
  });
}
