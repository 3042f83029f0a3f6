import test from 'ava';
import { maskFromName } from '../../src/control/from-name.js';
import { measure, type Measurement } from '../../src/control/measurement.js';
import { blur, colorization, gaussianBlur, inpainting, matrixOperator } from '../../src/control/operators.js';
import type { RestoreOptions } from '../../src/control/restore-options.js';
import { restore } from '../../src/control/restore.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { vp } from '../../src/sde/vp.js';
import { ve } from '../../src/sde/ve.js';
import { gaussianModel, moments } from '../support/gaussian.js';

const q = (r: number) => Math.sqrt(1 - r * r);
const correlated = (r: number) =>
  new GaussianMixture({
    weights: [1],
    means: [[0, 0]],
    covariances: [
      [
        [1, r],
        [r, 1],
      ],
    ],
  });
/** The first coordinate of every sample is known to be 1. */
const first: Measurement = { operator: inpainting([1, 0], [2]), values: Float32Array.of(1, 99) };
const seconds = (samples: Float32Array) => samples.filter((_, i) => i % 2 === 1);

test('without a corrector replacement has the bias of its closed form', async (t) => {
  const r = 0.9;
  const model = mixtureModel(correlated(r), vp());
  const { samples, warnings } = await restore(model, first, {
    count: 3000,
    batch: 3000,
    corrector: 'none',
    steps: 500,
  });
  const { mean, std } = moments(seconds(samples));
  // As the steps become small: x2 ~ N(y (1 - q) / r, q^2 / (2 r) ln((1 + r) / (1 - r))).
  t.true(Math.abs(mean - (1 - q(r)) / r) < 0.04, String(mean));
  t.true(Math.abs(std - Math.sqrt((q(r) ** 2 / (2 * r)) * Math.log((1 + r) / (1 - r)))) < 0.03, String(std));
  t.regex(warnings[0]!, /without a corrector/);
});

for (const sde of [vp(), ve()]) {
  test(`with a corrector at each level the mean is that of the posterior: ${sde.name}`, async (t) => {
    for (const r of [0.5, 0.9]) {
      const published = { corrector: 'langevin', norm: 'batch', denoise: 'none' } as const;
      const run = { count: 3000, batch: 3000, steps: 500, ...published };
      const { samples } = await restore(mixtureModel(correlated(r), sde), first, run);
      const { mean, std } = moments(seconds(samples));
      t.true(Math.abs(mean - r) < 0.05, `${r}: ${mean}`);
      // Unadjusted Langevin steps of snr 0.16 widen it by 1.3 %.
      t.true(Math.abs(std / (1.013 * q(r)) - 1) < 0.05, `${r}: ${std}`);
    }
  });
}

test('going back over the steps repairs replacement without a corrector, and a sample has its bits in any batch', async (t) => {
  const r = 0.9;
  const model = mixtureModel(correlated(r), vp());
  const draw = async (resamples: number) => {
    const run = {
      method: 'repaint',
      resamples,
      jumpLength: 5,
      steps: 100,
      count: 1500,
      batch: 1500,
    } as const;
    return moments(seconds((await restore(model, first, run)).samples));
  };
  const [once, often] = [await draw(1), await draw(12)];
  t.true(once.mean < 0.75, `${once.mean}`);
  t.true(Math.abs(often.mean - r) < 0.04, `${often.mean}`);
  // A hundred ancestral steps narrow it.
  t.true(Math.abs(often.std / q(r) - 1) < 0.15, `${often.std}`);
  const known = { ...first, noise: 0.3 };
  const run = { method: 'repaint', resamples: 2, jumpLength: 2, steps: 9, count: 5 } as const;
  const { samples, counts } = await restore(model, known, run);
  t.is(counts.score, 18);
  t.deepEqual((await restore(model, known, { ...run, batch: 2 })).samples, samples);
});

test('trained levels are walked near those of a grid, or between', async (t) => {
  const { levels, alpha, sigma } = ddpmLadder(linearBetas(200));
  const ladder = { levels, alpha, sigma };
  const law = gaussianModel(vp(), { shape: [4], mean: 0.1, std: 0.4 });
  const trained = { ...law, ladder, sde: ladderSde(ladder, vp()) };
  const known = {
    operator: inpainting(Float32Array.of(1, 1, 0, 0), [4]),
    values: Float32Array.of(0.1, 0.2, 0, 0),
  };
  const epsilonOf = async (options: RestoreOptions) =>
    (await restore(trained, known, { method: 'repaint', resamples: 1, steps: 10, ...options })).options[
      'epsilon'
    ];
  const even = await epsilonOf({});
  const near = await epsilonOf({ grid: 'karras' });
  t.is(even, 1 / 200);
  t.is(near, 1 / 200);
  t.is(await epsilonOf({ epsilon: 0.02 }), 0.02);
  t.is(await epsilonOf({ grid: [1, 0.5, 0.031], steps: undefined }), 0.031);
  const { samples } = await restore(trained, known, { method: 'smc', particles: 4, steps: 5, epsilon: 0.02 });
  t.true(samples.every(Number.isFinite));
});

const picture = [3, 4, 4];
const model = gaussianModel(vp(), { shape: picture, mean: 0.1, std: 0.4 });
const originals = Float32Array.from({ length: 3 * 48 }, (_, i) => 0.5 * Math.sin(i * i));
const hole = Float32Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 1 : 0));
const run = { steps: 60 };

