import test, { type ExecutionContext } from 'ava';

import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { buildNetwork } from '../../src/networks/build.js';
import { parameterNames, parameterValues, withParameters } from '../../src/autodiff/parameters.js';
import type { TrainingGraph } from '../../src/autodiff/training.js';
import type { Model } from '../../src/onnx/file/model.js';
import type { Tensor } from '../../src/onnx/run/runtime.js';
import { parameterizations } from '../../src/score/parameterization.js';
import { sdeFromName } from '../../src/sde/named.js';
import { objective } from '../../src/training/objective.js';
import type { ObjectiveOptions } from '../../src/training/options.js';
import { scrambled } from '../support/native-reference.js';
import { array, type NdArray } from '../support/onnx-reference/array.js';
import { evaluate } from '../support/onnx-reference/evaluate.js';
import { gaussianNetwork, meanOf, numbers, runTraining, smallMlp } from '../support/training-networks.js';

const step = 1;
const seed = 6n;

function normalData(rows: number, dimension: number): Float32Array {
  const x0 = new Float32Array(rows * dimension);
  fillNormal(x0, rows, { seed: 78n, samples: 0, step: 0, stream: Stream.data });
  return x0;
}

const asArray = ({ data, dims }: Tensor): NdArray =>
  array([...dims], Array.from(data as Float32Array, Number));

async function losses(model: Model, x0: Float32Array, options: ObjectiveOptions): Promise<number[]> {
  const goal = objective(model, { trainingEpsilon: 0.3, ...options });
  const { tensors } = goal.feeds({ x0, first: 0, step, seed });
  return numbers((await runTraining(await goal.trainingGraph(), model, tensors))['losses']);
}

test('denoising less implicit score matching is lambda / sigma^2, whatever the network', async (t) => {
  const x0 = normalData(20000, 3);
  const metadata = { sde: 'vp' } as const;
  for (const model of [smallMlp('Tanh', { seed: 1, metadata }), smallMlp('SiLU', { seed: 2, metadata })]) {
    const [denoising, implicit] = [
      await losses(model, x0, {}),
      await losses(model, x0, { kind: 'implicit' }),
    ];
    const { mean, error } = meanOf(denoising.map((loss, i) => loss - implicit[i]!));
    t.true(error < 0.05);
    t.true(Math.abs(mean - 1) < 5 * error, `${mean} +- ${error}`);
  }
});

test('the implicit loss of a row is lambda (|s|^2 + 2 tr ds/dx) per element', async (t) => {
  const sde = sdeFromName('ve');
  const model = smallMlp('Softplus');
  const goal = objective(model, { kind: 'implicit', weighting: 'likelihood' });
  const { tensors, times } = goal.feeds({ x0: normalData(7, 3), first: 0, step, seed });
  const result = await runTraining(await goal.trainingGraph(), model, tensors);
  const x = asArray(tensors['x']!);
  const score = (element: number, shift: number) => {
    const moved = array(
      x.shape,
      x.data.map((value, i) => (i % 3 === element ? value + shift : value)),
    );
    return evaluate(model, { x: moved, t: asArray(tensors['t']!) }).get('out')!.data;
  };
  const here = score(0, 0);
  numbers(result['losses']).forEach((loss, b) => {
    const row = [0, 1, 2].map((e) => {
      const slope = (score(e, 1e-5)[3 * b + e]! - score(e, -1e-5)[3 * b + e]!) / 2e-5;
      return here[3 * b + e]! ** 2 + 2 * slope;
    });
    const expected = (sde.diffusion(times[b]!) ** 2 * row.reduce((sum, value) => sum + value, 0)) / 3;
    t.true(Math.abs(loss - expected) < 1e-4 * (1 + Math.abs(expected)), `${loss}, not ${expected}`);
  });
});

test('the implicit loss of a function is the same in every parameterization', async (t) => {
  const x0 = normalData(50, 2);
  const expected = await losses(gaussianNetwork('vp', 'score', 0.7), x0, {
    kind: 'implicit',
    weighting: 'sigma2',
  });
  for (const parameterization of parameterizations) {
    const model = gaussianNetwork('vp', parameterization, 0.7);
    (await losses(model, x0, { kind: 'implicit', weighting: 'sigma2' })).forEach((loss, i) => {
      t.true(Math.abs(loss - expected[i]!) < 2e-3, `${parameterization}: ${loss}, not ${expected[i]!}`);
    });
  }
});

