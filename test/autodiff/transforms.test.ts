import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { ModelError, OptionError } from '../../src/errors.js';
import { grad } from '../../src/autodiff/grad.js';
import { jvp } from '../../src/autodiff/jvp.js';
import { parameterValues } from '../../src/autodiff/parameters.js';
import { registerJvp, registerVjp } from '../../src/autodiff/registry.js';
import { support } from '../../src/autodiff/support.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeModel, readModel, writeModel, type Model } from '../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../src/onnx/file/proto.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { affine, network, rows, run, values } from '../support/pairs-network.js';

test('vjp keeps the outputs, names the product after its input, and says what it is', async (t) => {
  const model = await vjp(affine(), { of: 'y', wrt: 'x', cotangent: 'v' });
  t.deepEqual(
    model.inputs.map(({ name, shape }) => [name, shape]),
    [
      ['x', ['N', 2]],
      ['v', ['N', 2]],
    ],
  );
  t.deepEqual(
    model.outputs.map(({ name, shape }) => [name, shape]),
    [
      ['y', ['N', 2]],
      ['vjp.x', ['N', 2]],
    ],
  );
  const { kind, of, wrt } = JSON.parse(model.metadata.get('fastsde.autodiff')!) as Record<string, unknown>;
  t.deepEqual([kind, of, wrt], ['vjp', 'y', ['x']]);
  const result = await run(model, { x: rows(1, 1, 2, 0), v: rows(1, 0, 1, -1) });
  t.deepEqual(values(result['y']), [4.5, 5.5, 2.5, 3.5]);
  t.deepEqual(values(result['vjp.x']), [1, 3, -1, -1]);
});

test('vjp with reduce gives one inner product per sample', async (t) => {
  const model = await vjp(affine(), { wrt: 'x', reduce: 'dot' });
  const result = await run(model, { x: rows(0, 0, 0, 0), cotangent: rows(1, 1, 1, -1) });
  // v' W v
  t.deepEqual(values(result['dot.x']), [10, 0]);
  t.deepEqual(result['dot.x']!.dims, [2]);
});

test('jvp moves the output along the tangent', async (t) => {
  const result = await run(await jvp(affine(), { wrt: 'x' }), { x: rows(1, 1), tangent: rows(1, -1) });
  t.deepEqual(values(result['jvp.y']), [-2, -2]);
});

test('grad of log p(label | x) is the row of the weights minus their mean under the softmax', async (t) => {
  const model = await grad(affine(), { wrt: 'x', labels: 'label' });
  const result = await run(model, { x: rows(0, 0), label: { data: BigInt64Array.of(1n), dims: [1] } });
  // Logits 0.5 and -0.5.
  const p = 1 / (1 + Math.exp(-1));
  t.true(Math.abs(values(result['log-probability'])[0]! - Math.log(1 - p)) < 1e-6);
  const expected = [2 - (p * 1 + (1 - p) * 2), 4 - (p * 3 + (1 - p) * 4)];
  values(result['grad.x']).forEach((each, index) => t.true(Math.abs(each - expected[index]!) < 1e-6));
});

/** A classifier whose output is probabilities: the affine map through a Softmax and further nodes. */
function classifier(tail: readonly NodeProto[], opset = 18): Model {
  const { graph } = affine().proto;
  const nodes = [makeNode('Gemm', ['x', 'net.weight', 'net.bias'], ['logits']), ...tail];
  const constants = [...graph.initializer, makeTensor('flat', 'int64', [2], [0, -1])];
  return network({ inputs: { x: ['N', 2] }, nodes, constants, opset });
}

const softmax = makeNode('Softmax', ['logits'], ['p'], { axis: 1 });
for (const [name, tail] of Object.entries({
  Softmax: [makeNode('Softmax', ['logits'], ['y'])],
  Identity: [softmax, makeNode('Identity', ['p'], ['y'])],
  'Cast to double and back': [
    softmax,
    makeNode('Cast', ['p'], ['q'], { to: 11 }),
    makeNode('Cast', ['q'], ['y'], { to: 1 }),
  ],
  Reshape: [softmax, makeNode('Reshape', ['p', 'flat'], ['y'])],
})) {
  test(`the logarithm of probabilities is not taken of their softmax: ${name}`, async (t) => {
    const [x, label] = [rows(3, 5), { data: BigInt64Array.of(0n), dims: [1] }];
    const ofLogits = await run(await grad(affine(), { wrt: 'x', labels: 'label' }), { x, label });
    const result = await run(await grad(classifier(tail), { wrt: 'x', labels: 'label' }), { x, label });
    // The logits are 18.5 and 25.5.
    t.true(Math.abs(values(result['log-probability'])[0]! + 7 + Math.log1p(Math.exp(-7))) < 1e-5);
    t.deepEqual(values(result['grad.x']), values(ofLogits['grad.x']));
    const loss = { kind: 'cross-entropy', labels: 'label' } as const;
    const { model } = await trainingGraph(classifier(tail), { loss });
    const weights = parameterValues(affine(), ['net.weight', 'net.bias']);
    const feeds = {
      x,
      label,
      'net.weight': { data: weights.get('net.weight')!, dims: [2, 2] },
      'net.bias': { data: weights.get('net.bias')!, dims: [2] },
    };
    t.true(Math.abs(values((await run(model, feeds))['loss'])[0]! - 7 - Math.log1p(Math.exp(-7))) < 1e-5);
  });
}

