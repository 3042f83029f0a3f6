import test from 'ava';

import { checkDerivative } from '../../src/autodiff/check.js';
import { grad } from '../../src/autodiff/grad.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { onnxNetwork } from '../support/onnx-network.js';

/** y = 300 + x . (1, 1): the rounding of a difference does not shrink with the derivative along a direction. */
const sum = onnxNetwork(
  [makeNode('Gemm', ['x', 'w', 'b'], ['y'])],
  [makeTensor('w', 'float32', [2, 1], [1, 1]), makeTensor('b', 'float32', [1], [300])],
  [makeValueInfo('x', { type: 'float32', shape: [1, 2] })],
);

test('a right derivative passes where it cancels along the direction', async (t) => {
  const derived = await grad(sum, { wrt: 'x' });
  let smallest = Infinity;
  for (let seed = 0; seed < 40; seed++) {
    for (const { derivative, error } of await checkDerivative(derived, { seed })) {
      smallest = Math.min(smallest, Math.abs(derivative));
      t.true(error < 1e-3, `seed ${seed}: ${error}`);
    }
  }
  t.true(smallest < 0.02);
});

test('a wrong derivative fails', async (t) => {
  const derived = await grad(sum, { wrt: 'x' });
  const { proto } = derived;
  const wrong = {
    ...derived,
    proto: {
      ...proto,
      graph: {
        ...proto.graph,
        node: proto.graph.node.map((node) =>
          node.output.includes('grad.x') ? { ...node, output: ['right'] } : node,
        ),
      },
    },
  };
  wrong.proto.graph.node.push(makeNode('Mul', ['right', 'factor'], ['grad.x']));
  wrong.proto.graph.initializer = [
    ...proto.graph.initializer,
    makeTensor('factor', 'float32', [1, 2], [1, 1.5]),
  ];
  const checks = await checkDerivative(wrong);
  t.true(Math.max(...checks.map(({ error }) => error)) > 0.05);
});
