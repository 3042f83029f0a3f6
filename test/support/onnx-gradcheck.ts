import type { ExecutionContext } from 'ava';

import { jvp } from '../../src/autodiff/jvp.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { makeNode, makeValueInfo, type AttributeValue } from '../../src/onnx/graph/graph.js';
import { makeModel, modelBytes, type Model } from '../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../src/onnx/file/proto.js';
import { createSession } from '../../src/onnx/run/runtime.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { array, count, type NdArray } from './onnx-reference/array.js';
import { evaluate } from './onnx-reference/evaluate.js';

/** One operator, or a small network, with random inputs. */
export interface Case {
  operator?: string;
  nodes?: readonly NodeProto[];
  /** Differentiated inputs by name. A name that starts with w keeps its sizes where others become symbols. */
  inputs: Readonly<Record<string, readonly number[]>>;
  /** Constant inputs by name; "-" stands for an absent one. */
  constants?: Readonly<Record<string, readonly number[] | TensorProto>>;
  /** Operands in order. Default: inputs, then constants. */
  operands?: readonly string[];
  attributes?: Readonly<Record<string, AttributeValue>>;
  outputs?: number;
  opset?: number;
  /** From where values are drawn. Default [-2, 2]. */
  range?: readonly [number, number];
  /** The rule needs known sizes. */
  fixed?: boolean;
}

/** Mulberry32: uniform numbers in [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function caseModel(test: Case, symbolic: boolean): Model {
  const { inputs, constants = {}, attributes = {}, outputs = 1, opset = 18 } = test;
  const operands = test.operands ?? [...Object.keys(inputs), ...Object.keys(constants)];
  const names = Array.from({ length: outputs }, (_, index) => (index === 0 ? 'y' : `y${index}`));
  const nodes = test.nodes ?? [
    makeNode(
      test.operator!,
      operands.map((name) => (name === '-' ? undefined : name)),
      names,
      attributes,
    ),
  ];
  const input = Object.entries(inputs).map(([name, sizes]) => {
    const open = symbolic && !name.startsWith('w');
    return makeValueInfo(name, {
      type: 'float32',
      shape: sizes.map((size, axis) => (open ? `${name}_${axis}` : size)),
    });
  });
  const initializer = Object.entries(constants).map(([name, value]) =>
    'data_type' in value
      ? { ...value, name }
      : makeTensor(name, 'int64', [(value as number[]).length], value as number[]),
  );
  const graph = { node: [...nodes], name: 'test', input, initializer, value_info: [] };
  const output = [makeValueInfo('y', { type: 'float32' })];
  return makeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: opset }],
    metadata_props: [],
    functions: [],
    graph: { ...graph, output },
  });
}

export function draw(
  random: () => number,
  shape: readonly number[],
  [low, high]: readonly [number, number],
): NdArray {
  return array(
    shape,
    Array.from({ length: count(shape) }, () => low + (high - low) * random()),
  );
}

function axpy(x: NdArray, step: number, u: NdArray): NdArray {
  return array(
    x.shape,
    x.data.map((value, index) => value + step * u.data[index]!),
  );
}

function dot(a: NdArray, b: NdArray): number {
  return a.data.reduce((sum, value, index) => sum + value * b.data[index]!, 0);
}

/** The largest difference, relative to the larger of 1 and the largest value. */
export function difference(a: NdArray, b: NdArray): number {
  const scale = Math.max(1, ...b.data.map(Math.abs));
  return Math.max(0, ...a.data.map((value, index) => Math.abs(value - b.data[index]!) / scale));
}

/**
 * Checks jvp and vjp of a case in double precision against a central difference, and against each other, and what
 * ONNX Runtime makes of both models in single precision against double precision.
 */
export async function gradcheck(t: ExecutionContext, name: string, test: Case): Promise<void> {
  for (const symbolic of test.fixed ? [false] : [false, true]) {
    await checkOne(t, `${name}${symbolic ? ', sizes unknown' : ''}`, test, symbolic);
  }
}

