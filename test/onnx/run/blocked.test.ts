import test from 'ava';

import { ModelError } from '../../../src/errors.js';
import { parameterValues } from '../../../src/autodiff/parameters.js';
import { trainingGraph } from '../../../src/autodiff/training.js';
import { blockConvolutions, blockSize } from '../../../src/onnx/run/blocked.js';
import { WEIGHT_GRADIENT } from '../../../src/onnx/graph/fuse.js';
import { makeNode, makeValueInfo, operatorOf, type AttributeValue } from '../../../src/onnx/graph/graph.js';
import { modelBytes, readModel, type Model } from '../../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../../src/onnx/file/proto.js';
import { createSession, type Tensor } from '../../../src/onnx/run/runtime.js';
import { makeTensor } from '../../../src/onnx/file/tensor.js';
import { uniform } from '../../support/onnx-gradcheck.js';
import { onnxNetwork } from '../../support/onnx-network.js';

interface Layer {
  /** [O, I / group, h, w] */
  weight: readonly [number, number, number, number];
  attributes?: Readonly<Record<string, AttributeValue>>;
}

/** Convolutions with biases and a Tanh between them, for images [N, C, h, w]. */
function network(image: readonly [number, number, number], layers: readonly Layer[]): Model {
  const random = uniform(3);
  const draw = (name: string, dims: readonly number[], scale: number): TensorProto =>
    makeTensor(
      name,
      'float32',
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * (2 * random() - 1)),
    );
  const node: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  layers.forEach(({ weight, attributes = {} }, index) => {
    const [out, into, ...kernel] = weight;
    const scale = 1 / Math.sqrt(into * kernel[0] * kernel[1]);
    initializer.push(draw(`${index}.weight`, weight, scale), draw(`${index}.bias`, [out], 1));
    const input = index === 0 ? 'x' : `${index}.in`;
    const last = index === layers.length - 1;
    const result = last ? 'y' : `${index}.out`;
    node.push(makeNode('Conv', [input, `${index}.weight`, `${index}.bias`], [result], attributes));
    if (!last) node.push(makeNode('Tanh', [result], [`${index + 1}.in`]));
  });
  return onnxNetwork(node, initializer, [makeValueInfo('x', { type: 'float32', shape: ['N', ...image] })]);
}

async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(modelBytes(model), { threads: 1 });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

/** Numbers for every input of a training graph: trained values for parameters, else uniform in [-1, 1]. */
function feedsOf(original: Model, training: Model, batch: number): Record<string, Tensor> {
  const random = uniform(5);
  const names = original.proto.graph.initializer.map(({ name }) => name ?? '');
  const parameters = training.inputs.filter(({ name }) => names.includes(name));
  const values = parameterValues(
    original,
    parameters.map(({ name }) => name),
  );
  return Object.fromEntries(
    training.inputs.map(({ name, shape }) => {
      const dims = shape!.map((size) => (typeof size === 'number' ? size : batch));
      const length = dims.reduce((a, b) => a * b, 1);
      const data = values.get(name) ?? Float32Array.from({ length }, () => 2 * random() - 1);
      return [name, { data, dims }];
    }),
  );
}

/** The largest difference of any output, relative to the largest value of that output. */
function difference(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  return Math.max(
    ...Object.keys(a).map((name) => {
      const [x, y] = [a[name]!.data as Float32Array, b[name]!.data as Float32Array];
      if (x.length !== y.length) return Infinity;
      const largest = x.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
      return x.reduce((most, each, i) => Math.max(most, Math.abs(each - y[i]!)), 0) / largest;
    }),
  );
}

const count = (model: Model, operator: string): number =>
  model.proto.graph.node.filter((node) => operatorOf(node) === operator).length;

const BLOCKED = 'com.microsoft.nchwc:Conv';
const pads = [1, 1, 1, 1];

