import test from 'ava';

import { DataError, LoadError, ModelError, TrainingError } from '../../src/errors.js';
import { makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeModel } from '../../src/onnx/file/model.js';
import { train } from '../../src/training/train.js';
import { Sketch } from '../support/training-networks.js';
import { planarData, planarNetwork, TRAINING } from '../support/training-runs.js';

const data = planarData(50);

test.serial('a loss that is not finite ends a run, with its step and the times of its rows', async (t) => {
  const options = { ...TRAINING, steps: 10, learningRate: 1e30, clip: Infinity };
  const run = train(await planarNetwork(), data, options);
  const error = await t.throwsAsync(async () => run, { instanceOf: TrainingError });
  t.is(error.step, 2);
  t.true(error.times.length > 0 && error.times.every((time) => time > 0 && time <= 1));
  t.regex(
    error.message,
    /At step 2 the loss is (NaN|-?Infinity) for rows at t = 0\.\d+.*There is no checkpoint/,
  );
  await t.throwsAsync(async () => run.model(), { instanceOf: TrainingError });
});

test.serial('an operator without a derivative is named before training starts', async (t) => {
  const network = await planarNetwork();
  const { graph } = network.proto;
  const node = graph.node.map((each) =>
    each.op_type === 'Softplus' ? { ...each, op_type: 'Hardmax' } : each,
  );
  const broken = makeModel({ ...network.proto, graph: { ...graph, node } });
  await t.throwsAsync(async () => train(broken, data, { ...TRAINING, steps: 1 }), {
    instanceOf: ModelError,
    message: /Hardmax/,
  });
});

test('a network whose output has another shape than it says is refused before training starts', async (t) => {
  const g = new Sketch();
  const wide = g.op('MatMul', 'x', g.tensor([2, 3], [1, 2, 3, 4, 5, 6], 'w.weight'));
  const network = g.model(wide, [2], { sde: 'vp', parameterization: 'eps', labels: 't' });
  await t.throwsAsync(async () => train(network, data, { ...TRAINING, steps: 1 }), {
    instanceOf: ModelError,
    message: /output "out" has the shape \[3\] for samples of shape \[2\]/,
  });
});

for (const [name, rows] of [
  ['x', 1],
  ['t', 4],
] as const) {
  test(`a network is refused whose input ${name} takes batches of ${rows} alone`, async (t) => {
    const network = await planarNetwork();
    const { graph } = network.proto;
    const input = graph.input.map((each) =>
      each.name === name
        ? makeValueInfo(name, { type: 'float32', shape: name === 'x' ? [rows, 2] : [rows] })
        : each,
    );
    const fixed = makeModel({ ...network.proto, graph: { ...graph, input } });
    t.throws(() => train(fixed, data, { steps: 1 }), {
      instanceOf: ModelError,
      message: new RegExp(`input "${name}" takes batches of exactly ${rows}; .* free first dimension`),
    });
  });
}

test.serial('data that do not fit are refused before anything starts', async (t) => {
  const network = await planarNetwork();
  const refused = (value: typeof data, message: RegExp): void => {
    t.throws(() => train(network, value, { steps: 1 }), { instanceOf: DataError, message });
  };
  refused({ data: new Float32Array(9), shape: [3, 3] }, /shape \[3\], the model takes \[2\]/);
  refused({ data: new Float32Array(0), shape: [0, 2] }, /empty/);
  refused({ data: Float32Array.of(1, 2, 3, Number.NaN), shape: [2, 2] }, /Sample 1 .* NaN/);
  const options = { steps: 1, validation: { data: new Float32Array(3), shape: [1, 3] } };
  t.throws(() => train(network, data, options), { instanceOf: DataError });
});

test.serial('a run is refused by name where onnxruntime-node would hold the thread', async (t) => {
  process.env['FASTSDE_SESSIONS'] = 'node';
  t.teardown(() => delete process.env['FASTSDE_SESSIONS']);
  await t.throwsAsync(async () => train(await planarNetwork(), data, { ...TRAINING, steps: 1 }), {
    instanceOf: LoadError,
    message: /Training needs sessions of the addon.*FASTSDE_SESSIONS=node/,
  });
});
