import test from 'ava';
import { OptionError } from '../../../src/errors.js';
import { mixturePosterior } from '../../../src/score/mixture/posterior.js';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';

const prior = new GaussianMixture({
  weights: [0.2, 0.3, 0.5],
  means: [
    [0.5, -0.2, 0.1],
    [-0.5, 0.3, 0.4],
    [0, 0.1, -0.6],
  ],
  covariances: [
    { factor: [[0.4], [-0.2], [0.6]], scalar: 0.05 },
    [
      [0.3, 0.1, 0],
      [0.1, 0.2, -0.05],
      [0, -0.05, 0.1],
    ],
    0.25,
  ],
});
const A = [
  [1, 0, 0.5],
  [0, 2, -1],
];
const y = [0.3, -0.4];
const noise = [
  [0.04, 0.01],
  [0.01, 0.09],
];
const observed = { matrix: A, value: y, noise };

/** ln N(y; A x, R), with R as a one-component mixture of its own. */
function logLikelihood(x: number[]): number {
  const law = new GaussianMixture({
    weights: [1],
    means: [A.map((row) => row.reduce((sum, value, i) => sum + value * x[i]!, 0))],
    covariances: [noise],
  });
  return law.logDensity(Float64Array.from(y))[0]!;
}

test('the posterior density is prior times likelihood over evidence, at every point', (t) => {
  const posterior = mixturePosterior(prior, observed);
  const offsets = [
    [0, 0, 0],
    [0.5, -0.3, 0.2],
    [-1, 0.4, 0.9],
    [2, 1, -3],
  ].map((x) => {
    const point = Float64Array.from(x);
    return prior.logDensity(point)[0]! + logLikelihood(x) - posterior.logDensity(point)[0]!;
  });
  for (const offset of offsets) t.true(Math.abs(offset - offsets[0]!) <= 1e-10, `${offset}`);
});

test('a scalar observation has the textbook posterior and evidence', (t) => {
  const law = new GaussianMixture({ weights: [0.4, 0.6], means: [[1], [-2]], covariances: [0.5, 2] });
  const posterior = mixturePosterior(law, { matrix: [[3]], value: [2], noise: 0.7 });
  const parts = [
    { weight: 0.4, mean: 1, variance: 0.5 },
    { weight: 0.6, mean: -2, variance: 2 },
  ].map(({ weight, mean, variance }) => {
    const S = 9 * variance + 0.7;
    return {
      weight: (weight * Math.exp(-((2 - 3 * mean) ** 2) / (2 * S))) / Math.sqrt(2 * Math.PI * S),
      mean: mean + ((3 * variance) / S) * (2 - 3 * mean),
      variance: variance - (9 * variance ** 2) / S,
    };
  });
  const evidence = parts[0]!.weight + parts[1]!.weight;
  parts.forEach((part, k) => {
    t.true(Math.abs(posterior.weights[k]! - part.weight / evidence) <= 1e-12);
    t.true(Math.abs(posterior.means[k]![0]! - part.mean) <= 1e-12);
    t.true(Math.abs(posterior.covariances[k]!.trace - part.variance) <= 1e-12);
  });
});

test('an exact observation of one coordinate pins it and leaves the conditional of the others', (t) => {
  const law = new GaussianMixture({
    weights: [1],
    means: [[0, 0]],
    covariances: [
      [
        [1, 0.8],
        [0.8, 1],
      ],
    ],
  });
  const posterior = mixturePosterior(law, { matrix: [[1, 0]], value: [0.5], noise: 1e-10 });
  t.true(Math.abs(posterior.mean()[0]! - 0.5) <= 1e-9);
  t.true(Math.abs(posterior.mean()[1]! - 0.4) <= 1e-6);
  t.true(Math.abs(posterior.covariance()[3]! - 0.36) <= 1e-6);
});

test('a component that cannot have made the observation loses its weight, not the posterior', (t) => {
  const law = new GaussianMixture({ weights: [0.5, 0.5], means: [[0], [1e4]], covariances: [1, 1] });
  const posterior = mixturePosterior(law, { matrix: [[1]], value: [0], noise: 0.01 });
  t.true(posterior.weights[1]! < 1e-290);
  t.true(Math.abs(posterior.mean()[0]!) <= 1e-12);
});

test('a noise beside which the prior is not told from nothing is refused by its name', (t) => {
  const law = new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] });
  const error = t.throws(() => mixturePosterior(law, { matrix: [[1, 1]], value: [0.5], noise: 1e-18 }), {
    instanceOf: OptionError,
  });
  t.is(error.option, 'noise');
  t.regex(error.message, /larger beside the prior.*the ratio/);
});

test('observations that do not fit are refused', (t) => {
  const refused: [Partial<typeof observed> & { noise?: number[][] }, string][] = [
    [{ matrix: [] }, 'matrix'],
    [{ matrix: [[1, 2]] }, 'matrix[0]'],
    [{ value: [1] }, 'value'],
    [{ noise: [[1]] }, 'noise'],
  ];
  for (const [change, option] of refused) {
    const error = t.throws(() => mixturePosterior(prior, { ...observed, ...change }), {
      instanceOf: OptionError,
    });
    t.is(error.option, option);
  }
});