const cases: Record<string, { image: [number, number, number]; layers: Layer[]; batch: number }> = {
  'multiples of the block': {
    image: [16, 6, 5],
    layers: [
      { weight: [32, 16, 3, 3], attributes: { pads } },
      { weight: [16, 32, 3, 3], attributes: { pads } },
    ],
    batch: 32,
  },
  'channels that fill no block': {
    image: [20, 5, 5],
    layers: [
      { weight: [12, 20, 3, 3], attributes: { pads } },
      { weight: [36, 12, 3, 3], attributes: { pads } },
      { weight: [3, 36, 3, 3], attributes: { pads } },
    ],
    batch: 16,
  },
  'few channels at both ends': {
    image: [3, 8, 8],
    layers: [
      { weight: [32, 3, 3, 3], attributes: { pads } },
      { weight: [3, 32, 3, 3], attributes: { pads } },
    ],
    batch: 16,
  },
  'strides that leave a rest': {
    image: [16, 8, 7],
    layers: [
      { weight: [32, 16, 3, 3], attributes: { pads, strides: [2, 2] } },
      { weight: [16, 32, 2, 3], attributes: { strides: [1, 2] } },
    ],
    batch: 16,
  },
  'dilation and uneven pads': {
    image: [16, 9, 9],
    layers: [
      { weight: [16, 16, 3, 3], attributes: { pads: [2, 1, 0, 2], dilations: [2, 1] } },
      { weight: [16, 16, 5, 3], attributes: { pads: [0, 1, 1, 0] } },
    ],
    batch: 16,
  },
  'kernels of one position': {
    image: [16, 4, 4],
    layers: [{ weight: [48, 16, 1, 1] }, { weight: [16, 48, 1, 1], attributes: { strides: [2, 2] } }],
    batch: 16,
  },
  'one sample': {
    image: [16, 6, 6],
    layers: [{ weight: [32, 16, 3, 3], attributes: { pads } }, { weight: [16, 32, 3, 3] }],
    batch: 1,
  },
  'a batch that fills no block': {
    image: [16, 6, 6],
    layers: [{ weight: [32, 16, 3, 3], attributes: { pads } }, { weight: [16, 32, 3, 3] }],
    batch: 10,
  },
};

for (const [name, { image, layers, batch }] of Object.entries(cases)) {
  test(`blocked convolutions give the same loss and gradients: ${name}`, async (t) => {
    const original = network(image, layers);
    const training = await trainingGraph(original, { loss: { kind: 'mean-squared-error' } });
    const blocked = await blockConvolutions(training.model, batch);
    // A processor may have none.
    t.is(blocked === undefined, (await blockSize()) === undefined);
    if (blocked === undefined) return;
    t.true(count(blocked, BLOCKED) > 0);
    const feeds = feedsOf(original, training.model, batch);
    t.true(difference(await run(training.model, feeds), await run(blocked, feeds)) < 5e-6);
  });
}

test('weight gradients are one operator each, whatever the batch', async (t) => {
  const layers = [
    { weight: [32, 16, 3, 3], attributes: { pads } },
    { weight: [32, 32, 3, 3], attributes: { pads } },
    { weight: [16, 32, 1, 1], attributes: {} },
  ] as const;
  const training = await trainingGraph(network([16, 6, 6], layers), { loss: { kind: 'mean-squared-error' } });
  const block = await blockSize();
  const blocked = await blockConvolutions(training.model, 5);
  t.is(blocked === undefined, block === undefined);
  if (blocked === undefined) return;
  // Three forward, two input gradients.
  t.is(count(blocked, BLOCKED), 5);
  t.is(count(blocked, WEIGHT_GRADIENT), 3);
  for (const operator of ['Conv', 'Gemm']) t.is(count(blocked, operator), 0);
});

test('convolutions in groups stay as they are', async (t) => {
  const layers = [{ weight: [32, 8, 3, 3], attributes: { pads, group: 2 } }] as const;
  const training = await trainingGraph(network([16, 6, 6], layers), { loss: { kind: 'mean-squared-error' } });
  t.is(await blockConvolutions(training.model, 16), undefined);
});

test('the embedded network has the same loss and gradients in blocks', async (t) => {
  const original = await readModel('models/mnist-vp.onnx');
  const training = await trainingGraph(original, { loss: { kind: 'mean-squared-error' } });
  const blocked = await blockConvolutions(training.model, 16);
  t.is(blocked === undefined, (await blockSize()) === undefined);
  if (blocked === undefined) return;
  const feeds = feedsOf(original, training.model, 16);
  feeds['t'] = { data: Float32Array.from({ length: 16 }, (_, row) => 20 + 60 * row), dims: [16] };
  t.true(difference(await run(training.model, feeds), await run(blocked, feeds)) < 2e-5);
});

test('another batch than the one blocked for is refused', async (t) => {
  const layers = [{ weight: [32, 16, 3, 3], attributes: { pads } }] as const;
  const original = network([16, 6, 6], layers);
  const training = await trainingGraph(original, { loss: { kind: 'mean-squared-error' } });
  const blocked = await blockConvolutions(training.model, 16);
  t.is(blocked === undefined, (await blockSize()) === undefined);
  if (blocked === undefined) return;
  await t.throwsAsync(run(blocked, feedsOf(original, training.model, 8)), { instanceOf: ModelError });
});
