import test from 'ava';
import { inpainting, matrixOperator } from '../../src/control/operators.js';
import { evidenceWeights } from '../../src/control/particle-system.js';
import { restore } from '../../src/control/restore.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { mixturePosterior } from '../../src/score/mixture/posterior.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { moments } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const A = [
  [1, 0.5],
  [-0.4, 0.2],
  [0.3, 0.9],
];
const noise = 0.6;
const values = Float64Array.of(0.4, -0.5, -0.2);
const measurement = { operator: matrixOperator(A), values, noise };

/** The law that a sampler that ends at the SDE's epsilon takes for that of the data. */
function lawAtEnd(mixture: GaussianMixture, sde = vp()): GaussianMixture {
  const rho = sde.sigma(sde.epsilon) / sde.alpha(sde.epsilon);
  return mixture.diffused(1, rho);
}

/** ln p(y), from the components of the mixture by hand. */
function logEvidenceOf({ weights, means, covariances }: GaussianMixture): number {
  const predicted = new GaussianMixture({
    weights,
    means: means.map((mean) => A.map(([a, b]) => a! * mean[0]! + b! * mean[1]!)),
    covariances: covariances.map((covariance) => {
      const rows = A.map((row) => {
        const image = new Float64Array(2);
        covariance.apply(Float64Array.from(row), image);
        return image;
      });
      return A.map((row, i) =>
        rows.map((image, j) => row[0]! * image[0]! + row[1]! * image[1]! + (i === j ? noise ** 2 : 0)),
      );
    }),
  });
  return predicted.logDensity(values)[0]!;
}

test('the evidence is unbiased: its mean over the truth is 1 over a thousand runs', async (t) => {
  const model = mixtureModel(planar, vp());
  const run = { method: 'smc', particles: 4, steps: 120, count: 1000, batch: 4000 } as const;
  const { logEvidence, effectiveSampleSize } = await restore(model, measurement, run);
  const truth = logEvidenceOf(lawAtEnd(planar));
  const { mean, std } = moments(logEvidence!.map((value) => Math.exp(value - truth)));
  t.true(Math.abs(mean - 1) < (3 * std) / Math.sqrt(1000), `${mean} +- ${std / Math.sqrt(1000)}`);
  t.true(std < 0.8, String(std));
  t.true(effectiveSampleSize!.every((size) => size >= 1 && size <= 4));
});

/** Two modes, of which the measurement, of one coordinate, tells little. */
const modes = new GaussianMixture({
  weights: [0.7, 0.3],
  means: [
    [-2, -1],
    [2, 1.5],
  ],
  covariances: [0.25, 0.16],
});

for (const sde of [vp(), ve()]) {
  test(`modes have the weights of the posterior as particles become more: ${sde.name}`, async (t) => {
    const model = mixtureModel(modes, sde);
    const operator = matrixOperator([[0, 1]]);
    const y = { operator, values: Float64Array.of(0.6), noise: 0.8 };
    const truth = mixturePosterior(modes, { matrix: [[0, 1]], value: [0.6], noise: 0.64 });
    const count = 1000;
    const share = async (particles: number) => {
      const run = { method: 'smc', particles, steps: 60, count, batch: count * particles } as const;
      const { samples, logEvidence } = await restore(model, y, run);
      const inFirst = Float64Array.from({ length: count }, (_, i) => (samples[2 * i]! < 0 ? 1 : 0));
      return { samples, inFirst, weights: evidenceWeights(logEvidence!) };
    };
    const error = Math.sqrt((truth.weights[0]! * truth.weights[1]!) / count);
    const { samples, inFirst } = await share(16);
    t.true(
      Math.abs(moments(inFirst).mean - truth.weights[0]!) < 3.5 * error,
      `${moments(inFirst).mean} for ${truth.weights[0]}`,
    );
    const within = samples.filter((_, i) => i % 2 === 1 && samples[i - 1]! < 0);
    t.true(Math.abs(moments(within).mean - truth.means[0]![1]!) < 0.05);
    t.true(Math.abs(moments(within).std - Math.sqrt(truth.covariances[0]!.diagonal()[1]!)) < 0.04);
    // Two particles are too few, and their systems weighted by evidence are right all the same.
    const few = await share(2);
    const weighted = few.weights.reduce((sum, weight, i) => sum + weight * few.inFirst[i]!, 0);
    t.true(Math.abs(weighted - truth.weights[0]!) < 4 * error, `${weighted}`);
  });
}

test('a sample has the same bits alone, in any batch and in any part of a run', async (t) => {
  const model = mixtureModel(planar, vp());
  const three = {
    operator: matrixOperator(A),
    values: Float64Array.from({ length: 9 }, (_, i) => Math.sin(i)),
    noise,
  };
  const run = { method: 'smc', particles: 5, steps: 20, count: 6 } as const;
  const all = await restore(model, three, run);
  for (const batch of [1, 10, 20])
    t.deepEqual(await restore(model, three, { ...run, batch }).then(({ samples }) => samples), all.samples);
  const alone = { ...three, values: three.values.slice(3, 6) };
  const fifth = await restore(model, alone, { ...run, count: 1, first: 4 });
  t.deepEqual(fifth.samples, all.samples.slice(8, 10));
  t.is(fifth.logEvidence![0], all.logEvidence![4]);
  t.is(fifth.counts.score, 5 * 20);
});

test('without noise what is known is kept, and the rest has its law', async (t) => {
  const model = mixtureModel(planar, vp());
  const known = { operator: inpainting([1, 0], [2]), values: Float32Array.of(0.5, 0) };
  const run = { method: 'smc', particles: 6, steps: 300, count: 300, batch: 1800 } as const;
  const { samples } = await restore(model, known, run);
  t.true(samples.every((value, i) => i % 2 === 1 || Math.abs(value - 0.5) < 1e-6));
  const truth = mixturePosterior(planar, { matrix: [[1, 0]], value: [0.5], noise: 1e-6 });
  const { mean, std } = moments(samples.filter((_, i) => i % 2 === 1));
  t.true(Math.abs(mean - truth.mean()[1]!) < 0.15, `${mean} for ${truth.mean()[1]}`);
  t.true(Math.abs(std - Math.sqrt(truth.variances()[1]!)) < 0.08, `${std}`);
});
