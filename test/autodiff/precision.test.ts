import { readFile } from 'node:fs/promises';

import test from 'ava';

import { checkDerivative } from '../../src/autodiff/check.js';
import { support } from '../../src/autodiff/support.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { fromFloat16, toFloat16 } from '../../src/io/float16.js';
import { makeModel, modelBytes, readModel, type Model } from '../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../src/onnx/file/proto.js';
import { DATA_TYPES, makeTensor, tensorNumbers } from '../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { createSession } from '../../src/onnx/run/runtime.js';
import { onnxNetwork } from '../support/onnx-network.js';

/** A network with the output `y` in half precision. */
function halfNetwork(...parts: Parameters<typeof onnxNetwork>): Model {
  const { proto } = onnxNetwork(...parts);
  return makeModel({
    ...proto,
    graph: { ...proto.graph, output: [makeValueInfo('y', { type: 'float16' })] },
  });
}

/** The network with every float32 in it as float16, as an export in half precision writes it. */
function inHalf(model: Model): Model {
  const { float32, float16 } = DATA_TYPES;
  const half = (tensor: TensorProto): TensorProto =>
    tensor.data_type === float32
      ? makeTensor(tensor.name ?? '', 'float16', tensor.dims, tensorNumbers(tensor))
      : tensor;
  const { graph } = model.proto;
  // The scales of Resize are float32 whatever its image is.
  const kept = new Set(
    graph.node.flatMap(({ op_type, input }) => (op_type === 'Resize' ? input.slice(1) : [])),
  );
  const node = graph.node.map((each): NodeProto => ({
    ...each,
    attribute: each.output.some((name) => kept.has(name))
      ? each.attribute
      : each.attribute.map((attribute) => ({
          ...attribute,
          ...(attribute.t && { t: half(attribute.t) }),
          ...(attribute.name === 'to' && attribute.i === BigInt(float32) && { i: BigInt(float16) }),
        })),
  }));
  const narrow = (info: (typeof graph.input)[number]): typeof info => ({
    ...info,
    type: { tensor_type: { ...info.type!.tensor_type!, elem_type: float16 } },
  });
  return makeModel({
    ...model.proto,
    graph: {
      ...graph,
      node,
      initializer: graph.initializer.map(half),
      input: graph.input.map(narrow),
      output: graph.output.map(narrow),
      value_info: [],
    },
  });
}

function halves(values: readonly number[]): Uint16Array {
  const out = new Uint16Array(values.length);
  toFloat16(Float32Array.from(values), out);
  return out;
}

for (const name of ['mlp', 'dit', 'wide-resnet', 'unet']) {
  test(`${name} in half precision: the gradient is PyTorch's in single, but for rounding`, async (t) => {
    const folder = 'test/fixtures/onnx';
    const model = inHalf(await readModel(`${folder}/${name}.onnx`));
    const expected = JSON.parse(await readFile(`${folder}/${name}.json`, 'utf8')) as Record<
      'x' | 't' | 'v' | 'vjp',
      { shape: number[]; data: number[] }
    >;
    const session = await createSession(modelBytes(await vjp(model, { wrt: 'x' })), { threads: 1 });
    const fed = (key: 'x' | 't' | 'v') => ({ dims: expected[key].shape, data: halves(expected[key].data) });
    const results = await session.run({ x: fed('x'), t: fed('t'), cotangent: fed('v') });
    await session.release();
    const product = new Float32Array(expected.vjp.data.length);
    fromFloat16(results['vjp.x']!.data as Uint16Array, product);
    const size = Math.max(...expected.vjp.data.map(Math.abs));
    const error = Math.max(...expected.vjp.data.map((value, i) => Math.abs(value - product[i]!))) / size;
    t.true(error < 0.01, `differs by ${error}`);
  });
}

/** One operator on x [1, 8], with a scale of ones. */
function normalisation(operator: string, opset: number): Model {
  const network = halfNetwork(
    [makeNode(operator, ['x', 'scale'], ['y'])],
    [makeTensor('scale', 'float16', [8], Array<number>(8).fill(1))],
    [makeValueInfo('x', { type: 'float16', shape: [1, 8] })],
  );
  return makeModel({ ...network.proto, ir_version: 10, opset_import: [{ domain: '', version: opset }] });
}

