import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { jvp } from '../../src/autodiff/jvp.js';
import { linearize } from '../../src/autodiff/linearize.js';
import { parameterValues } from '../../src/autodiff/parameters.js';
import { trainingGraph } from '../../src/autodiff/training.js';
import { vjp } from '../../src/autodiff/vjp.js';
import { modelBytes, readModel, type Model } from '../../src/onnx/file/model.js';
import { createSession, type Tensor } from '../../src/onnx/run/runtime.js';

/** What scripts/autodiff/fixtures.py took from PyTorch. */
interface Expected extends Record<
  'x' | 't' | 'u' | 'v' | 'y' | 'vjp' | 'jvp',
  { shape: number[]; data: number[] }
> {
  loss: number;
  /** Norm of each parameter's gradient, and its inner product with cos(0), cos(1), ... */
  gradients: Record<string, [number, number]>;
}

const folder = join('test', 'fixtures', 'onnx');

async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(modelBytes(model), { threads: 1 });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

function tensor({ shape, data }: { shape: number[]; data: number[] }): Tensor {
  return { data: Float32Array.from(data), dims: shape };
}

function numbers(value: Tensor | undefined): number[] {
  return Array.from(value!.data as Float32Array);
}

function agrees(t: ExecutionContext, name: string, ours: number[], theirs: number[], scale = 0): void {
  t.is(ours.length, theirs.length, name);
  const size = Math.max(scale, ...theirs.map(Math.abs));
  const error = Math.max(...ours.map((value, index) => Math.abs(value - theirs[index]!))) / size;
  t.true(error < 1e-4, `${name} differs by ${error}`);
}

for (const name of ['mlp', 'dit', 'wide-resnet', 'unet']) {
  test(`${name}: vjp, jvp and parameter gradients are PyTorch's`, async (t) => {
    const model = await readModel(join(folder, `${name}.onnx`));
    const expected = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Expected;
    const [x, label] = [tensor(expected.x), tensor(expected.t)];

    const pulled = await run(await vjp(model, { wrt: 'x' }), { x, t: label, cotangent: tensor(expected.v) });
    agrees(t, 'y', numbers(pulled['y']), expected.y.data);
    agrees(t, 'vjp', numbers(pulled['vjp.x']), expected.vjp.data);

    for (const fused of [false, true]) {
      const names = { of: 'y', wrt: 'x', cotangent: 'v', fused };
      const { forward, transpose, kept } = await linearize(model, names);
      const evaluated = await run(forward, { x, t: label });
      agrees(t, 'y', numbers(evaluated['y']), expected.y.data);
      const tape = Object.fromEntries(
        kept.map((input) => [input, evaluated[input] ?? { x, t: label }[input]!]),
      );
      for (const scale of [1, -3]) {
        const v = { ...expected.v, data: expected.v.data.map((value) => scale * value) };
        const product = await run(transpose, { ...tape, v: tensor(v) });
        t.deepEqual(Object.keys(product), ['vjp.x']);
        const theirs = expected.vjp.data.map((value) => scale * value);
        agrees(t, 'product', numbers(product['vjp.x']), theirs);
      }
    }

    const pushed = await run(await jvp(model, { wrt: 'x' }), { x, t: label, tangent: tensor(expected.u) });
    agrees(t, 'jvp', numbers(pushed['jvp.y']), expected.jvp.data);

    // PyTorch's exporter fuses some parameters into others; those that it left are compared.
    const names = Object.keys(expected.gradients);
    const graph = await trainingGraph(model, { loss: { kind: 'mean-squared-error' }, parameters: names });
    const values = parameterValues(model, names);
    const feeds: Record<string, Tensor> = { x, t: label, target: tensor(expected.v) };
    for (const parameter of graph.parameters) {
      feeds[parameter.name] = { data: values.get(parameter.name)!, dims: parameter.shape };
    }
    const trained = await run(graph.model, feeds);
    agrees(t, 'loss', numbers(trained['loss']), [expected.loss]);
    // A gradient that is zero in theory, such as that of the bias of attention's keys, is rounding noise.
    const scale = 1e-3 * Math.max(...Object.values(expected.gradients).map(([norm]) => norm));
    for (const parameter of graph.parameters) {
      const gradient = numbers(trained[parameter.gradient]);
      const [norm, projection] = expected.gradients[parameter.name]!;
      const ours = [
        Math.hypot(...gradient),
        gradient.reduce((sum, value, index) => sum + value * Math.cos(index), 0),
      ];
      agrees(t, parameter.gradient, ours, [norm, projection], Math.max(norm, scale));
    }
  });
}
