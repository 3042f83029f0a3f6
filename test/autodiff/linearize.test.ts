import test from 'ava';

import { linearize } from '../../src/autodiff/linearize.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { operatorOf } from '../../src/onnx/graph/graph.js';
import { readModel, type Model } from '../../src/onnx/file/model.js';
import { embeddedModel } from '../../src/score/network/embedded.js';

const counted = ['Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'Softmax', 'LayerNormalization'];
const count = ({ proto }: Model): Record<string, number> =>
  Object.fromEntries(
    counted.map((operator) => [
      operator,
      proto.graph.node.filter((node) => operatorOf(node) === operator).length,
    ]),
  );

test('an evaluation and a product compute together what a vector-Jacobian product does, and nothing twice', async (t) => {
  const model = await readModel(embeddedModel('vp'));
  const names = { of: 'eps', wrt: 'x', cotangent: 'v' };
  const [whole, evaluation] = [count(await vjp(model, names)), count(model)];
  const { forward, transpose, kept } = await linearize(model, { ...names, fused: false });
  const [first, second] = [count(forward), count(transpose)];
  for (const operator of counted) t.is(first[operator]! + second[operator]!, whole[operator]!, operator);
  t.is(first['Conv'], evaluation['Conv']!);
  t.true(second['Conv']! > 10);
  // The transpose reads neither the state nor a value that is another view of one that it reads.
  t.false(kept.includes('x'));
  t.is(new Set(kept).size, kept.length);
  t.deepEqual(
    transpose.inputs.map(({ name }) => name),
    ['v', ...kept],
  );

  // With our own operators normalisations are one node each, and of their inputs nothing else is kept.
  const fused = await linearize(model, { ...names, fused: true });
  t.is(count(fused.forward)['LayerNormalization'], 0);
  t.true(fused.kept.length < kept.length);
});