test('normalisations in half precision do not overflow where squares do', async (t) => {
  const x = [310, -290, 305, 280, -300, 320, -275, 301];
  const cotangent = [1, -2, 0.5, 0.25, 1, -1, 2, 0];
  // y = (x - m) r: r (v - mean v - y mean(y v)); the RMS form without the means.
  for (const [operator, centred] of [
    ['LayerNormalization', true],
    ['RMSNormalization', false],
  ] as const) {
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const shift = centred ? mean(x) : 0;
    const scale = 1 / Math.sqrt(mean(x.map((value) => (value - shift) ** 2)) + 1e-5);
    const y = x.map((value) => (value - shift) * scale);
    const along = mean(y.map((value, i) => value * cotangent[i]!));
    const middle = centred ? mean(cotangent) : 0;
    const truth = cotangent.map((value, i) => scale * (value - middle - y[i]! * along));
    const model = await vjp(normalisation(operator, 23), { wrt: 'x' });
    const session = await createSession(modelBytes(model), { threads: 1 });
    const results = await session.run({
      x: { dims: [1, 8], data: halves(x) },
      cotangent: { dims: [1, 8], data: halves(cotangent) },
    });
    await session.release();
    const product = new Float32Array(8);
    fromFloat16(results['vjp.x']!.data as Uint16Array, product);
    truth.forEach((value, i) => t.true(Math.abs(value - product[i]!) < 2e-3 * scale * 4, operator));
  }
});

test('a network that clips in half precision is differentiated', async (t) => {
  const model = halfNetwork(
    [makeNode('Clip', ['x', 'low', 'high'], ['y'])],
    [makeTensor('low', 'float16', [], [-1]), makeTensor('high', 'float16', [], [1])],
    [makeValueInfo('x', { type: 'float16', shape: ['N', 4] })],
  );
  for (const { error } of await checkDerivative(await vjp(model, { wrt: 'x' }))) t.true(error < 0.05);
});

/** x^3 by float64 arithmetic between a float32 state and a float32 output, scaled by a float64 input. */
const mixed = onnxNetwork(
  [
    makeNode('Cast', ['x'], ['wide'], { to: DATA_TYPES.float64 }),
    makeNode('Pow', ['wide', 'three'], ['cube']),
    makeNode('LayerNormalization', ['cube', 'one'], ['normal']),
    makeNode('Mul', ['normal', 'sigma'], ['product']),
    makeNode('Cast', ['product'], ['y'], { to: DATA_TYPES.float32 }),
  ],
  [makeTensor('three', 'float32', [], [3]), makeTensor('one', 'float64', [3], [1, 2, 3])],
  [
    makeValueInfo('x', { type: 'float32', shape: ['N', 3] }),
    makeValueInfo('sigma', { type: 'float64', shape: ['N', 1] }),
  ],
);

test('derivatives with respect to inputs of single and double precision are checked', async (t) => {
  for (const { error } of await checkDerivative(await vjp(mixed, { wrt: ['x', 'sigma'] })))
    t.true(error < 1e-3, String(error));
});

test('what a quantised network computes is refused, beside other ways to the output too', async (t) => {
  const model = onnxNetwork(
    [
      makeNode('QuantizeLinear', ['x', 'step', 'zero'], ['bits']),
      makeNode('DequantizeLinear', ['bits', 'step', 'zero'], ['rounded']),
      makeNode('Add', ['x', 'rounded'], ['y']),
    ],
    [
      makeTensor('step', 'float32', [], [0.1]),
      { ...makeTensor('zero', 'bool', [], [0]), data_type: DATA_TYPES.uint8 },
    ],
    [makeValueInfo('x', { type: 'float32', shape: ['N', 3] })],
  );
  await t.throwsAsync(() => vjp(model, { wrt: 'x' }), {
    message: /QuantizeLinear .*quantised network.*differentiate the original in floating point/,
  });
  t.regex(support(model).missing[0]!.refusal!, /differentiate the original/);
});

test('Attention with a cache is refused by name', (t) => {
  const kv = makeValueInfo('q', { type: 'float32', shape: [1, 1, 2, 2] });
  const model = onnxNetwork(
    [makeNode('Attention', ['q', 'q', 'q', undefined, 'past', 'past'], ['y', 'keys', 'values'])],
    [makeTensor('past', 'float32', [1, 1, 1, 2], [1, 2])],
    [kv],
  );
  t.regex(support(model).missing[0]!.refusal!, /past_key, past_value/);
});
