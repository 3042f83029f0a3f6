import test from 'ava';
import { setThreads, nativeInfo } from '../../src/device/addon.js';
import { DataError, OptionError } from '../../src/errors.js';
import { chooseSamples, samplePart } from '../../src/evaluation/choice.js';
import { featuresOf, type Features } from '../../src/evaluation/features.js';
import { rmsDistance } from '../../src/evaluation/distances.js';
import { frechetDistance } from '../../src/evaluation/frechet.js';
import { inceptionScore } from '../../src/evaluation/inception-score.js';
import { kernelDistance } from '../../src/evaluation/kernel.js';
import { manifoldMetrics } from '../../src/evaluation/manifold.js';
import { gaussianOf, mergeMoments, featureMoments } from '../../src/evaluation/moments.js';
import { memorisation, nearestNeighbours } from '../../src/evaluation/nearest.js';
import { slicedWasserstein } from '../../src/evaluation/sliced-wasserstein.js';
import { normalFeatures, normals } from '../support/features.js';

const scales = [4, 2, 1, 1, 0.5, 0.25, 0.1, 0.01].map(Math.sqrt);
const width = scales.length;

/** The law of normalFeatures(n, scales). */
const law = {
  mean: new Float64Array(width),
  covariance: Float64Array.from({ length: width * width }, (_, k) =>
    k % (width + 1) === 0 ? scales[k / (width + 1)]! ** 2 : 0,
  ),
  count: Infinity,
};

/** A x + b row by row. */
function map(x: Float32Array, a: readonly (readonly number[])[], b: number): Float64Array {
  const d = a.length;
  return Float64Array.from(x, (_, k) => {
    const row = k - (k % d);
    return a[k % d]!.reduce((sum, factor, j) => sum + factor * x[row + j]!, b);
  });
}

test('the Frechet distance to the image under a positive definite map A is tr((A - 1) S (A - 1)) and the shift', async (t) => {
  const a = [
    [1.5, 0.25, 0],
    [0.25, 0.75, -0.125],
    [0, -0.125, 1],
  ];
  const x = normals(500, 3).map((z) => Math.round(64 * z) / 64);
  const { value, standardError } = await frechetDistance(
    featuresOf(Float32Array.from(map(x, a, 0.5)), 3),
    featuresOf(x, 3),
  );
  const [moments] = await featureMoments(
    featuresOf(
      Float32Array.from(
        map(
          x,
          a.map((row, i) => row.map((v, j) => v - (i === j ? 1 : 0))),
          0.5,
        ),
      ),
      3,
    ),
  );
  const { mean, covariance } = gaussianOf(moments!);
  const truth = mean.reduce((sum, m) => sum + m * m, 0) + covariance[0]! + covariance[4]! + covariance[8]!;
  t.true(Math.abs(value - truth) < 1e-10);
  t.true(standardError! > 0);
});

test('of points of a line the Frechet distance is that of means and standard deviations', async (t) => {
  const [a, b] = [normals(300, 1), normals(200, 1, 1000).map((z) => 2 * z + 1)];
  const { value } = await frechetDistance(featuresOf(a, 1), featuresOf(b, 1));
  const [first, second] = [a, b].map((x) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    return { mean, sd: Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (x.length - 1)) };
  });
  t.true(Math.abs(value - (first!.mean - second!.mean) ** 2 - (first!.sd - second!.sd) ** 2) < 1e-6);
});

test('dead features and copies of features change no Frechet distance', async (t) => {
  const wider = (x: Float32Array): Features =>
    featuresOf(
      Float32Array.from({ length: 4 * (x.length / 2) }, (_, k) =>
        k % 4 === 0 ? 7 : k % 4 === 3 ? 0 : x[2 * Math.floor(k / 4) + (k % 4) - 1]!,
      ),
      4,
    );
  const [x, y] = [normals(200, 2), normals(300, 2, 500).map((z) => 1.5 * z)];
  const plain = await frechetDistance(featuresOf(x, 2), featuresOf(y, 2));
  const dead = await frechetDistance(wider(x), wider(y));
  t.true(Math.abs(plain.value - dead.value) < 1e-12);
  t.true(Math.abs(plain.standardError! - dead.standardError!) < 1e-9);
});