async function checkOne(t: ExecutionContext, name: string, test: Case, symbolic: boolean): Promise<void> {
  const model = caseModel(test, symbolic);
  const wrt = Object.keys(test.inputs);
  const random = uniform(7);
  const range = test.range ?? [-2, 2];
  const feeds = Object.fromEntries(wrt.map((key) => [key, draw(random, test.inputs[key]!, range)]));
  const directions = Object.fromEntries(wrt.map((key) => [key, draw(random, test.inputs[key]!, [-1, 1])]));
  const moved = (step: number): NdArray =>
    evaluate(
      model,
      Object.fromEntries(wrt.map((key) => [key, axpy(feeds[key]!, step, directions[key]!)])),
    ).get('y')!;

  const h = 1e-5;
  const slope = axpy(moved(h), -1, moved(-h));
  const expected = array(
    slope.shape,
    slope.data.map((value) => value / (2 * h)),
  );

  const tangents = wrt.map((key) => `tangent.${key}`);
  const forward = await jvp(model, { of: 'y', wrt, tangent: tangents });
  const moves = Object.fromEntries(wrt.map((key) => [`tangent.${key}`, directions[key]!]));
  const pushed = evaluate(forward, { ...feeds, ...moves }).get('jvp.y')!;
  t.deepEqual(pushed.shape, expected.shape, `${name}: shape of jvp`);
  t.true(difference(pushed, expected) < 1e-7, `${name}: jvp differs by ${difference(pushed, expected)}`);

  const reverse = await vjp(model, { of: 'y', wrt });
  const cotangent = draw(random, expected.shape, [-1, 1]);
  const pulled = evaluate(reverse, { ...feeds, cotangent });
  const total = wrt.reduce((sum, key) => sum + dot(directions[key]!, pulled.get(`vjp.${key}`)!), 0);
  const error = Math.abs(total - dot(cotangent, expected)) / Math.max(1, Math.abs(total));
  t.true(error < 1e-7, `${name}: vjp differs by ${error}`);
  const identity = Math.abs(total - dot(cotangent, pushed)) / Math.max(1, Math.abs(total));
  t.true(identity < 1e-10, `${name}: v.Ju and u.J'v differ by ${identity}`);
  for (const key of wrt)
    t.deepEqual(pulled.get(`vjp.${key}`)!.shape, feeds[key]!.shape, `${name}: shape of vjp.${key}`);

  if (!symbolic) await checkSecond(t, name, test, reverse, { ...feeds, cotangent }, directions);
  await checkRuntime(t, name, reverse, { ...feeds, cotangent }, pulled);
  await checkRuntime(t, name, forward, { ...feeds, ...moves }, new Map([['jvp.y', pushed]]));
}

/** Checks the derivative of a derivative, both in reverse mode, against a central difference of the first one. */
async function checkSecond(
  t: ExecutionContext,
  name: string,
  test: Case,
  reverse: Model,
  feeds: Readonly<Record<string, NdArray>>,
  directions: Readonly<Record<string, NdArray>>,
): Promise<void> {
  const wrt = Object.keys(test.inputs);
  const first = renamed(reverse);
  for (const key of wrt) {
    const of = `first.${key}`;
    let second: Model;
    try {
      second = await vjp(first, { of, wrt, cotangent: 'direction' });
    } catch (error) {
      // An operator that is linear in this input.
      if (/does not depend on/.test(String(error))) continue;
      throw error;
    }
    const moved = (step: number): NdArray => {
      const at = wrt.map((each) => [each, axpy(feeds[each]!, step, directions[each]!)]);
      return evaluate(first, { ...feeds, ...(Object.fromEntries(at) as Record<string, NdArray>) }).get(of)!;
    };
    const h = 1e-5;
    const direction = draw(uniform(8), feeds[key]!.shape, [-1, 1]);
    const expected = dot(direction, axpy(moved(h), -1, moved(-h))) / (2 * h);
    const pulled = evaluate(second, { ...feeds, direction });
    const total = wrt.reduce((sum, each) => sum + dot(directions[each]!, pulled.get(`vjp.${each}`)!), 0);
    const error = Math.abs(total - expected) / Math.max(1, Math.abs(expected));
    t.true(error < 1e-6, `${name}: the derivative of ${of} differs by ${error}`);
  }
}

/** The model with its products named first.* instead of vjp.*, names that a second derivative wants for its own. */
function renamed(model: Model): Model {
  const rename = (name: string): string => name.replace(/^vjp\./, 'first.');
  const { graph } = model.proto;
  const node = graph.node.map((each) => ({
    ...each,
    input: each.input.map(rename),
    output: each.output.map(rename),
  }));
  const output = graph.output.map((each) => ({ ...each, name: rename(each.name ?? '') }));
  return makeModel({ ...model.proto, graph: { ...graph, node, output } });
}

async function checkRuntime(
  t: ExecutionContext,
  name: string,
  model: Model,
  feeds: Readonly<Record<string, NdArray>>,
  expected: ReadonlyMap<string, NdArray>,
): Promise<void> {
  const session = await createSession(modelBytes(model), { threads: 1 });
  const singles = Object.entries(feeds).map(([key, { shape, data }]) => [
    key,
    { data: Float32Array.from(data), dims: shape },
  ]);
  const results = await session.run(Object.fromEntries(singles) as Parameters<typeof session.run>[0]);
  await session.release();
  for (const [key, { data, dims }] of Object.entries(results)) {
    const truth = expected.get(key);
    if (truth === undefined || !(data instanceof Float32Array)) continue;
    const error = difference(array(dims, data), truth);
    t.true(error < 2e-4, `${name}: ONNX Runtime's ${key} differs by ${error}`);
  }
}
