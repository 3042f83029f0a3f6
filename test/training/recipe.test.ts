import test from 'ava';

import { toys } from '../../src/data/toys.js';
import type { Dataset } from '../../src/data/dataset.js';
import { DataError, OptionError } from '../../src/errors.js';
import { modelBytes } from '../../src/onnx/file/model.js';
import { buildNetwork } from '../../src/networks/build.js';
import { chooseRecipe, splitData, type RecipeOptions } from '../../src/training/recipe.js';

const points: Dataset = toys['two-moons'].sample(200, {});
const pictures: Dataset = {
  data: new Uint8Array(20 * 64).map((_, i) => (i * i) % 251),
  shape: [20, 1, 8, 8],
};

test('points are trained at noise levels about their spread, unless told otherwise', (t) => {
  const objectiveFor = (given: RecipeOptions, data = points): object | undefined =>
    chooseRecipe(data, given).options.objective;
  const standard = { weighting: 'edm', times: 'log-normal' };
  t.deepEqual(objectiveFor({}), standard);
  t.deepEqual(objectiveFor({ objective: { dropLabels: 0.1 } }), { ...standard, dropLabels: 0.1 });
  for (const objective of [
    { weighting: 'likelihood' },
    { times: 'uniform' },
    { spread: true },
    { kind: 'sliced' },
  ] as const)
    t.deepEqual(objectiveFor({ objective }), objective);
  for (const network of [
    { kind: 'classifier', classes: 2 },
    { labels: 'index', trainedLevels: 1000 },
  ])
    t.deepEqual(objectiveFor({ network }), {});
  const model = buildNetwork({ kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'eps' });
  t.deepEqual(objectiveFor({ model }), {});
  t.deepEqual(objectiveFor({}, pictures), {});
});

test('what is given stays, and the rest is chosen by the kind of data', (t) => {
  const { options } = chooseRecipe(points, { batch: 7, ema: [0.9, { kind: 'constant', decay: 0.5 }] });
  t.like(options, { steps: 2500, batch: 7, learningRate: 2e-3, decay: 'cosine' });
  t.deepEqual(options.ema, [
    { kind: 'warm-up', decay: 0.9 },
    { kind: 'constant', decay: 0.5 },
  ]);
  t.like(chooseRecipe(pictures).options, { steps: 10_000, batch: 128, learningRate: 5e-4 });
});

test('the network has the moments of the data, and a VE process their largest distance', (t) => {
  const data = { data: Float32Array.of(3, 0, 0, 4, 0, 0, 3, 4), shape: [4, 2] };
  const { model } = chooseRecipe(data, { network: { sde: 've' } });
  const network = JSON.parse(model.metadata.get('fastsde.network')!) as object;
  // Mean 14 / 8, variance 50 / 8 - mean^2; the largest distance is 5.
  t.like(network, { constants: { sigmaMax: 5 }, precondition: { mean: 1.75, std: 1.785 }, sigmaData: 1.785 });
  t.deepEqual(
    modelBytes(chooseRecipe(data, { seed: 3 }).model),
    modelBytes(chooseRecipe(data, { seed: 3n }).model),
  );
});

test('a recipe that cannot be used is refused by name', (t) => {
  const model = buildNetwork({ kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'eps' });
  for (const [given, option] of [
    [{ stpes: 3 }, 'stpes'],
    [{ graph: model }, 'graph'],
    [{ model, conditional: true }, 'conditional'],
    [{ model, network: { width: 3 } }, 'network.width'],
    [{ network: { widht: 3 } }, 'network.widht'],
  ] as const)
    t.is(t.throws(() => chooseRecipe(points, given as object), { instanceOf: OptionError }).option, option);
  t.throws(() => chooseRecipe(pictures, { conditional: true }), { instanceOf: DataError });
});

test('large pictures that cannot be halved are refused with a size that can, small ones are not', (t) => {
  const of = (height: number, width: number): Dataset => ({
    data: new Uint8Array(2 * height * width).map((_, i) => i % 250),
    shape: [2, 1, height, width],
  });
  for (const [height, width] of [
    [125, 125],
    [130, 120],
  ] as const)
    t.throws(() => chooseRecipe(of(height, width)), {
      instanceOf: DataError,
      message: new RegExp(
        `^Pictures of ${width} x ${height} .*--resize ${8 * Math.ceil(height / 8)},${8 * Math.ceil(width / 8)}`,
      ),
    });
  for (const [height, width] of [
    [15, 15],
    [36, 28],
    [64, 128],
  ] as const)
    t.notThrows(() => chooseRecipe(of(height, width)));
});

test('a twentieth is held out, at most 1000 samples and none of few', (t) => {
  const sizes = (count: number, share?: number): (number | undefined)[] => {
    const data = { data: new Float32Array(2 * count), shape: [count, 2] };
    const { trained, heldOut } = splitData(data, share);
    return [trained.shape[0], heldOut?.shape[0]];
  };
  t.deepEqual(sizes(99), [99, undefined]);
  t.deepEqual(sizes(200), [190, 10]);
  t.deepEqual(sizes(40_000), [39_000, 1000]);
  t.deepEqual(sizes(200, 0), [200, undefined]);
  t.deepEqual(sizes(50, 0.1), [45, 5]);
});
