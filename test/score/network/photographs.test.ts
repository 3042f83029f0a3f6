import test from 'ava';
import { embeddedModel } from '../../../src/score/network/embedded.js';
import { loadModel } from '../../../src/score/network/load.js';

test('the network of photographs describes itself, with ten classes and one for none', async (t) => {
  const model = await loadModel(embeddedModel('cifar10'), { threads: 1 });
  t.teardown(() => model.close());
  t.deepEqual(model.shape, [3, 32, 32]);
  t.deepEqual(
    [model.sde.name, model.parameterization, model.classes, model.nullClass],
    ['vp', 'eps', 10, 10],
  );
  t.deepEqual(model.report?.findings, []);
});
