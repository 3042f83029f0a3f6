import test from 'ava';

import type { Dataset } from '../../src/data/dataset.js';
import { DataError } from '../../src/errors.js';
import { buildNetwork } from '../../src/networks/build.js';
import { modelBytes } from '../../src/onnx/file/model.js';
import { loadModel } from '../../src/score/network/load.js';
import { train } from '../../src/training/train.js';
import { planarData } from '../support/training-runs.js';

/** Points of two classes, left and right of zero. */
const points: Dataset = planarData(200);
const labels: Int32Array = Int32Array.from({ length: 200 }, (_, n) => (points.data[2 * n]! > 0 ? 1 : 0));
const data: Dataset = { ...points, labels };
const common = { shape: [2], sde: 'vp', classes: 2, width: 16, depth: 2, dropout: 0.1 } as const;
const options = { batch: 64, learningRate: 0.01, warmup: 20, workers: 2 };

test('a classifier of noisy data learns to tell the classes of nearly clean ones', async (t) => {
  const network = buildNetwork({ kind: 'classifier', ...common }, 1n);
  const run = train(network, data, { ...options, steps: 300, validation: data, progressEvery: 300 });
  for await (const { losses } of run) {
    // Cross-entropy: ln 2 where nothing can be told, near 0 where there is little noise.
    t.true(losses[0]!.loss < 0.3, `${losses[0]!.loss}`);
    t.true(Math.abs(losses.at(-1)!.loss - Math.LN2) < 0.1, `${losses.at(-1)!.loss}`);
  }
  const { model } = await run;
  t.false(model.inputs.some(({ name }) => name.startsWith('dropout.')));
});

test('a conditional network with dropout is exported as one that loads by itself, without masks', async (t) => {
  const network = buildNetwork({ kind: 'mlp', parameterization: 'eps', ...common }, 1n);
  const objective = { dropLabels: 0.2 };
  const { model } = await train(network, data, { ...options, steps: 5, objective });
  const loaded = await loadModel(modelBytes(model), { probe: false });
  t.deepEqual([loaded.sde.name, loaded.parameterization, loaded.classes], ['vp', 'eps', 2]);
  await loaded.close();
});

test('labels that do not fit the network are refused before anything starts', (t) => {
  const network = buildNetwork({ kind: 'mlp', parameterization: 'eps', ...common }, 1n);
  const classifier = buildNetwork({ kind: 'classifier', ...common }, 1n);
  for (const each of [network, classifier]) {
    t.throws(() => train(each, points, { steps: 1 }), {
      instanceOf: DataError,
      message: /the data have none/,
    });
    const wrong = labels.slice().fill(7, 42, 43);
    t.throws(() => train(each, { ...points, labels: wrong }, { steps: 1 }), {
      instanceOf: DataError,
      message: /label 7 of row 42 is not a class from 0 to 1/,
    });
  }
});