test('a Softmax over samples or positions makes no probabilities of classes', async (t) => {
  const model = classifier([makeNode('Softmax', ['logits'], ['y'], { axis: 0 })]);
  const label = { data: BigInt64Array.of(0n), dims: [1] };
  const result = await run(await grad(model, { wrt: 'x', labels: 'label' }), { x: rows(1, 2), label });
  t.true(Math.abs(values(result['log-probability'])[0]! + Math.log(2)) < 1e-6);
});

test('grad asks for one number per sample', async (t) => {
  await t.throwsAsync(grad(affine(), { wrt: 'x' }), {
    instanceOf: OptionError,
    message: /one number per sample/,
  });
});

test('every node without a derivative is named, by support and by the error', async (t) => {
  const model = network({
    inputs: { x: ['N', 2] },
    nodes: [
      { ...makeNode('LpNormalization', ['x'], ['h']), name: 'first' },
      { ...makeNode('Det', ['x'], ['d']), name: 'second' },
      makeNode('Shape', ['x'], ['s']),
      makeNode('Add', ['h', 'd'], ['y']),
    ],
  });
  const { ok, missing } = support(model);
  t.false(ok);
  t.deepEqual(
    missing.map(({ operator, node }) => [operator, node]),
    [
      ['LpNormalization', 'first'],
      ['Det', 'second'],
    ],
  );
  const supported = network({
    inputs: { x: ['N', 2] },
    nodes: [
      { ...makeNode('LpNormalization', ['x'], ['h']), name: 'first' },
      { ...makeNode('LpNormalization', ['h'], ['g']), name: 'second' },
      makeNode('Add', ['h', 'g'], ['y']),
    ],
  });
  await t.throwsAsync(vjp(supported, { wrt: 'x' }), {
    instanceOf: ModelError,
    message: /LpNormalization "first" has no rule; LpNormalization "second" has no rule.*registerVjp/,
  });
  await t.throwsAsync(jvp(supported, { wrt: 'x' }), {
    message: /LpNormalization "first".*LpNormalization "second"/,
  });
});

test('control flow on the way is refused by name', (t) => {
  const branch = {
    name: 'branch',
    node: [makeNode('Neg', ['x'], ['z'])],
    initializer: [],
    input: [],
    value_info: [],
  };
  const graph = { ...branch, output: [makeValueInfo('z', { type: 'float32', shape: ['N', 2] })] };
  const attribute = ['then_branch', 'else_branch'].map((name) => ({
    name,
    type: 5,
    g: graph,
    floats: [],
    ints: [],
    strings: [],
    graphs: [],
  }));
  const model = network({
    inputs: { x: ['N', 2] },
    nodes: [
      makeNode('ReduceSum', ['x'], ['s'], { keepdims: 0 }),
      makeNode('Greater', ['s', 'zero'], ['positive']),
      { ...makeNode('If', ['positive'], ['y']), name: 'choice', attribute },
    ],
    constants: [makeTensor('zero', 'float32', [], [0])],
  });
  t.deepEqual(support(model).missing, [{ operator: 'If', node: 'choice', path: [] }]);
});

test('support looks into local functions', (t) => {
  const model = network({
    inputs: { x: ['N', 2] },
    nodes: [{ ...makeNode('Act', ['x'], ['y']), domain: 'local' }],
  });
  const body = { name: 'Act', domain: 'local', input: ['a'], output: ['b'], attribute: [], opset_import: [] };
  const within = (operator: string): Model =>
    makeModel({ ...model.proto, functions: [{ ...body, node: [makeNode(operator, ['a'], ['b'])] }] });
  t.true(support(within('Tanh')).ok);
  t.deepEqual(support(within('LpNormalization')).missing, [
    { operator: 'LpNormalization', node: 'b', path: ['y'] },
  ]);
});

