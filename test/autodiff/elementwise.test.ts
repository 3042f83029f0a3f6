import test from 'ava';

import { makeTensor } from '../../src/onnx/file/tensor.js';
import { gradcheck, type Case } from '../support/onnx-gradcheck.js';

const scalar = (value: number) => makeTensor('', 'float32', [], [value]);
const x = [2, 3, 4];

const cases: Record<string, Case & { operator: string }> = {
  ...Object.fromEntries(
    (
      'Abs Cos Elu Erf Exp Gelu HardSwish Identity LeakyRelu Mish Neg Relu Selu Celu Sigmoid Sin Sinh Cosh Softplus ' +
      'Softsign Tanh Atan Asinh HardSigmoid Dropout ThresholdedRelu'
    )
      .split(' ')
      .map((operator) => [operator, { operator, inputs: { x }, opset: 20 }]),
  ),
  ...Object.fromEntries(
    'Log Sqrt Reciprocal'
      .split(' ')
      .map((operator) => [operator, { operator, inputs: { x }, range: [0.3, 2] }]),
  ),
  ...Object.fromEntries(
    'Asin Acos Atanh Tan'
      .split(' ')
      .map((operator) => [operator, { operator, inputs: { x }, range: [-0.8, 0.8] }]),
  ),
  Acosh: { operator: 'Acosh', inputs: { x }, range: [1.3, 3] },
  'Gelu through tanh': { operator: 'Gelu', inputs: { x }, attributes: { approximate: 'tanh' }, opset: 20 },
  Add: { operator: 'Add', inputs: { a: x, b: [3, 1] } },
  Sub: { operator: 'Sub', inputs: { a: [4], b: x } },
  Mul: { operator: 'Mul', inputs: { a: x, b: [2, 1, 4] } },
  'Mul by a row of unknown size': { operator: 'Mul', inputs: { a: [1, 3, 4], b: x } },
  Div: { operator: 'Div', inputs: { a: [3, 1], b: x }, range: [0.5, 2] },
  Pow: { operator: 'Pow', inputs: { a: x, b: [4] }, range: [0.5, 2] },
  Square: { operator: 'Pow', inputs: { x }, constants: { p: scalar(2) } },
  Cube: { operator: 'Pow', inputs: { x }, constants: { p: scalar(3) } },
  Min: { operator: 'Min', inputs: { a: x, b: [4], c: [3, 1] } },
  Max: { operator: 'Max', inputs: { a: x, b: x } },
  Sum: { operator: 'Sum', inputs: { a: x, b: [4], c: [1] } },
  Mean: { operator: 'Mean', inputs: { a: x, b: [4] } },
  PRelu: { operator: 'PRelu', inputs: { a: x, b: [3, 1] } },
  Clip: { operator: 'Clip', inputs: { x }, constants: { low: scalar(-1), high: scalar(0.5) } },
  'Clip below': { operator: 'Clip', inputs: { x }, constants: { low: scalar(-1) } },
  'Clip above': {
    operator: 'Clip',
    inputs: { x },
    constants: { high: scalar(0.5) },
    operands: ['x', '-', 'high'],
  },
  Where: {
    operator: 'Where',
    inputs: { a: [3, 4], b: x },
    constants: { mask: makeTensor('', 'bool', [3, 1], [1, 0, 1]) },
    operands: ['mask', 'a', 'b'],
  },
  'a value used twice': { operator: 'Mul', inputs: { x }, operands: ['x', 'x'] },
};

for (const [name, each] of Object.entries(cases)) {
  test(`${name}: derivatives agree with differences in both directions`, (t) => gradcheck(t, name, each));
}