for (const operator of [inpainting(hole, picture), colorization(picture), gaussianBlur(0.4, picture)]) {
  test(`what is known stays known, and a sample has its bits in any batch: ${operator.name}`, async (t) => {
    const values = measure(operator, originals);
    const { samples, shape } = await restore(model, { operator, values }, { ...run, count: 6 });
    t.deepEqual(shape, [6, ...picture]);
    const again = measure(operator, samples);
    again.forEach((value, i) => {
      t.true(Math.abs(value - values[i % values.length]!) < 2e-5);
    });
    const one = { operator, values: values.slice(values.length / 3, (2 * values.length) / 3) };
    const alone = await restore(model, one, { ...run, first: 4 });
    t.deepEqual(alone.samples, samples.slice(4 * 48, 5 * 48));
    t.deepEqual(
      (await restore(model, { operator, values }, { ...run, count: 6, batch: 4 })).samples,
      samples,
    );
  });
}

test('with noise the known part is kept within it', async (t) => {
  const operator = inpainting(hole, picture);
  const values = measure(operator, originals, { noise: 0.1, seed: 3 });
  const { samples } = await restore(
    model,
    { operator, values, noise: 0.1 },
    { steps: 150, grid: 'uniform-lambda', count: 200 },
  );
  const residuals = measure(operator, samples)
    .map((value, i) => value - values[i % values.length]!)
    .filter((_, i) => hole[i % 16] === 1);
  const { mean, std } = moments(residuals);
  // Of the posterior: 1 / sqrt(1 / 0.1^2 + 1 / 0.4^2), and what y itself is off.
  t.true(Math.abs(mean) < 0.03 && std > 0.07 && std < 0.125, `${mean} ${std}`);
});

test('any operator by its singular values is the same as the kernel for orthonormal rows', async (t) => {
  const known = inpainting(hole, picture);
  const values = measure(known, originals);
  const decomposed = { ...known, rows: undefined } as unknown as typeof known;
  const measurement = (operator: typeof known) => ({ operator, values, noise: 0.05 });
  const { samples } = await restore(model, measurement(known), run);
  const other = await restore(model, measurement(decomposed), { ...run, method: 'replacement' });
  samples.forEach((value, i) => {
    t.true(Math.abs(value - other.samples[i]!) < 1e-4);
  });
});

test('what is known can be put at the level that a move came from, as the published code does', async (t) => {
  const published = { ...run, replaceAt: 'departed', count: 400, denoise: 'none' } as const;
  const values = measure(inpainting(hole, picture), originals).subarray(0, 48);
  const deviation = async (replaceAt: 'departed' | 'arrived') => {
    const measurement = { operator: inpainting(hole, picture), values };
    const { samples } = await restore(model, measurement, { ...published, replaceAt, corrector: 'none' });
    return moments(samples.map((value, i) => value - values[i % 48]!).filter((_, i) => hole[i % 16] === 1))
      .std;
  };
  // A step of 1/60 before the end the noise of VP is still large.
  const before = vp().sigma(1e-3 + 0.999 / 60);
  t.true(Math.abs((await deviation('departed')) / before - 1) < 0.05);
  t.true(Math.abs((await deviation('arrived')) / vp().sigma(1e-3) - 1) < 0.05);
});

test('a blurred Gaussian picture: replacement along singular vectors, with a corrector', async (t) => {
  // Independent pixels: every singular coordinate has the posterior of its own measurement.
  const operator = blur(3, [1, 4, 4]);
  const flat = gaussianModel(vp(), { shape: [1, 4, 4], mean: 0, std: 1 });
  const spectrum = operator.spectrum();
  const y = measure(operator, originals.subarray(0, 16));
  const measurement = { operator, values: y, noise: 0.2 };
  const { samples } = await restore(flat, measurement, { method: 'replacement', count: 500, steps: 150 });
  const target = spectrum.measured(Float64Array.from(y)).map((value, i) => {
    const s = spectrum.values[i]!;
    return (s * value) / (s * s + 0.04);
  });
  const means = new Float64Array(target.length);
  for (let n = 0; n < 500; n++)
    spectrum
      .coordinates(Float64Array.from(samples.subarray(16 * n, 16 * (n + 1))))
      .forEach((value, i) => (means[i]! += value / 500));
  // Coordinates that were measured well, and those that were not.
  target.forEach((value, i) => {
    t.true(Math.abs(means[i]! - value) < 0.17, `${i}: ${means[i]} for ${value}, s ${spectrum.values[i]}`);
  });
});

test('matrices measure what they say', (t) => {
  const operator = matrixOperator([
    [1, 2],
    [0, -1],
    [3, 0],
  ]);
  t.deepEqual(Array.from(operator.apply(Float64Array.of(5, 7))), [19, -7, 15]);
  t.deepEqual(Array.from(operator.adjoint(Float64Array.of(1, 1, 1))), [4, 1]);
});

test('pictures of 256 x 256 are measured and filled', async (t) => {
  const shape = [3, 256, 256];
  const model = gaussianModel(vp(), { shape });
  const operator = inpainting(maskFromName('center:128', shape), shape);
  const values = Float32Array.from({ length: 3 * 256 * 256 }, (_, i) => Math.sin(i));
  const { samples } = await restore(model, { operator, values }, { steps: 2 });
  t.true(
    samples.every(
      (value, i) => Number.isFinite(value) && (operator.rows!.mask[i] === 0 || value === values[i]),
    ),
  );
  t.not(samples[128 * 256 + 128], values[128 * 256 + 128]);
});
