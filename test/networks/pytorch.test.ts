import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { buildNetwork } from '../../src/networks/build.js';
import type { NetworkDescription } from '../../src/networks/description.js';
import { withoutDropout } from '../../src/networks/dropout.js';
import { parameterNames, parameterValues, withParameters } from '../../src/autodiff/parameters.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import { modelBytes, type Model } from '../../src/onnx/file/model.js';
import { createSession, type Tensor } from '../../src/onnx/run/runtime.js';

/** What scripts/networks/fixtures.py took from PyTorch. */
interface Expected {
  description: NetworkDescription;
  /** Each tensor's weights are offset + amplitude sin(i + 7 j); its gradient is told by its norm and a projection. */
  parameters: Record<
    string,
    { shape: number[]; offset: number; amplitude: number; gradient: [number, number] }
  >;
  x: number[];
  t: number[];
  class?: number[];
  /** Shapes by name. */
  masks: Record<string, number[]>;
  /** Without dropout. */
  y: number[];
  target: number[];
  /** With dropout. */
  loss: number;
}

const cases = JSON.parse(readFileSync(join('test', 'fixtures', 'networks.json'), 'utf8')) as Record<
  string,
  Expected
>;

async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(modelBytes(model), { threads: 1 });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

function numbers(value: Tensor | undefined): number[] {
  return Array.from(value!.data as Float32Array);
}

function agrees(t: ExecutionContext, name: string, ours: number[], theirs: number[], scale = 0): void {
  t.is(ours.length, theirs.length, name);
  const size = Math.max(scale, ...theirs.map(Math.abs));
  const error = Math.max(...ours.map((value, i) => Math.abs(value - theirs[i]!))) / size;
  t.true(error < 1e-4, `${name} differs by ${error}`);
}

function weighted(model: Model, { parameters }: Expected): Model {
  const values = Object.entries(parameters).map(([name, { shape, offset, amplitude }], j) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const value = Float32Array.from({ length: count }, (_, i) => offset + amplitude * Math.sin(i + 7 * j));
    return [name, value] as const;
  });
  return withParameters(model, new Map(values));
}

function feedsOf(expected: Expected): Record<string, Tensor> {
  const rows = expected.t.length;
  return {
    x: { data: Float32Array.from(expected.x), dims: [rows, ...expected.description.shape] },
    t: { data: Float32Array.from(expected.t), dims: [rows] },
    ...(expected.class && { class: { data: BigInt64Array.from(expected.class, BigInt), dims: [rows] } }),
  };
}

function masksOf({ description, masks }: Expected): Record<string, Tensor> {
  const kept = 1 / (1 - (description.dropout ?? 0));
  const entries = Object.entries(masks).map(([name, dims], j) => {
    const count = dims.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length: count }, (_, i) => ((i + j) % 4 === 0 ? 0 : kept));
    return [name, { data, dims }] as const;
  });
  return Object.fromEntries(entries);
}

for (const [name, expected] of Object.entries(cases)) {
  const { description, parameters, target } = expected;

  test(`${name}: the output is PyTorch's`, async (t) => {
    const model = withoutDropout(weighted(buildNetwork(description), expected));
    const outputs = await run(model, feedsOf(expected));
    agrees(t, 'y', numbers(outputs[model.outputs[0]!.name]), expected.y);
  });

  test(`${name}: loss and gradients, with dropout, are PyTorch's`, async (t) => {
    const model = weighted(buildNetwork(description), expected);
    const shapes = new Map(model.proto.graph.initializer.map(({ name, dims }) => [name, dims]));
    const names = parameterNames(model, 'all');
    t.deepEqual(names.toSorted(), Object.keys(parameters).sort());
    for (const each of names) t.deepEqual(shapes.get(each), parameters[each]!.shape, each);

    const classifier = description.kind === 'classifier';
    const graph = await trainingGraph(model, {
      loss: classifier ? { kind: 'cross-entropy' } : { kind: 'mean-squared-error' },
    });
    const values = parameterValues(model, names);
    const feeds = { ...feedsOf(expected), ...masksOf(expected) };
    if (classifier) feeds['labels'] = { data: BigInt64Array.from(target, BigInt), dims: [target.length] };
    else feeds['target'] = { data: Float32Array.from(target), dims: feeds['x']!.dims };
    for (const { name: each, shape } of graph.parameters) {
      feeds[each] = { data: values.get(each)!, dims: shape };
    }
    const trained = await run(graph.model, feeds);
    agrees(t, 'loss', numbers(trained['loss']), [expected.loss]);
    // A gradient that is zero in theory, such as that of the bias of attention's keys, is rounding noise.
    const scale = 1e-2 * Math.max(...Object.values(parameters).map(({ gradient: [norm] }) => norm));
    for (const { name: each, gradient } of graph.parameters) {
      const flat = numbers(trained[gradient]);
      const projection = flat.reduce((sum, value, i) => sum + value * Math.cos(i), 0);
      const theirs = parameters[each]!.gradient;
      agrees(t, gradient, [Math.hypot(...flat), projection], theirs, Math.max(theirs[0], scale));
    }
  });
}
