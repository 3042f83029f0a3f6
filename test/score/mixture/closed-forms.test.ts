import test from 'ava';
import type { CovarianceSpec } from '../../../src/score/mixture/covariance.js';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';
import { edm } from '../../../src/sde/edm.js';
import { subvp } from '../../../src/sde/subvp.js';
import { ve } from '../../../src/sde/ve.js';
import { vp } from '../../../src/sde/vp.js';
import { planar } from '../../support/planar-mixture.js';

const factor = [
  [0.4, 0.1],
  [-0.2, 0.3],
  [0.1, 0.5],
  [0.3, -0.1],
];
const lowRankAsMatrix = factor.map((row, i) =>
  factor.map((other, j) => row[0]! * other[0]! + row[1]! * other[1]! + (i === j ? 0.05 : 0)),
);
const spatial = (covariances: CovarianceSpec[]) =>
  new GaussianMixture({
    weights: [0.2, 0.3, 0.5],
    means: [
      [0.5, -0.2, 0.1, 0],
      [-0.5, 0.3, 0.4, 0.2],
      [0, 0.1, -0.6, -0.3],
    ],
    covariances,
  });
/** One covariance of every form. */
const mixed = spatial([{ factor, scalar: 0.05 }, [0.1, 0.2, 0.3, 0.15], 0.25]);

const times: [string, GaussianMixture][] = [
  ['planar, data', planar],
  ['planar, VP t = 0.1', planar.at(vp(), 0.1)],
  ['planar, sub-VP t = 0.3', planar.at(subvp(), 0.3)],
  ['planar, VE t = 0.5', planar.at(ve(), 0.5)],
  ['four dimensions, data', mixed],
  ['four dimensions, VP t = 0.2', mixed.at(vp(), 0.2)],
  ['four dimensions, EDM sigma = 0.4', mixed.at(edm(), 0.4)],
];
const points = Float64Array.of(0.5, -0.25, 0.1, 0.3, -0.7, 0.4, 0.2, -0.9);

const close = (a: number, b: number, tolerance: number) =>
  Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));

