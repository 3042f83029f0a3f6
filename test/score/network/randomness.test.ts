import test from 'ava';

import { findRandomness } from '../../../src/score/network/randomness.js';
import type { Model } from '../../../src/onnx/file/model.js';
import { makeTensor } from '../../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import { onnxNetwork } from '../../support/onnx-network.js';

const x = makeValueInfo('x', { type: 'float32', shape: ['N', 4] });
const dropout = (ratio: number, training: number): Model =>
  onnxNetwork(
    [makeNode('Dropout', ['x', 'ratio', 'training'], ['y'])],
    [makeTensor('ratio', 'float32', [], [ratio]), makeTensor('training', 'bool', [], [training])],
    [x],
  );

test('networks that draw random numbers are found', (t) => {
  t.like(findRandomness(dropout(0.3, 1), 'y'), { cause: 'random', severity: 'error' });
  for (const operator of ['RandomNormalLike', 'RandomUniformLike', 'Bernoulli']) {
    const model = onnxNetwork(
      [makeNode(operator, ['x'], ['z']), makeNode('Add', ['x', 'z'], ['y'])],
      [],
      [x],
    );
    t.regex(findRandomness(model, 'y')!.message, new RegExp(operator));
  }
});

test('Dropout that drops nothing, and random numbers that the output does not need, are no finding', (t) => {
  t.is(findRandomness(dropout(0.3, 0), 'y'), undefined);
  t.is(findRandomness(dropout(0, 1), 'y'), undefined);
  const beside = onnxNetwork(
    [makeNode('RandomNormalLike', ['x'], ['z']), makeNode('Identity', ['x'], ['y'])],
    [],
    [x],
  );
  t.is(findRandomness(beside, 'y'), undefined);
});