test('bias and standard error of a Frechet distance are those of repeats', async (t) => {
  const repeats = 400;
  const results = [];
  for (let i = 0; i < repeats; i++)
    results.push(
      await frechetDistance(
        normalFeatures(
          400,
          scales.map((scale) => 1.3 * scale),
          { first: 400 * i, shift: 0.2 },
        ),
        law,
      ),
    );
  const truth = 0.3 ** 2 * scales.reduce((sum, scale) => sum + scale ** 2, 0) + width * 0.2 ** 2;
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const average = mean(results.map(({ value }) => value));
  const deviation = Math.sqrt(mean(results.map(({ value }) => (value - average) ** 2)));
  t.true(
    Math.abs(average - truth - mean(results.map(({ bias }) => bias!))) < (4 * deviation) / Math.sqrt(repeats),
  );
  const stated = Math.sqrt(mean(results.map(({ standardError }) => standardError! ** 2)));
  // The standard deviation of 400 values is known to 3.5 %.
  t.true(Math.abs(stated / deviation - 1) < 0.12, `${stated} for ${deviation}`);
  const free = mean(results.map(({ extrapolated }) => extrapolated!.value));
  t.true(Math.abs(free - truth) < (4 * deviation) / Math.sqrt(repeats));
});

test('the bias of a Frechet distance of equal laws is the one that follows from the covariance', async (t) => {
  const { value, bias } = await frechetDistance(normalFeatures(400, scales), law);
  // Field notes: .05305 predicted from the covariance itself.
  t.true(Math.abs(bias! / 0.05305 - 1) < 0.05);
  t.true(value > 0 && value < 0.2);
});

test('the standard error of a Frechet distance of equal laws is that of its second order', async (t) => {
  const [repeats, n, m] = [400, 400, 800];
  let square = 0;
  for (let i = 0; i < repeats; i++) {
    const { standardError } = await frechetDistance(
      normalFeatures(n, scales, { first: 1200 * i }),
      normalFeatures(m, scales, { first: 1200 * i + n }),
    );
    square += standardError! ** 2 / repeats;
  }
  // The distance is to second order a sum of independent squares: of the differences of the means, and of those of the elements of
  // the covariances.
  const pairs = scales.flatMap((a, i) =>
    scales.map((b, j) => ({ a: a * a, b: b * b, same: i === j ? 2 : 1 })),
  );
  const rate = 1 / n + 1 / m;
  const ofMeans = scales.reduce((sum, scale) => sum + 2 * (scale ** 2 * rate) ** 2, 0);
  const ofCovariances = pairs.reduce(
    (sum, { a, b, same }) => sum + same * ((rate * a * b) / (a + b)) ** 2,
    0,
  );
  const deviation = Math.sqrt(ofMeans + ofCovariances);
  t.true(Math.abs(Math.sqrt(square) / deviation - 1) < 0.04, `${Math.sqrt(square)} for ${deviation}`);
});

test('sets smaller than their features have a Frechet distance, with what it means', async (t) => {
  const few = await frechetDistance(normalFeatures(6, scales), normalFeatures(100, scales, { first: 1000 }));
  t.true(few.value > 0);
  t.is(few.standardError, undefined);
  t.is(few.bias, undefined);
  t.regex(few.warnings.join(), /6 generated samples have 8 features.*singular/);
});

test('moments merge to those of all samples', async (t) => {
  const values = normals(3000, 5);
  const [all] = await featureMoments(featuresOf(values, 5));
  const parts = await featureMoments(featuresOf(values, 5), 4);
  const merged = mergeMoments(parts);
  t.is(merged.count, 3000);
  all!.products.forEach((value, k) => t.true(Math.abs(value - merged.products[k]!) < 1e-9));
  const mean = values.reduce((sum, v, k) => sum + (k % 5 === 2 ? v : 0), 0) / 3000;
  t.true(Math.abs(all!.mean[2]! - mean) < 1e-9);
});

