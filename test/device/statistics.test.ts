// Statistical tests of the generator with fixed seeds: every statistic is a standard score, bounded at 4.5
// (a chance of 7e-6 each for a perfect generator, and the seeds are fixed).
import test, { type ExecutionContext } from 'ava';

import { type NoiseAddress, Stream } from '../../src/device/binding.js';
import { fillNormal, fillRademacher, fillUniform } from '../../src/device/kernels.js';

const n = 1 << 20;
const bound = 4.5;
const base: NoiseAddress = { seed: 2024n, samples: 0, step: 0, stream: Stream.prior };

function drawn(kernel: typeof fillNormal, noise: NoiseAddress): Float32Array {
  const out = new Float32Array(n);
  kernel(out, 1, noise);
  return out;
}

function within(t: ExecutionContext, score: number, what: string): void {
  t.true(Math.abs(score) < bound, `${what}: standard score ${score}`);
}

/** Standard score of the mean of f over the sample, from the exact mean and variance of f. */
function meanScore(values: Float32Array, f: (x: number) => number, mean: number, variance: number): number {
  let sum = 0;
  for (const x of values) sum += f(x) - mean;
  return sum / Math.sqrt(values.length * variance);
}

/** Abramowitz and Stegun 7.1.26 has too few digits: the standard normal distribution by its series and continued fraction. */
function normalDistribution(x: number): number {
  const z = Math.abs(x);
  if (z > 3) {
    let fraction = 0;
    for (let k = 40; k > 0; k--) fraction = k / (z + fraction);
    const tail = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / (z + fraction);
    return x > 0 ? 1 - tail : tail;
  }
  let term = z;
  let sum = z;
  for (let k = 1; k < 60; k++) sum += term *= (z * z) / (2 * k + 1);
  const half = (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
  return x > 0 ? 0.5 + half : 0.5 - half;
}

/** Kolmogorov-Smirnov statistic sqrt(n) D; above 2.2 with a chance of 1.2e-4. */
function kolmogorovSmirnov(values: Float32Array, distribution: (x: number) => number): number {
  let worst = 0;
  for (const [i, x] of values.slice().sort().entries()) {
    const p = distribution(x);
    worst = Math.max(worst, p - i / values.length, (i + 1) / values.length - p);
  }
  return Math.sqrt(values.length) * worst;
}

for (const seed of [0n, 2024n, 2n ** 64n - 1n]) {
  test(`normals of seed ${seed} have the moments, distribution and tails of N(0, 1)`, (t) => {
    const z = drawn(fillNormal, { ...base, seed });
    const moments = [1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395];
    for (let k = 1; k <= 6; k++) {
      const variance = moments[2 * k]! - moments[k]! ** 2;
      within(
        t,
        meanScore(z, (x) => x ** k, moments[k]!, variance),
        `moment ${k}`,
      );
    }
    for (const limit of [2, 3, 4]) {
      const p = 2 * (1 - normalDistribution(limit));
      within(
        t,
        meanScore(z, (x) => Number(Math.abs(x) > limit), p, p * (1 - p)),
        `beyond ${limit} sigma`,
      );
    }
    t.true(kolmogorovSmirnov(z, normalDistribution) < 2.2);
    t.true(z.every((x) => x !== 0 && Math.abs(x) <= 6.67));
  });
}

test('uniforms fill the open interval evenly', (t) => {
  const u = drawn(fillUniform, base);
  within(
    t,
    meanScore(u, (x) => x, 1 / 2, 1 / 12),
    'mean',
  );
  within(
    t,
    meanScore(u, (x) => (x - 0.5) ** 2, 1 / 12, 1 / 180),
    'variance',
  );
  t.true(kolmogorovSmirnov(u, (x) => x) < 2.2);
  t.true(u.every((x) => x > 0 && x < 1));
});

test('Rademacher signs are balanced, and so are products of neighbours', (t) => {
  const s = drawn(fillRademacher, base);
  t.true(s.every((x) => x === 1 || x === -1));
  within(
    t,
    meanScore(s, (x) => x, 0, 1),
    'mean',
  );
  for (const lag of [1, 2, 16, 32, 512, 2048]) {
    const products = s.subarray(lag).map((x, i) => x * s[i]!);
    within(
      t,
      meanScore(products, (x) => x, 0, 1),
      `lag ${lag}`,
    );
  }
});

test('noise of different addresses, and of neighbouring elements, is uncorrelated', (t) => {
  const z = drawn(fillNormal, base);
  const others: [string, Float32Array][] = [
    ['next step', drawn(fillNormal, { ...base, step: 1 })],
    ['another stream', drawn(fillNormal, { ...base, stream: Stream.predictor })],
    ['next substep', drawn(fillNormal, { ...base, substep: 1 })],
    ['next seed', drawn(fillNormal, { ...base, seed: 2025n })],
    ['high seed bit', drawn(fillNormal, { ...base, seed: 2024n | (1n << 63n) })],
    ['salt', drawn(fillNormal, { ...base, salt: 1 })],
    ['next particle', drawn(fillNormal, { ...base, particle: 1 })],
    ['next visit', drawn(fillNormal, { ...base, visit: 1 })],
    ['next node', drawn(fillNormal, { ...base, node: 1 })],
    ...[1, 2, 16, 32, 64, 3072].map((lag): [string, Float32Array] => [`lag ${lag}`, z.subarray(lag)]),
  ];
  for (const [name, other] of others) {
    const products = other.map((x, i) => x * z[i]!);
    const squares = other.map((x, i) => (x * x - 1) * (z[i]! * z[i]! - 1));
    within(
      t,
      meanScore(products, (x) => x, 0, 1),
      `${name}, products`,
    );
    within(
      t,
      meanScore(squares, (x) => x, 0, 4),
      `${name}, squares`,
    );
  }
});

test('pairs of the Box-Muller transform fill the plane evenly', (t) => {
  const z = drawn(fillNormal, base);
  const cells = 32;
  const counts = new Float64Array(cells * cells);
  for (let i = 0; i < n; i += 32) {
    for (let lane = 0; lane < 16; lane++) {
      const cell = (x: number) => Math.min(cells - 1, Math.floor(cells * normalDistribution(x)));
      counts[cell(z[i + lane]!) * cells + cell(z[i + lane + 16]!)]! += 1;
    }
  }
  const expected = n / 2 / counts.length;
  const chi2 = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const degrees = counts.length - 1;
  within(t, (chi2 - degrees) / Math.sqrt(2 * degrees), 'chi-squared');
});