test("a user's rule is used in both directions", async (t) => {
  registerVjp('Hardmax', (b, _node, [cotangent]) => [b.add([cotangent!, cotangent!])]);
  registerJvp('Hardmax', (b, _node, [tangent]) => [b.add([tangent!, tangent!])]);
  const model = network({ inputs: { x: ['N', 2] }, nodes: [makeNode('Hardmax', ['x'], ['y'])] });
  t.true(support(model).ok);
  const back = await run(await vjp(model, { wrt: 'x' }), { x: rows(1, 2), cotangent: rows(3, 4) });
  t.deepEqual(values(back['vjp.x']), [6, 8]);
  const ahead = await run(await jvp(model, { wrt: 'x' }), { x: rows(1, 2), tangent: rows(3, 4) });
  t.deepEqual(values(ahead['jvp.y']), [6, 8]);
  t.throws(
    () => {
      registerVjp('', () => []);
    },
    { instanceOf: OptionError },
  );
});

test('an input on which nothing depends, and a name that is no input, are errors', async (t) => {
  const model = network({ inputs: { x: ['N', 2], z: ['N', 2] }, nodes: [makeNode('Neg', ['x'], ['y'])] });
  await t.throwsAsync(vjp(model, { wrt: 'z' }), { message: /"y" does not depend on "z"/ });
  await t.throwsAsync(vjp(model, { wrt: 'q' }), { instanceOf: OptionError, message: /inputs x, z/ });
  await t.throwsAsync(vjp(model, { wrt: 'x', of: 'q' }), { message: /no value "q"/ });
  await t.throwsAsync(vjp(model, { wrt: 'x', cotangent: 'z' }), { instanceOf: OptionError });
});

test('cycles, values out of nowhere and values computed twice are refused', async (t) => {
  const broken = (...nodes: NodeProto[]): Model => network({ inputs: { x: ['N', 2] }, nodes });
  const cycle = broken(makeNode('Add', ['x', 'y'], ['a']), makeNode('Neg', ['a'], ['y']));
  await t.throwsAsync(vjp(cycle, { wrt: 'x' }), { instanceOf: ModelError, message: /cycle/ });
  await t.throwsAsync(vjp(broken(makeNode('Add', ['x', 'q'], ['y'])), { wrt: 'x' }), {
    message: /"q".*nobody/,
  });
  const twice = broken(makeNode('Neg', ['x'], ['y']), makeNode('Abs', ['x'], ['y']));
  await t.throwsAsync(vjp(twice, { wrt: 'x' }), { message: /computed twice/ });
  await t.throwsAsync(vjp(broken(), { wrt: 'x' }), { message: /computed by no node/ });
});

test('a model that ONNX Runtime refuses is an error with its reason', async (t) => {
  const model = network({
    inputs: { x: ['N', 2] },
    nodes: [makeNode('MatMul', ['x', 'x'], ['y'], { nonsense: 1 })],
  });
  await t.throwsAsync(vjp(model, { wrt: 'x' }), {
    instanceOf: ModelError,
    message: /ONNX Runtime refuses.*nonsense/,
  });
  const old = network({ inputs: { x: ['N', 2] }, nodes: [makeNode('Neg', ['x'], ['y'])], opset: 11 });
  await t.throwsAsync(vjp(old, { wrt: 'x' }), { message: /operator set 11.*13 or newer/ });
});

test('a derived model points at the external data of its original', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-external-'));
  try {
    await writeFile(join(folder, 'w.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    const weight: TensorProto = {
      name: 'weight',
      dims: [2, 2],
      data_type: 1,
      string_data: [],
      data_location: 1,
      external_data: [{ key: 'location', value: 'w.bin' }],
    };
    const parts = {
      inputs: { x: ['N', 2] },
      nodes: [makeNode('MatMul', ['x', 'weight'], ['y'])],
      constants: [weight],
    };
    const derived = await vjp(network({ ...parts, folder }), { wrt: 'x' });
    t.deepEqual(
      derived.proto.graph.initializer.find(({ name }) => name === 'weight'),
      weight,
    );
    await writeModel(derived, join(folder, 'derived.onnx'));
    const read = await readModel(join(folder, 'derived.onnx'));
    const result = await run(read, { x: rows(1, 1), cotangent: rows(1, 0) });
    t.deepEqual(values(result['vjp.x']), [1, 3]);
    t.deepEqual([...parameterValues(network({ ...parts, folder }), ['weight']).get('weight')!], [1, 2, 3, 4]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
