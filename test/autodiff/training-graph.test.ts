import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { parameterNames, parameterValues, withParameters } from '../../src/autodiff/parameters.js';
import { readTrainingGraph, trainingGraph } from '../../src/autodiff/training.js';
import { makeNode, type Dim } from '../../src/onnx/graph/graph.js';
import type { Model } from '../../src/onnx/file/model.js';
import { affine, network, rows, run, values } from '../support/pairs-network.js';

test('a training graph has its parameters as inputs and the gradients of a weighted squared error', async (t) => {
  const { model, parameters, data } = await trainingGraph(affine(), {
    loss: { kind: 'mean-squared-error', weight: 'w' },
  });
  t.deepEqual(parameters, [
    { name: 'net.weight', shape: [2, 2], gradient: 'grad.net.weight' },
    { name: 'net.bias', shape: [2], gradient: 'grad.net.bias' },
  ]);
  t.deepEqual(
    data.map(({ name }) => name),
    ['x', 'target', 'w'],
  );
  const initial = parameterValues(affine(), ['net.weight', 'net.bias']);
  const feeds = {
    x: rows(1, 0, 0, 1),
    target: rows(0, 0, 0, 0),
    w: { data: Float32Array.of(1, 3), dims: [2] },
    'net.weight': { data: initial.get('net.weight')!, dims: [2, 2] },
    'net.bias': { data: initial.get('net.bias')!, dims: [2] },
  };
  const result = await run(model, feeds);
  // Predictions [1.5, 1.5] and [3.5, 3.5]; the loss is the mean over samples of w times the mean square.
  t.is(values(result['loss'])[0], (1.5 ** 2 + 3 * 3.5 ** 2) / 2);
  t.deepEqual(values(result['grad.net.bias']), [(1.5 + 3 * 3.5) / 2, (1.5 + 3 * 3.5) / 2]);
  t.deepEqual(values(result['grad.net.weight']), [0.75, 0.75, 5.25, 5.25]);
});

test('cross-entropy sends softmax minus one-hot to the bias', async (t) => {
  const { model } = await trainingGraph(affine(), {
    loss: { kind: 'cross-entropy' },
    parameters: ['net.bias'],
  });
  const result = await run(model, {
    x: rows(0, 0, 0, 0),
    labels: { data: BigInt64Array.of(0n, 1n), dims: [2] },
    'net.bias': { data: Float32Array.of(0, 0), dims: [2] },
  });
  t.true(Math.abs(values(result['loss'])[0]! - Math.log(2)) < 1e-6);
  t.deepEqual(values(result['grad.net.bias']), [0, 0]);
});

test('a training graph from elsewhere is known by its names', (t) => {
  const made = (outputs: Record<string, readonly Dim[]>): Model =>
    network({
      inputs: { x: ['N', 2], p: [2] },
      nodes: Object.keys(outputs).map((name) => makeNode('Identity', ['p'], [name])),
      outputs,
    });
  const { parameters, data } = readTrainingGraph(made({ loss: [1], 'grad.p': [2] }));
  t.deepEqual(parameters, [{ name: 'p', shape: [2], gradient: 'grad.p' }]);
  t.deepEqual(
    data.map(({ name }) => name),
    ['x'],
  );
  t.throws(() => readTrainingGraph(made({ 'grad.p': [2] })), { message: /output "loss"/ });
  t.throws(() => readTrainingGraph(made({ loss: [2], 'grad.p': [2] })), { message: /must be a scalar/ });
  t.throws(() => readTrainingGraph(made({ loss: [1], 'grad.q': [2] })), { message: /no input "q"/ });
  t.throws(() => readTrainingGraph(made({ loss: [1], 'grad.p': [3] })), { message: /shape \[3\]/ });
});

test('parameters are chosen by name, by pattern or by their place, and can be written back', (t) => {
  t.deepEqual(parameterNames(affine(), 'all'), ['net.weight', 'net.bias']);
  t.deepEqual(parameterNames(affine(), /bias$/), ['net.bias']);
  t.throws(() => parameterNames(affine(), /absent/), { instanceOf: OptionError });
  t.throws(() => parameterNames(affine(), ['absent']), { instanceOf: OptionError, message: /"absent"/ });
  const changed = withParameters(affine(), new Map([['net.bias', Float32Array.of(7, 8)]]));
  t.deepEqual([...parameterValues(changed, ['net.bias']).get('net.bias')!], [7, 8]);
  t.throws(() => withParameters(affine(), new Map([['net.bias', Float32Array.of(7)]])), {
    message: /2 elements, not 1/,
  });
});
