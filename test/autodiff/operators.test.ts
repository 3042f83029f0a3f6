import { readFile } from 'node:fs/promises';

import test from 'ava';

import { jvp } from '../../src/autodiff/jvp.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { makeNode, makeValueInfo, type AttributeValue } from '../../src/onnx/graph/graph.js';
import { fromFloat16, toFloat16 } from '../../src/io/float16.js';
import { makeModel, modelBytes, type Model } from '../../src/onnx/file/model.js';
import { makeTensor, type NumberType } from '../../src/onnx/file/tensor.js';
import { createSession, type Tensor } from '../../src/onnx/run/runtime.js';

interface Value {
  shape: number[];
  data: number[];
  type: string;
}

/** What scripts/autodiff/operators.py took from PyTorch. */
interface Case {
  operator: string;
  opset: number;
  attributes: Record<string, number | string>;
  operands: string[];
  inputs: Record<string, Value>;
  constants: Record<string, Value>;
  v: Value;
  y: Value;
  vjp: Record<string, Value>;
}

const cases = JSON.parse(await readFile('test/fixtures/onnx/operators.json', 'utf8')) as Record<string, Case>;

type Float = 'float32' | 'float16';

function networkOf(each: Case, type: Float): Model {
  const attributes = Object.entries(each.attributes).map(([name, value]): [string, AttributeValue] => [
    name,
    ['scale', 'softcap', 'epsilon'].includes(name) ? { float: value as number } : value,
  ]);
  const kinds: Record<string, NumberType> = { bool: 'bool', int64: 'int64', float64: type };
  return makeModel({
    ir_version: 10,
    opset_import: [{ domain: '', version: each.opset }],
    metadata_props: [],
    functions: [],
    graph: {
      name: 'test',
      node: [makeNode(each.operator, each.operands, ['y'], Object.fromEntries(attributes))],
      initializer: Object.entries(each.constants).map(([name, { shape, data, type: kind }]) =>
        makeTensor(name, kinds[kind]!, shape, data),
      ),
      input: Object.entries(each.inputs).map(([name, { shape }]) => makeValueInfo(name, { type, shape })),
      output: [makeValueInfo('y', { type })],
      value_info: [],
    },
  });
}

async function run(model: Model, type: Float, feeds: Record<string, Value>): Promise<Record<string, Tensor>> {
  const session = await createSession(modelBytes(model), { threads: 1 });
  const tensors = Object.entries(feeds).map(([name, { shape, data }]) => {
    const singles = Float32Array.from(data);
    if (type === 'float32') return [name, { data: singles, dims: shape }];
    const halves = new Uint16Array(data.length);
    toFloat16(singles, halves);
    return [name, { data: halves, dims: shape }];
  });
  const results = await session.run(Object.fromEntries(tensors) as Record<string, Tensor>);
  await session.release();
  return results;
}

function difference({ data }: Tensor, truth: Value): number {
  const numbers = data instanceof Uint16Array ? new Float32Array(data.length) : (data as Float32Array);
  if (data instanceof Uint16Array) fromFloat16(data, numbers);
  const size = Math.max(...truth.data.map(Math.abs), 1e-3);
  return Math.max(...truth.data.map((value, i) => Math.abs(value - numbers[i]!))) / size;
}

for (const [name, each] of Object.entries(cases)) {
  for (const [type, bound] of [
    ['float32', 3e-6],
    ['float16', 6e-3],
  ] as const) {
    test(`${name} in ${type}: output and derivatives are PyTorch's`, async (t) => {
      const model = networkOf(each, type);
      const wrt = Object.keys(each.inputs);
      const pulled = await run(await vjp(model, { wrt }), type, { ...each.inputs, cotangent: each.v });
      const found = ['y', ...wrt.map((key) => `vjp.${key}`)];
      const expected = [each.y, ...wrt.map((key) => each.vjp[key]!)];
      found.forEach((key, i) => {
        const error = difference(pulled[key]!, expected[i]!);
        t.true(error < bound, `${key} differs by ${error}`);
      });

      // v . J u = u . J'v with the inputs as their own directions.
      const tangents = wrt.map((key) => `tangent.${key}`);
      const moves = wrt.map((key) => [`tangent.${key}`, each.inputs[key]!] as const);
      const forward = await jvp(model, { wrt, tangent: tangents });
      const pushed = await run(forward, type, { ...each.inputs, ...Object.fromEntries(moves) });
      const inner = wrt.reduce(
        (sum, key) => sum + each.vjp[key]!.data.reduce((s, g, i) => s + g * each.inputs[key]!.data[i]!, 0),
        0,
      );
      const { data } = pushed['jvp.y']!;
      const numbers = data instanceof Uint16Array ? new Float32Array(data.length) : (data as Float32Array);
      if (data instanceof Uint16Array) fromFloat16(data, numbers);
      const product = numbers.reduce((s, value, i) => s + value * each.v.data[i]!, 0);
      const size = Math.hypot(...each.v.data) * Math.hypot(...numbers);
      t.true(Math.abs(product - inner) < bound * size, `jvp: ${product} instead of ${inner}`);
    });
  }
}