test('the kernel distance is unbiased, with the standard error of repeats', async (t) => {
  const repeats = 300;
  const results = [];
  for (let i = 0; i < repeats; i++)
    results.push(
      await kernelDistance(
        normalFeatures(60, [1, 0.5, 0.25], { first: 200 * i }),
        normalFeatures(80, [1, 0.5, 0.25], { first: 200 * i + 100 }),
      ),
    );
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const average = mean(results.map(({ value }) => value));
  const deviation = Math.sqrt(mean(results.map(({ value }) => (value - average) ** 2)));
  t.true(Math.abs(average) < (4 * deviation) / Math.sqrt(repeats));
  const stated = Math.sqrt(mean(results.map(({ standardError }) => standardError ** 2)));
  t.true(stated / deviation > 0.8 && stated / deviation < 1.35, `${stated} for ${deviation}`);
});

test('the kernel distance in blocks is the mean over disjoint parts', async (t) => {
  const [x, y] = [normals(64, 2), normals(100, 2, 100)];
  const inBlocks = await kernelDistance(featuresOf(x, 2), featuresOf(y, 2), { block: 32 });
  t.is(inBlocks.blocks, 2);
  let mean = 0;
  for (const part of [0, 1]) {
    const points = [x, y].map((values) =>
      featuresOf(
        Float32Array.from(
          Array.from(chooseSamples(values.length / 2, 32, part, 2)).flatMap((i) => [
            values[2 * i]!,
            values[2 * i + 1]!,
          ]),
        ),
        2,
      ),
    );
    mean += (await kernelDistance(points[0]!, points[1]!)).value / 2;
  }
  t.true(Math.abs(inBlocks.value - mean) < 1e-12);
});

test('samples are chosen evenly, and not in step with a set that alternates', (t) => {
  for (const [count, most, parts] of [
    [60_000, 10_000, 1],
    [15_000, 10_000, 1],
    [1000, 300, 3],
    [50, 100, 4],
  ] as const) {
    const all = Array.from({ length: parts }, (_, part) =>
      Array.from(chooseSamples(count, most, part, parts)),
    );
    for (const own of all) {
      t.is(own.length, Math.min(most, Math.floor(count / parts)));
      t.true(own.every((index, i) => index < count && (i === 0 || index > own[i - 1]!)));
    }
    t.is(new Set(all.flat()).size, all.flat().length, 'parts are disjoint');
  }
  const chosen = chooseSamples(60_000, 10_000);
  const odd = chosen.reduce((sum, index) => sum + (index % 2), 0);
  t.true(Math.abs(odd - 5000) < 250);
  const parts = Array.from({ length: 4000 }, (_, i) => samplePart(i, 4));
  for (const part of [0, 1, 2, 3]) t.is(parts.filter((own) => own === part).length, 1000);
  t.true(Math.abs(parts.filter((own, i) => own === 0 && i % 2 === 0).length - 500) < 80);
});

test('density is 1 and coverage 1 - 2^-k where both sets are of one law', async (t) => {
  const { precision, density, coverage, samples } = await manifoldMetrics(
    normalFeatures(1500, [1, 2, 3]),
    normalFeatures(1500, [1, 2, 3], { first: 5000 }),
  );
  t.deepEqual(samples, { generated: 1500, reference: 1500 });
  t.true(Math.abs(coverage.expectedIfEqual - (1 - 2 ** -5)) < 1e-3);
  for (const { value, standardError, expectedIfEqual } of [density, coverage])
    t.true(Math.abs(value - expectedIfEqual) < 4 * standardError, `${value} +- ${standardError}`);
  t.true(precision.value > 0.8 && precision.standardError < 0.05);
});

test('a set compared with itself is precise, recalled and covered', async (t) => {
  const set = normalFeatures(200, [1, 1]);
  const { precision, recall, coverage } = await manifoldMetrics(set, set);
  t.deepEqual([precision.value, recall.value, coverage.value], [1, 1, 1]);
});

test('the inception score of uniform logits is 1, of certain ones the number of classes', async (t) => {
  t.true(Math.abs((await inceptionScore(featuresOf(new Float32Array(70), 7))).value - 1) < 1e-12);
  const certain = Float32Array.from({ length: 7 * 70 }, (_, k) =>
    k % 7 === Math.floor(k / 7) % 7 ? 100 : 0,
  );
  t.true(Math.abs((await inceptionScore(featuresOf(certain, 7))).value - 7) < 1e-9);
});

