import test from 'ava';

import { ModelError, OptionError } from '../../src/errors.js';
import { parameterNames, untrainedNames } from '../../src/autodiff/parameters.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import type { Model } from '../../src/onnx/file/model.js';
import type { NodeProto } from '../../src/onnx/file/proto.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { onnxNetwork } from '../support/onnx-network.js';

function network(nodes: NodeProto[], shapes: Record<string, readonly number[]>): Model {
  const initializer = Object.entries(shapes).map(([name, dims]) =>
    makeTensor(
      name,
      ['rows', 'back'].includes(name) ? 'int64' : 'float32',
      dims,
      Array<number>(dims.reduce((n, size) => n * size, 1)).fill(1),
    ),
  );
  return onnxNetwork(nodes, initializer, [makeValueInfo('x', { type: 'float32', shape: ['N', 4] })]);
}

test('biases and scales are trained whatever their names, constants of the input are not', (t) => {
  const model = network(
    [
      makeNode('Mul', ['x', 'frequencies'], ['u']),
      makeNode('MatMul', ['u', 'w1'], ['h']),
      makeNode('Add', ['b1', 'h'], ['k']),
      makeNode('Mul', ['k', 'gain'], ['l']),
      makeNode('Mul', ['l', 'half'], ['m']),
      makeNode('Tanh', ['m'], ['n']),
      makeNode('Gemm', ['n', 'w2'], ['o']),
      makeNode('Sub', ['o', 'shift'], ['y']),
    ],
    { frequencies: [4], w1: [4, 3], b1: [3], gain: [3], half: [1], w2: [3, 1], shift: [1] },
  );
  const names = parameterNames(model, 'all');
  t.deepEqual(names, ['w1', 'b1', 'gain', 'w2', 'shift']);
  t.deepEqual(untrainedNames(model, names), ['frequencies']);
  t.deepEqual(untrainedNames(model, ['w1']), ['frequencies', 'b1', 'gain', 'w2']);
});

test('the affine map after a group normalisation in three nodes is trained', (t) => {
  const model = network(
    [
      makeNode('Reshape', ['x', 'rows'], ['u']),
      makeNode('InstanceNormalization', ['u', 'ones', 'zeros'], ['v']),
      makeNode('Reshape', ['v', 'back'], ['w']),
      makeNode('Mul', ['w', 'scale'], ['s']),
      makeNode('Add', ['s', 'offset'], ['y']),
    ],
    { rows: [3], back: [2], ones: [2], zeros: [2], scale: [4], offset: [4] },
  );
  t.deepEqual(parameterNames(model, 'all'), ['scale', 'offset']);
});

test('a selection that selects nothing is refused', (t) => {
  const model = network([makeNode('Mul', ['x', 'c'], ['y'])], { c: [4] });
  t.throws(() => parameterNames(model, 'all'), { instanceOf: ModelError });
  t.throws(() => parameterNames(model, /w/), { instanceOf: OptionError });
  t.throws(() => parameterNames(model, []), { instanceOf: OptionError });
  t.throws(() => parameterNames(model, 'c' as 'all'), { instanceOf: OptionError });
  t.deepEqual(parameterNames(model, ['c']), ['c']);
});
