import test from 'ava';
import { inspectModel } from '../../../src/score/network/inspect.js';
import { loadModel } from '../../../src/score/network/load.js';
import { levelAt } from '../../../src/sde/level.js';

const file = 'models/mnist-conditional.onnx';

test('the embedded conditional network describes itself, with ten classes and one for none', async (t) => {
  const { model, probe, problem } = await inspectModel(file);
  t.is(problem, undefined);
  t.true(probe?.ok);
  t.is(model?.parameterization, 'eps');
  const loaded = await loadModel(file);
  t.teardown(() => loaded.close());
  t.is(loaded.classes, 10);
  t.is(loaded.nullClass, 10);
});

test('each class of the embedded conditional network has its own score, and so has no class', async (t) => {
  const model = await loadModel(file);
  t.teardown(() => model.close());
  const rows = 11;
  const x = Float32Array.from({ length: rows * 784 }, (_, i) => Math.sin(0.37 * (i % 784)));
  const levels = Array.from({ length: rows }, () => levelAt(model, 0.5));
  const output = new Float32Array(x.length);
  await model.evaluate(
    x,
    levels,
    output,
    Int32Array.from({ length: rows }, (_, label) => label),
  );
  t.true(output.every(Number.isFinite));
  const row = (n: number): Float32Array => output.subarray(n * 784, (n + 1) * 784);
  for (let a = 0; a < rows; a++)
    for (let b = 0; b < a; b++) {
      const gap = Math.max(...row(a).map((value, i) => Math.abs(value - row(b)[i]!)));
      t.true(gap > 1e-3, `labels ${a} and ${b}: ${gap}`);
    }
});
