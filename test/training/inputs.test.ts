import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DataError, ModelError, OptionError } from '../../src/errors.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import type { Model } from '../../src/onnx/file/model.js';
import { train } from '../../src/training/train.js';
import { numbers, runTraining, Sketch } from '../support/training-networks.js';
import { planarData, TRAINING } from '../support/training-runs.js';

const data = planarData(50);
const metadata = { sde: 'vp', parameterization: 'eps', labels: 't' } as const;
const few = { ...TRAINING, steps: 3 };

/** eps = tanh(x W + text V + s) U, with text and s inputs of the network, or fixed in it. */
function network(fixed?: { text: readonly number[]; s: number }): Model {
  const g = new Sketch();
  const weight = (name: string, rows: number, columns: number, phase: number) =>
    g.tensor(
      [rows, columns],
      Array.from({ length: rows * columns }, (_, i) => Math.sin(phase + 2 * i)),
      `${name}.weight`,
    );
  const text = fixed ? g.tensor([1, 3], fixed.text, 'fixed.text') : 'text';
  const s = fixed ? g.tensor([1, 1], [fixed.s], 'fixed.s') : 's';
  const hidden = g.op(
    'Add',
    g.op('MatMul', 'x', weight('w', 2, 4, 0)),
    g.op('MatMul', text, weight('v', 3, 4, 1)),
  );
  const out = g.op('MatMul', g.op('Tanh', g.op('Add', hidden, s)), weight('u', 4, 2, 2));
  return g.model(out, [2], metadata, { inputs: fixed ? {} : { text: [3], s: [1] } });
}

const text = { data: Float32Array.of(0.5, -1, 2), shape: [1, 3] };
const parameters = ['w.weight', 'v.weight', 'u.weight'];

test.serial('constant inputs are fed as if they were fixed in the network, which keeps them', async (t) => {
  const fed = await train(network(), data, { ...few, parameters, inputs: { text, s: 0.25 } });
  const same = await train(network({ text: [0.5, -1, 2], s: 0.25 }), data, { ...few, parameters });
  const weights = (model: Model) => parameters.map((name) => valuesOf(model).get(name));
  t.deepEqual(weights(fed.model), weights(same.model));
  const other = await train(network(), data, { ...few, parameters, inputs: { text, s: 1 } });
  t.notDeepEqual(weights(other.model), weights(same.model));
  t.deepEqual(
    fed.model.inputs.map(({ name }) => name),
    ['x', 't', 'text', 's'],
  );
  const [first, second] = fed.options['inputs'] as { name: string; value?: number; sha256?: string }[];
  t.is(first!.name, 'text');
  t.regex(first!.sha256!, /^[0-9a-f]{64}$/);
  t.like(second, { name: 's', value: 0.25 });
});

test.serial('a run with other inputs is another run', async (t) => {
  const checkpoints = { folder: await mkdtemp(join(tmpdir(), 'fastsde-inputs-')) };
  t.teardown(() => rm(checkpoints.folder, { recursive: true }));
  await train(network(), data, { ...few, checkpoints, inputs: { text, s: 0.25 } });
  await t.throwsAsync(
    async () => train(network(), data, { ...few, steps: 4, checkpoints, inputs: { text, s: 1 } }),
    { instanceOf: DataError, message: /is of another run: .*inputs/ },
  );
});

test('inputs that are missing, superfluous, of another shape or one for each sample are named', (t) => {
  const refused = (inputs: Record<string, unknown> | undefined, message: RegExp): void => {
    const error = t.throws(() => train(network(), data, { ...few, inputs: inputs as never }), {
      instanceOf: OptionError,
    });
    t.regex(error.message, message);
  };
  refused(undefined, /^inputs\.text must be a number or an array: .*inputs of train/);
  refused({ text }, /^inputs\.s must be a number or an array/);
  refused({ text, s: 1, guide: 2 }, /guide/);
  refused({ text: { ...text, shape: [3, 1] }, s: 1 }, /^inputs\.text must be float32\[N, 3\]/);
  refused(
    { text: { data: new Float32Array(6), shape: [2, 3] }, s: 1 },
    /^inputs\.text must be one value for all/,
  );
});

test('a network with self-conditioning is refused by name', (t) => {
  const g = new Sketch();
  const sum = g.op('Add', 'x', g.op('MatMul', 'x_self_cond', g.tensor([2, 2], [1, 2, 3, 4], 'w.weight')));
  const network = g.model(sum, [2], metadata, { inputs: { x_self_cond: [2] } });
  t.throws(() => train(network, data, few), { instanceOf: ModelError, message: /"x_self_cond"/ });
});

/** eps = tanh(tanh(x W_1 + b_1) W_2 + b_2) W_3, with equal biases written once or for each use. */
function biased(names: readonly [string, string], value: readonly number[]): Model {
  const g = new Sketch();
  let hidden = 'x';
  names.forEach((name, layer) => {
    const size = layer === 0 ? [2, 3] : [3, 3];
    const values = Array.from({ length: size[0]! * size[1]! }, (_, i) => Math.cos(layer + i));
    const product = g.op('MatMul', hidden, g.tensor(size, values, `layer${layer}.weight`));
    if (!g.tensors.some((tensor) => tensor.name === name)) g.tensor([3], value, name);
    hidden = g.op('Tanh', g.op('Add', product, name));
  });
  return g.model(g.op('MatMul', hidden, g.tensor([3, 2], [1, 2, 3, 4, 5, 6], 'out.weight')), [2], metadata);
}

function valuesOf(model: Model): Map<string, number[]> {
  return new Map(
    model.proto.graph.initializer.map(({ name, raw_data }) => [
      name!,
      [...new Float32Array(Uint8Array.from(raw_data!).buffer)],
    ]),
  );
}

test.serial('equal biases that an exporter wrote once are trained apart', async (t) => {
  const merged = valuesOf((await train(biased(['b', 'b'], [0, 0, 0]), data, few)).model);
  const apart = valuesOf((await train(biased(['b', 'b.2'], [0, 0, 0]), data, few)).model);
  t.deepEqual(merged.get('b'), apart.get('b'));
  t.deepEqual(merged.get('b.2'), apart.get('b.2'));
  t.notDeepEqual(merged.get('b'), merged.get('b.2'));
});

test.serial('tied weights stay tied, and their gradient is the sum over their uses', async (t) => {
  const value = [0.1, -0.2, 0.3];
  t.false(valuesOf((await train(biased(['b', 'b'], value), data, few)).model).has('b.2'));
  const loss = { kind: 'mean-squared-error', output: 'out', target: 'target', weight: 'weight' } as const;
  const gradientsOf = async (names: readonly [string, string]) => {
    const model = biased(names, value);
    const [t, weight] = [0.5, 1].map((each) => ({ data: Float32Array.of(each, each), dims: [2] }));
    const x = { data: Float32Array.of(1, 2, -0.5, 0.3), dims: [2, 2] };
    const target = { data: Float32Array.of(0.2, -1, 1, 0), dims: [2, 2] };
    const graph = await trainingGraph(model, { loss });
    const found = await runTraining(graph, model, { x, target, t: t!, weight: weight! });
    return names.map((name) => numbers(found[`grad.${name}`]));
  };
  const [tied] = await gradientsOf(['b', 'b']);
  const [first, second] = await gradientsOf(['b', 'c']);
  for (const [i, sum] of tied!.entries()) t.true(Math.abs(sum - first![i]! - second![i]!) < 1e-6);
  t.true(first!.some((part, i) => Math.abs(part) > 0.01 && Math.abs(second![i]!) > 0.01));
});