test('sliced score matching has the expectation of the exact trace, and less variance with variance reduction', async (t) => {
  const model = smallMlp('Tanh', { seed: 3 });
  const x0 = normalData(20000, 3);
  const exact = await losses(model, x0, { kind: 'implicit' });
  const deviation = async (options: ObjectiveOptions) => {
    const sliced = await losses(model, x0, { kind: 'sliced', ...options });
    const { mean, error } = meanOf(sliced.map((loss, i) => loss - exact[i]!));
    t.true(Math.abs(mean) < 5 * error, `${JSON.stringify(options)}: ${mean} +- ${error}`);
    return error;
  };
  for (const probe of ['rademacher', 'normal'] as const) {
    const reduced = await deviation({ probe });
    t.true((await deviation({ probe, varianceReduction: false })) > 1.5 * reduced);
    t.true((await deviation({ probe, probes: 4 })) < 0.6 * reduced);
  }
});

/** The loss in double precision, with one direction added to all parameters. */
function movedLoss(
  graph: TrainingGraph,
  model: Model,
  tensors: Readonly<Record<string, Tensor>>,
  step: number,
): number {
  const values = parameterValues(
    model,
    graph.parameters.map(({ name }) => name),
  );
  const feeds = Object.fromEntries(Object.entries(tensors).map(([name, each]) => [name, asArray(each)]));
  for (const { name, shape } of graph.parameters) {
    feeds[name] = array(
      [...shape],
      Array.from(values.get(name)!, (value, i) => value + step * Math.cos(i)),
    );
  }
  return evaluate(graph.model, feeds).get('loss')!.data[0]!;
}

async function checkGradients(
  t: ExecutionContext,
  model: Model,
  x0: Float32Array,
  options: ObjectiveOptions,
): Promise<void> {
  const goal = objective(model, options);
  const { tensors } = goal.feeds({ x0, first: 0, step, seed });
  const graph = await goal.trainingGraph();
  const result = await runTraining(graph, model, tensors);
  const slope = graph.parameters.reduce(
    (total, { gradient }) =>
      numbers(result[gradient]).reduce((sum, value, i) => sum + value * Math.cos(i), total),
    0,
  );
  const h = 1e-4;
  const expected = (movedLoss(graph, model, tensors, h) - movedLoss(graph, model, tensors, -h)) / (2 * h);
  t.true(Math.abs(slope - expected) < 1e-4 * Math.max(1, Math.abs(expected)), `${slope}, not ${expected}`);
}

for (const activation of ['Tanh', 'SiLU', 'Softplus', 'Gelu']) {
  test(`gradients of the implicit and sliced losses are right through ${activation}`, async (t) => {
    const model = smallMlp(activation);
    await checkGradients(t, model, normalData(4, 3), { kind: 'implicit' });
    await checkGradients(t, model, normalData(4, 3), { kind: 'sliced', varianceReduction: false, probes: 2 });
  });
}

test('gradients of the sliced loss are right through a U-Net with group normalisation and attention', async (t) => {
  const built = buildNetwork({
    kind: 'unet',
    shape: [1, 4, 4],
    sde: 'vp',
    parameterization: 'eps',
    channels: [8, 16],
    blocks: 1,
    stem: 1,
    embedding: 8,
  });
  const moved = (value: Float32Array, i: number) => {
    const shift = scrambled(value.length, i);
    return value.map((x, j) => x + 0.2 * shift[j]!);
  };
  // Away from the zeros with which its heads start.
  const values = [...parameterValues(built, parameterNames(built, 'all'))].map(
    ([name, value], i) => [name, moved(value, i)] as const,
  );
  await checkGradients(t, withParameters(built, new Map(values)), normalData(2, 16), { kind: 'sliced' });
});

test('an exact trace in many dimensions is refused', (t) => {
  t.throws(() => objective(gaussianNetwork('ve', 'score', 1, 65), { kind: 'implicit' }), {
    message: /'sliced' or 'denoising'/,
  });
});
