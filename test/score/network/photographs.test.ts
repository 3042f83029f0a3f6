import test from 'ava';
import { classifierFor } from '../../../src/control/describe.js';
import { loadClassifier } from '../../../src/control/classifier.js';
import { embeddedFeatures, loadFeatureNetwork } from '../../../src/evaluation/feature-network.js';
import { embeddedModel } from '../../../src/score/network/embedded.js';
import { loadModel } from '../../../src/score/network/load.js';

test('the network of photographs describes itself, with ten classes and one for none, and has a classifier', async (t) => {
  const model = await loadModel(embeddedModel('cifar10'), { threads: 1 });
  t.teardown(() => model.close());
  t.deepEqual(model.shape, [3, 32, 32]);
  t.deepEqual(
    [model.sde.name, model.parameterization, model.classes, model.nullClass],
    ['vp', 'eps', 10, 10],
  );
  t.deepEqual(model.report?.findings, []);
  const classifier = await loadClassifier(classifierFor(model), { threads: 1 });
  t.teardown(() => classifier.close());
  t.deepEqual(classifier.shape, [3, 32, 32]);
  t.is(classifier.classes, 10);
});

test('the feature network of photographs takes colour pictures of 32 x 32', async (t) => {
  const network = await loadFeatureNetwork(embeddedFeatures('cifar10'), { threads: 1 });
  t.teardown(() => network.release());
  t.deepEqual(network.shape, [3, 32, 32]);
  t.deepEqual([network.width, network.classes], [64, 10]);
});
