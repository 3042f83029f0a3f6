import test from 'ava';

import { makeTensor } from '../../src/onnx/file/tensor.js';
import { gradcheck, type Case } from '../support/onnx-gradcheck.js';

const x = [2, 3, 4];
const image = [2, 4, 5, 6];
const ones = (size: number, value = 1) => makeTensor('', 'float32', [size], Array<number>(size).fill(value));
const reductions = 'Sum Mean Max Min Prod L1 L2 SumSquare LogSum LogSumExp'.split(' ');

const cases: Record<string, Case & { operator: string }> = {
  ...Object.fromEntries(
    reductions.flatMap((name) => {
      const operator = `Reduce${name}`;
      const range: [number, number] = [0.3, 2];
      return [
        [operator, { operator, inputs: { x }, constants: { axes: [1] }, attributes: { keepdims: 0 }, range }],
        [`${operator} of all`, { operator, inputs: { x }, range }],
        [`${operator}, kept`, { operator, inputs: { x }, constants: { axes: [0, -1] }, range }],
      ];
    }),
  ),
  'ReduceMax with axes as attribute': {
    operator: 'ReduceMax',
    inputs: { x },
    attributes: { axes: [1], keepdims: 0 },
    opset: 13,
  },
  'ReduceSum of nothing': {
    operator: 'ReduceSum',
    inputs: { x },
    constants: { axes: makeTensor('', 'int64', [0], []) },
    attributes: { noop_with_empty_axes: 1 },
  },
  GlobalAveragePool: { operator: 'GlobalAveragePool', inputs: { x: image } },
  GlobalMaxPool: { operator: 'GlobalMaxPool', inputs: { x: image } },
  TopK: { operator: 'TopK', inputs: { x }, constants: { k: [2] }, outputs: 2 },
  Softmax: { operator: 'Softmax', inputs: { x }, attributes: { axis: 1 } },
  LogSoftmax: { operator: 'LogSoftmax', inputs: { x } },
  InstanceNormalization: { operator: 'InstanceNormalization', inputs: { x: image, wscale: [4], wbias: [4] } },
  'InstanceNormalization, plain': {
    operator: 'InstanceNormalization',
    inputs: { x: image },
    constants: { scale: ones(4), bias: ones(4, 0) },
  },
  GroupNormalization: {
    operator: 'GroupNormalization',
    inputs: { x: image, wscale: [4], wbias: [4] },
    attributes: { num_groups: 2 },
    opset: 21,
  },
  RMSNormalization: { operator: 'RMSNormalization', inputs: { x, wscale: [4] }, opset: 23 },
  LayerNormalization: { operator: 'LayerNormalization', inputs: { x, wscale: [4], wbias: [4] } },
  'LayerNormalization over two axes': {
    operator: 'LayerNormalization',
    inputs: { x, wscale: [3, 4] },
    attributes: { axis: 1 },
  },
  'LayerNormalization, plain': {
    operator: 'LayerNormalization',
    inputs: { x },
    constants: { scale: ones(1) },
  },
  BatchNormalization: {
    operator: 'BatchNormalization',
    inputs: { x: image, wscale: [4], wbias: [4] },
    constants: { mean: ones(4, 0.3), variance: ones(4, 2) },
  },
  AveragePool: {
    operator: 'AveragePool',
    inputs: { x: image },
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  'AveragePool, padding left out': {
    operator: 'AveragePool',
    inputs: { x: image },
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'AveragePool, padding counted': {
    operator: 'AveragePool',
    inputs: { x: image },
    attributes: { kernel_shape: [3, 2], pads: [1, 1, 0, 1], count_include_pad: 1 },
  },
  'AveragePool, rounded up': {
    operator: 'AveragePool',
    inputs: { x: [1, 2, 5, 6] },
    attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
    fixed: true,
  },
  MaxPool: {
    operator: 'MaxPool',
    inputs: { x: image },
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  'MaxPool, overlapping': {
    operator: 'MaxPool',
    inputs: { x: image },
    attributes: { kernel_shape: [3, 3], strides: [1, 2], pads: [1, 1, 1, 1] },
  },
};

for (const [name, each] of Object.entries(cases)) {
  test(`${name}: derivatives agree with differences in both directions`, (t) => gradcheck(t, name, each));
}