test('the sliced Wasserstein distance of a shift is its square over the dimension', async (t) => {
  const x = normals(400, 3);
  const { value, standardError } = await slicedWasserstein(
    featuresOf(x, 3),
    featuresOf(
      x.map((z) => z + 1),
      3,
    ),
  );
  t.true(Math.abs(value - 1) < 4 * standardError, `${value} +- ${standardError}`);
});

test('nearest neighbours are found, and copies are', async (t) => {
  const training = normals(500, 4);
  const copies = featuresOf(training.slice(40, 80), 4);
  const { nearest, distances } = await nearestNeighbours(copies, featuresOf(training, 4));
  t.deepEqual(Array.from(nearest), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  t.true(distances.every((distance) => distance === 0));
  const of = (first: number) =>
    nearestNeighbours(featuresOf(normals(400, 4, first), 4), featuresOf(training, 4));
  const { ratio, standardError } = memorisation(await of(1000), await of(2000));
  t.true(Math.abs(ratio - 1) < 4 * standardError, `${ratio} +- ${standardError}`);
  t.is(memorisation(await nearestNeighbours(copies, featuresOf(training, 4)), await of(2000)).close, 1);
});

test.serial(
  'metrics have the same bits for any number of threads and whatever blocks are read from',
  async (t) => {
    const [x, y] = [normals(2100, 9), normals(2000, 9, 5000)];
    const inPieces = (values: Float32Array): Features => {
      const whole = featuresOf(values, 9);
      return { ...whole, read: async (first, count) => (await whole.read(first, count)).slice() };
    };
    const all = async (make: (values: Float32Array) => Features) => [
      await frechetDistance(make(x), make(y)),
      await kernelDistance(make(x), make(y)),
      await manifoldMetrics(make(x), make(y), { subset: 300 }),
      await slicedWasserstein(make(x), make(y), { subset: 300, directions: 40 }),
    ];
    const { threads } = nativeInfo();
    const results = await all((values) => featuresOf(values, 9));
    try {
      setThreads(1);
      t.deepEqual(await all(inPieces), results);
      setThreads(3);
      t.deepEqual(await all(inPieces), results);
    } finally {
      setThreads(threads);
    }
  },
);

test('bad input is named', async (t) => {
  const set = normalFeatures(50, [1, 1]);
  await t.throwsAsync(() => frechetDistance(set, normalFeatures(50, [1, 1, 1])), {
    instanceOf: DataError,
    message: /2 features and the reference 3/,
  });
  t.throws(() => featuresOf(new Float32Array(0), 4), { instanceOf: DataError });
  t.throws(() => featuresOf(new Float32Array(6), 4), { instanceOf: DataError });
  const broken = featuresOf(Float32Array.of(1, 2, 3, NaN, 5, 6), 2);
  await t.throwsAsync(() => frechetDistance(broken, set), { message: /Element 1 of sample 1 is NaN/ });
  await t.throwsAsync(() => kernelDistance(set, featuresOf(new Float32Array(2), 2)), {
    instanceOf: OptionError,
    message: /reference must be at least 4 samples/,
  });
  await t.throwsAsync(() => manifoldMetrics(set, set, { subset: 3 }), {
    message: /subset must be an integer of at least 24/,
  });
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  await t.throwsAsync(() => frechetDistance(set, set, { signal: controller.signal }), { message: 'enough' });
});

test('the root mean square and its error are those of the definition', (t) => {
  const a = Float32Array.of(1, 2, 3, 4, 0, 0);
  const b = Float32Array.of(0, 0, 3, 2, 0, 4);
  // Mean squares of the three samples: 2.5, 2 and 8.
  const { value, standardError } = rmsDistance(a, b, 2);
  t.true(Math.abs(value - Math.sqrt(12.5 / 3)) < 1e-12);
  const deviation = Math.sqrt(((2.5 - 12.5 / 3) ** 2 + (2 - 12.5 / 3) ** 2 + (8 - 12.5 / 3) ** 2) / 2);
  t.true(Math.abs(standardError! - deviation / Math.sqrt(3) / (2 * value)) < 1e-12);
});