/** df/dx_i by a fourth-order central difference. */
function difference(f: (x: Float64Array) => number, x: Float64Array, i: number): number {
  const h = 1e-3;
  const at = (shift: number) => f(x.with(i, x[i]! + shift));
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

function* pointsOf(mixture: GaussianMixture): Generator<Float64Array> {
  for (let start = 0; start < points.length; start += mixture.dimension) {
    yield points.slice(start, start + mixture.dimension);
  }
}

test('log density and score match the golden table', (t) => {
  const golden: [GaussianMixture, number, number, number][] = [
    [planar, -4.051865654867, 2.44442583285, 9.333214134877],
    [planar.at(vp(), 0.5), -1.943708972812, -0.423993988012, 0.323783745197],
    [planar.at(vp(), 0.1), -2.465159803463, 1.211724804831, 2.361359484829],
    [planar.at(subvp(), 0.1), -3.663594935686, 2.315802662608, 8.709169819783],
    [planar.at(ve(), 0.5), -2.233509866788, 0.155206669931, 0.540247691146],
    [planar.at(ve(), 0.3), -3.626198112833, 2.557022060375, 7.52191831718],
    [planar.at(edm(), 0.5), -2.253140384874, 0.562951302269, 0.933315858635],
  ];
  for (const [mixture, logDensity, ...score] of golden) {
    const x = Float64Array.of(0.5, -0.25);
    t.true(close(mixture.logDensity(x)[0]!, logDensity, 1e-12));
    mixture.score(x).forEach((value, i) => {
      t.true(close(value, score[i]!, 1e-12), `${value} against ${score[i]!}`);
    });
  }
});

for (const [name, mixture] of times) {
  const d = mixture.dimension;

  test(`${name}: the score is the gradient of the log density`, (t) => {
    for (const x of pointsOf(mixture)) {
      mixture.score(x).forEach((value, i) => {
        t.true(
          close(
            value,
            difference((y) => mixture.logDensity(y)[0]!, x, i),
            1e-7,
          ),
        );
      });
    }
  });

  test(`${name}: the Jacobian of the score is symmetric, its products and its trace match differences`, (t) => {
    for (const x of pointsOf(mixture)) {
      const columns = Array.from({ length: d }, (_, j) => {
        const unit = new Float64Array(d).fill(1, j, j + 1);
        return mixture.jvp(x, unit);
      });
      let trace = 0;
      for (let i = 0; i < d; i++) {
        trace += columns[i]![i]!;
        for (let j = 0; j < d; j++) {
          const numerical = difference((y) => mixture.score(y)[i]!, x, j);
          t.true(close(columns[j]![i]!, numerical, 1e-6), `${columns[j]![i]!} against ${numerical}`);
          t.true(close(columns[j]![i]!, columns[i]![j]!, 1e-12));
        }
      }
      t.true(close(mixture.divergence(x)[0]!, trace, 1e-12));
      const v = x.map((value, i) => value - 0.3 * i);
      mixture.jvp(x, v).forEach((value, i) => {
        const expected = columns.reduce((sum, column, j) => sum + column[i]! * v[j]!, 0);
        t.true(close(value, expected, 1e-12));
      });
    }
  });

  test(`${name}: class probabilities are Bayes' rule, and their gradient matches differences`, (t) => {
    for (const x of pointsOf(mixture)) {
      const probabilities = mixture.classProbabilities(x);
      const total = mixture.logDensity(x)[0]!;
      probabilities.forEach((probability, k) => {
        const joint = Math.log(mixture.weights[k]!) + mixture.component(k).logDensity(x)[0]!;
        t.true(close(probability, Math.exp(joint - total), 1e-12));
        const gradient = mixture.classScore(x, k);
        gradient.forEach((value, i) => {
          const numerical = difference((y) => Math.log(mixture.classProbabilities(y)[k]!), x, i);
          t.true(close(value, numerical, 1e-7), `${value} against ${numerical}`);
        });
      });
    }
  });
}

test('a point has the same results alone and among others', (t) => {
  const v = points.map((value) => 2 * value - 0.1);
  const { length } = points;
  for (let b = 0; b < length / 4; b++) {
    const [x, direction] = [points.slice(4 * b, 4 * b + 4), v.slice(4 * b, 4 * b + 4)];
    t.deepEqual(mixed.score(points).slice(4 * b, 4 * b + 4), mixed.score(x));
    t.deepEqual(mixed.jvp(points, v).slice(4 * b, 4 * b + 4), mixed.jvp(x, direction));
    t.is(mixed.divergence(points)[b], mixed.divergence(x)[0]);
    t.is(mixed.logDensity(points)[b], mixed.logDensity(x)[0]);
    t.deepEqual(mixed.classScore(points, [0, 2]).slice(4 * b, 4 * b + 4), mixed.classScore(x, [0, 2][b]!));
  }
});

test('every form of a covariance gives the same law as the full matrix', (t) => {
  const diagonal = (values: number[]) =>
    values.map((value, i) => values.map((_, j) => (i === j ? value : 0)));
  const full = spatial([
    lowRankAsMatrix,
    diagonal([0.1, 0.2, 0.3, 0.15]),
    diagonal([0.25, 0.25, 0.25, 0.25]),
  ]);
  // More factor columns than dimensions, and a factor of less than its apparent rank.
  const wide = spatial([
    { factor: factor.map((row) => [...row, 0, 0, 0, 0]), scalar: 0.05 },
    [0.1, 0.2, 0.3, 0.15],
    { factor: factor.map(() => [0, 0]), scalar: 0.25 },
  ]);
  const v = points.map((value) => 1 - value);
  for (const [alpha, sigma] of [
    [1, 0],
    [0.7, 0.4],
  ] as const) {
    const reference = full.diffused(alpha, sigma);
    for (const form of [mixed.diffused(alpha, sigma), wide.diffused(alpha, sigma)]) {
      const agree = (a: Float64Array, b: Float64Array) => a.every((value, i) => close(value, b[i]!, 1e-11));
      t.true(agree(form.logDensity(points), reference.logDensity(points)));
      t.true(agree(form.score(points), reference.score(points)));
      t.true(agree(form.divergence(points), reference.divergence(points)));
      t.true(agree(form.jvp(points, v), reference.jvp(points, v)));
      t.true(agree(form.covariance(), reference.covariance()));
    }
  }
});

/** The integral of f over a square that holds all of the planar mixture. */
function integrate(f: (x: Float64Array) => number): number {
  const h = 0.05;
  let sum = 0;
  for (let a = -4; a <= 4; a += h) for (let b = -4; b <= 4; b += h) sum += f(Float64Array.of(a, b));
  return sum * h * h;
}

test('density, mean and covariance agree with quadrature', (t) => {
  const law = planar.at(vp(), 0.05);
  const density = (x: Float64Array) => Math.exp(law.logDensity(x)[0]!);
  t.true(close(integrate(density), 1, 1e-10));
  const mean = law.mean();
  const covariance = law.covariance();
  for (let i = 0; i < 2; i++) {
    t.true(
      close(
        integrate((x) => density(x) * x[i]!),
        mean[i]!,
        1e-10,
      ),
    );
    for (let j = 0; j < 2; j++) {
      const second = integrate((x) => density(x) * (x[i]! - mean[i]!) * (x[j]! - mean[j]!));
      t.true(close(second, covariance[2 * i + j]!, 1e-10));
    }
  }
});

test('the denoiser is the posterior mean of the data, by quadrature', (t) => {
  for (const [sde, time] of [
    [vp(), 0.3],
    [subvp(), 0.3],
    [ve(), 0.45],
  ] as const) {
    const x = Float64Array.of(0.4, -0.3);
    const [alpha, sigma] = [sde.alpha(time), sde.sigma(time)];
    const joint = (x0: Float64Array) => {
      const distance = x0.reduce((sum, value, i) => sum + (x[i]! - alpha * value) ** 2, 0);
      return Math.exp(planar.logDensity(x0)[0]! - distance / (2 * sigma ** 2));
    };
    const mass = integrate(joint);
    const estimate = planar.denoise(sde, time, x);
    for (let i = 0; i < 2; i++) {
      const expected = integrate((x0) => joint(x0) * x0[i]!) / mass;
      t.true(close(estimate[i]!, expected, 1e-9), `${sde.name}: ${estimate[i]!} against ${expected}`);
    }
  }
});

test('3072 dimensions of low rank: the derivatives hold along a direction', (t) => {
  const d = 3072;
  const wave = (frequency: number, phase: number) =>
    Float64Array.from({ length: d }, (_, i) => Math.sin(frequency * i + phase));
  const waves = Array.from({ length: 12 }, (_, j) => wave(0.01 * (j + 1), j));
  const mixture = new GaussianMixture({
    weights: [0.6, 0.4],
    means: [wave(0.002, 0), wave(0.003, 1)],
    covariances: [0, 6].map((start) => ({
      factor: Array.from({ length: d }, (_, i) => waves.slice(start, start + 6).map((row) => 0.3 * row[i]!)),
      scalar: 0.01,
    })),
  }).at(vp(), 0.4);
  const x = wave(0.05, 2);
  const v = wave(0.07, 3).map((value) => value / Math.sqrt(d / 2));
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const along = (shift: number) => x.map((value, i) => value + shift * v[i]!);
  const h = 1e-3;
  const slope = (mixture.logDensity(along(h))[0]! - mixture.logDensity(along(-h))[0]!) / (2 * h);
  t.true(close(dot(mixture.score(x), v), slope, 1e-7));
  const forward = mixture.score(along(h));
  const backward = mixture.score(along(-h));
  const product = mixture.jvp(x, v);
  product.forEach((value, i) => {
    if (!close(value, (forward[i]! - backward[i]!) / (2 * h), 1e-6)) t.fail(`element ${i}`);
  });
  // The Jacobian of one component is -C^-1, whose trace follows from the eigenvalues of C.
  const single = mixture.component(0);
  t.true(close(single.divergence(x)[0]!, -single.covariances[0]!.map((value) => 1 / value).trace, 1e-12));
});
