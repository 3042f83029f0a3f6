import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { checkDerivative } from '../../src/autodiff/check.js';
import { grad } from '../../src/autodiff/grad.js';
import { jvp } from '../../src/autodiff/jvp.js';
import { support } from '../../src/autodiff/support.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { onnxNetwork } from '../support/onnx-network.js';

const model = onnxNetwork(
  [makeNode('Gemm', ['x', 'w'], ['y'])],
  [makeTensor('w', 'float32', [2, 1], [1, 1])],
  [makeValueInfo('x', { type: 'float32', shape: ['N', 2] })],
);

const refused: Readonly<Record<string, [call: () => unknown, message: RegExp]>> = {
  vjp: [
    () => vjp(model, { wrt: 'x', cotangnet: 'v' } as object as { wrt: string }),
    /^cotangnet .*cotangent\?/,
  ],
  'vjp, reduced to a sum': [
    () => vjp(model, { wrt: 'x', reduce: 'sum' as 'dot' }),
    /^reduce must be one of dot/,
  ],
  jvp: [() => jvp(model, { wrt: 'x', tangents: 'u' } as object as { wrt: string }), /^tangents .*tangent\?/],
  grad: [() => grad(model, { wrt: 'x', label: 'l' } as object as { wrt: string }), /^label .*labels\?/],
  support: [() => support(model, { wtr: 'x' } as object), /^wtr .*wrt\?/],
  checkDerivative: [
    () => checkDerivative(model, { seed: 1, direction: 2 } as object),
    /^direction .*directions\?/,
  ],
  trainingGraph: [
    () => trainingGraph(model, { loss: { kind: 'mean-squared-error' }, parameter: 'all' } as object as never),
    /^parameter .*parameters\?/,
  ],
  'a loss of no kind': [
    () => trainingGraph(model, { loss: { kind: 'cross_entropy' as 'cross-entropy' } }),
    /^loss\.kind must be one of .*did you mean cross-entropy\?/,
  ],
  'a loss of another kind': [
    () => trainingGraph(model, { loss: { kind: 'mean-squared-error', labels: 'y' } as object as never }),
    /^loss\.labels must be absent/,
  ],
};
for (const [name, [call, message]] of Object.entries(refused)) {
  test(`an option that there is not is refused by name: ${name}`, async (t) => {
    await t.throwsAsync(Promise.resolve().then(call), { instanceOf: OptionError, message });
  });
}
