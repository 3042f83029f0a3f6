import test from 'ava';

import { trainingGraph } from '../../../src/autodiff/training.js';
import { blockConvolutions, blockSize } from '../../../src/onnx/run/blocked.js';
import { makeNode, makeValueInfo, operatorOf } from '../../../src/onnx/graph/graph.js';
import { modelBytes, type Model } from '../../../src/onnx/file/model.js';
import type { NodeProto } from '../../../src/onnx/file/proto.js';
import { createSession } from '../../../src/onnx/run/runtime.js';
import { makeTensor } from '../../../src/onnx/file/tensor.js';
import { uniform } from '../../support/onnx-gradcheck.js';
import { onnxNetwork } from '../../support/onnx-network.js';
import { array } from '../../support/onnx-reference/array.js';
import { evaluate } from '../../support/onnx-reference/evaluate.js';

const BATCH = 16;
const CHANNELS = 16;
const SIZE = 4;

/** A convolution, some operators from `h` to `z`, and another convolution. */
function network(nodes: readonly NodeProto[], channels = CHANNELS): Model {
  const random = uniform(2);
  const weight = (name: string, ...dims: number[]) => {
    const count = dims.reduce((product, each) => product * each, 1);
    const scale = dims.length === 4 ? 0.2 : 1;
    return makeTensor(
      name,
      'float32',
      dims,
      Array.from({ length: count }, () => scale * (2 * random() - 1)),
    );
  };
  const pads = [1, 1, 1, 1];
  return onnxNetwork(
    [
      makeNode('Conv', ['x', 'first.weight', 'first.bias'], ['h'], { pads }),
      ...nodes,
      makeNode('Conv', ['z', 'last.weight', 'last.bias'], ['y'], { pads }),
    ],
    [
      weight('first.weight', CHANNELS, CHANNELS, 3, 3),
      weight('first.bias', CHANNELS),
      weight('gain.weight', CHANNELS, 1, 1),
      weight('gain.bias', 1, CHANNELS, 1, 1),
      weight('last.weight', CHANNELS, channels, 3, 3),
      weight('last.bias', CHANNELS),
      makeTensor('two', 'float32', [], [2]),
      makeTensor('space', 'int64', [2], [2, 3]),
      makeTensor('halves', 'int64', [2], [CHANNELS, CHANNELS]),
    ],
    [
      makeValueInfo('x', { type: 'float32', shape: ['N', CHANNELS, SIZE, SIZE] }),
      makeValueInfo('rows', { type: 'float32', shape: ['N', CHANNELS, 1, 1] }),
    ],
  );
}

const cases: Record<string, { nodes: NodeProto[]; channels?: number }> = {
  'a factor and an offset per channel': {
    nodes: [makeNode('Mul', ['gain.weight', 'h'], ['s']), makeNode('Add', ['s', 'gain.bias'], ['z'])],
  },
  'a factor per sample and channel, and what is added': {
    nodes: [
      makeNode('Mul', ['h', 'rows'], ['s']),
      makeNode('Tanh', ['h'], ['k']),
      makeNode('Sum', ['s', 'k', 'gain.bias', 'h'], ['z']),
    ],
  },
  'offsets alone': { nodes: [makeNode('Add', ['rows', 'h'], ['z'])] },
  'a product that is used twice': {
    nodes: [
      makeNode('Mul', ['h', 'gain.weight'], ['s']),
      makeNode('Add', ['s', 'h'], ['k']),
      makeNode('Mul', ['s', 'k'], ['z']),
    ],
  },
  'differences, quotients and numbers': {
    nodes: [
      makeNode('Sigmoid', ['h'], ['s']),
      makeNode('Sub', ['two', 's'], ['k']),
      makeNode('Div', ['h', 'k'], ['q']),
      makeNode('Sub', ['q', 's'], ['z']),
    ],
  },
  'a factor per channel that is subtracted from': {
    nodes: [makeNode('Sub', ['gain.bias', 'h'], ['z'])],
  },
  'means and sums of squares over positions': {
    nodes: [
      makeNode('ReduceMean', ['h', 'space'], ['m']),
      makeNode('ReduceSumSquare', ['h', 'space'], ['q']),
      makeNode('Mul', ['m', 'q'], ['mq']),
      makeNode('Mul', ['h', 'mq'], ['s']),
      makeNode('Add', ['s', 'm'], ['z']),
    ],
  },
  'channels put together and taken apart': {
    nodes: [
      makeNode('Relu', ['h'], ['s']),
      makeNode('Concat', ['h', 's'], ['c'], { axis: 1 }),
      makeNode('Split', ['c', 'halves'], ['l', 'r'], { axis: 1 }),
      makeNode('Add', ['l', 'r'], ['k']),
      makeNode('Concat', ['k', 'c'], ['z'], { axis: 1 }),
    ],
    channels: 3 * CHANNELS,
  },
};

for (const [name, { nodes, channels }] of Object.entries(cases)) {
  test(`operators in blocks have the exact loss and gradients: ${name}`, async (t) => {
    const original = network(nodes, channels);
    const parameters = original.proto.graph.initializer.flatMap(({ name = '' }) =>
      /^(first|last)/.test(name) || nodes.some(({ input }) => name.startsWith('gain') && input.includes(name))
        ? [name]
        : [],
    );
    const { model } = await trainingGraph(original, { loss: { kind: 'mean-squared-error' }, parameters });
    const blocked = await blockConvolutions(model, BATCH);
    t.is(blocked === undefined, (await blockSize()) === undefined);
    if (blocked === undefined) return;
    const random = uniform(9);
    const feeds = model.inputs.map(({ name: input, shape }) => {
      const dims = shape!.map((each) => (typeof each === 'number' ? each : BATCH));
      const length = dims.reduce((product, each) => product * each, 1);
      return [input, { data: Float32Array.from({ length }, () => random() - 0.5), dims }] as const;
    });
    const exact = evaluate(
      model,
      Object.fromEntries(feeds.map(([input, { data, dims }]) => [input, array(dims, data)])),
    );
    const session = await createSession(modelBytes(blocked), { threads: 1 });
    const outputs = await session.run(Object.fromEntries(feeds));
    await session.release();
    for (const [output, { data }] of Object.entries(outputs)) {
      const expected = exact.get(output)!.data;
      const scale = Math.max(...expected.map(Math.abs));
      const values = data as Float32Array;
      const error = Math.max(...values.map((value, i) => Math.abs(value - expected[i]!))) / scale;
      t.true(data.length === expected.length && error < 1e-5, `${output} differs by ${error}`);
    }
  });
}

test('values between two convolutions are not brought back into order', async (t) => {
  const blocked = await blockConvolutions(network(cases['differences, quotients and numbers']!.nodes), BATCH);
  const count = (operator: string): number =>
    blocked?.proto.graph.node.filter((node) => operatorOf(node) === operator).length ?? 0;
  t.is(count('com.microsoft.nchwc:ReorderOutput'), (await blockSize()) === undefined ? 0 : 1);
});
