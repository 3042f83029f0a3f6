import test from 'ava';
import { OptionError } from '../../../src/errors.js';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { Stream } from '../../../src/device/binding.js';
import { fillUniform } from '../../../src/device/kernels.js';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';
import { levelAt } from '../../../src/sde/level.js';
import { subvp } from '../../../src/sde/subvp.js';
import { vp } from '../../../src/sde/vp.js';

const mixture = new GaussianMixture({
  weights: [0.7, 0.3],
  means: [
    [1, 0.5],
    [-0.8, 0.6],
  ],
  covariances: [
    [
      [0.09, 0.03],
      [0.03, 0.07],
    ],
    [0.04, 0.12],
  ],
});

test('the model gives the score at the time and label of every sample', async (t) => {
  const sde = subvp();
  const model = mixtureModel(mixture, sde, { conditional: true });
  t.deepEqual(model.shape, [2]);
  t.is(model.classes, 2);
  t.deepEqual(model.coefficients(levelAt(model, 0.3)), { state: 0, output: 1 });
  const x = Float32Array.of(0.5, -0.25, 0.5, -0.25, 1, 0, 1, 0);
  const times = Float64Array.of(0.2, 0.6, 0.6, 0.1);
  const levels = Array.from(times, (time) => levelAt(model, time));
  const output = new Float32Array(8);
  await model.evaluate(x, levels, output);
  times.forEach((time, b) => {
    const expected = mixture.at(sde, time).score(x.subarray(2 * b, 2 * b + 2));
    t.deepEqual(output.slice(2 * b, 2 * b + 2), Float32Array.from(expected));
  });
  const labels = Int32Array.of(0, 1, 1, 0);
  await model.evaluate(x, levels, output, labels);
  times.forEach((time, b) => {
    const expected = mixture
      .component(labels[b]!)
      .at(sde, time)
      .score(x.subarray(2 * b, 2 * b + 2));
    t.deepEqual(output.slice(2 * b, 2 * b + 2), Float32Array.from(expected));
  });
  await t.notThrowsAsync(model.close());
});

test('shapes and labels that do not fit are refused', (t) => {
  const description = { weights: [1], means: [[0]], covariances: [1] } as unknown as GaussianMixture;
  t.throws(() => mixtureModel(description, vp()), {
    message: /mixture must be a GaussianMixture, made by new/,
  });
  t.throws(() => mixtureModel(mixture, vp(), { shape: [1, 3] }), {
    instanceOf: OptionError,
    message: /shape.*2 elements/,
  });
  t.deepEqual(mixtureModel(mixture, vp(), { shape: [1, 2, 1] }).shape, [1, 2, 1]);
  const run = (conditional: boolean, label: number) => () =>
    mixtureModel(mixture, vp(), { conditional }).evaluate(
      new Float32Array(2),
      [levelAt({ sde: vp() }, 0.5)],
      new Float32Array(2),
      Int32Array.of(label),
    );
  t.throws(run(false, 0), { instanceOf: OptionError, message: /labels/ });
  t.throws(run(true, 2), { instanceOf: OptionError, message: /labels\[0\].*from 0 to 1/ });
  t.throws(run(true, -1), { instanceOf: OptionError });
});

test('samples have the weights, the mean and the covariance of the mixture', (t) => {
  const count = 40000;
  const low = new GaussianMixture({
    weights: [0.25, 0.45, 0.3],
    means: [
      [3, 0, 0],
      [0, 3, 0],
      [0, 0, 3],
    ],
    covariances: [
      { factor: [[0.5], [0.2], [-0.4]], scalar: 0.1 },
      0.2,
      [
        [0.3, 0.1, 0],
        [0.1, 0.2, -0.05],
        [0, -0.05, 0.1],
      ],
    ],
  });
  const x = low.sample(count, { seed: 7n });
  // Far apart: the most probable component is the one that was drawn.
  const drawn = new Float64Array(3);
  const posterior = low.classProbabilities(x);
  for (let b = 0; b < count; b++) {
    const row = posterior.subarray(3 * b, 3 * b + 3);
    drawn[row.indexOf(Math.max(...row))]!++;
  }
  drawn.forEach((value, k) => {
    const weight = low.weights[k]!;
    t.true(Math.abs(value / count - weight) <= 5 * Math.sqrt((weight * (1 - weight)) / count) + 1e-3, `${k}`);
  });
  const mean = low.mean();
  const covariance = low.covariance();
  for (let i = 0; i < 3; i++) {
    let sum = 0;
    for (let b = 0; b < count; b++) sum += x[3 * b + i]!;
    t.true(Math.abs(sum / count - mean[i]!) <= 5 * Math.sqrt(covariance[4 * i]! / count));
    for (let j = 0; j <= i; j++) {
      let first = 0;
      let second = 0;
      for (let b = 0; b < count; b++) {
        const product = (x[3 * b + i]! - mean[i]!) * (x[3 * b + j]! - mean[j]!);
        first += product / count;
        second += product ** 2 / count;
      }
      const error = Math.sqrt((second - first ** 2) / count);
      t.true(Math.abs(first - covariance[3 * i + j]!) <= 5 * error, `covariance ${i} ${j}`);
    }
  }
});

test('a sample depends on its seed and index alone', (t) => {
  const all = mixture.sample(20, { seed: 3n });
  t.deepEqual(mixture.sample(5, { seed: 3n, first: 12 }), all.slice(24, 34));
  t.notDeepEqual(mixture.sample(20, { seed: 4n }), all);
});

test('a rare component is drawn as often as its weight says, however small', (t) => {
  // Within the cell of a sample's first uniform, 2^-23 wide, and within that of its second, a boundary between two components
  // at a quarter of the cell has a quarter of the samples below it.
  const count = 2000;
  const address = { seed: 5n, samples: 0, stream: Stream.data };
  const [first, second] = [1, 2].map((step) => {
    const u = new Float64Array(count);
    fillUniform(u, count, { ...address, step });
    return u.map((value) => value - 2 ** -24);
  }) as [Float64Array, Float64Array];
  for (const [cell, start] of [
    [2 ** -23, (b: number) => first[b]!],
    [2 ** -46, (b: number) => first[b]! + second[b]! * 2 ** -23],
  ] as const) {
    let below = 0;
    let tried = 0;
    for (let b = 0; b < count; b++) {
      // A sum near 1 has no bits left for the finer cell.
      if (start(b) > 0.25) continue;
      const weight = start(b) + cell / 4;
      const halves = new GaussianMixture({
        weights: [weight, 1 - weight],
        means: [[-1], [1]],
        covariances: [0.01, 0.01],
      });
      tried++;
      if (halves.sample(1, { seed: 5n, first: b })[0]! < 0) below++;
    }
    const error = 5 * Math.sqrt((0.25 * 0.75) / tried);
    t.true(Math.abs(below / tried - 0.25) < error, `${below} of ${tried} in cells of ${cell}`);
  }
});
