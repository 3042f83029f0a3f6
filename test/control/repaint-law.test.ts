import test from 'ava';
import { inpainting } from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import { Stream } from '../../src/device/binding.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { spacedTimes } from '../../src/sde/grid.js';
import { levelAt, type Level } from '../../src/sde/level.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { affineLaw, type NormalLaw, type Place } from '../support/affine-law.js';

/** Data N(m, S) in the plane, of which the first number is known to be y. */
const m = [0.2, -0.1] as const;
const S = [
  [1, 0.3],
  [0.3, 0.25],
] as const;
const y = 0.7;
const data = new GaussianMixture({ weights: [1], means: [m], covariances: [S] });
const known = { operator: inpainting([1, 0], [2]), values: Float64Array.of(y, 0) };

/** The law of both numbers: means, variances, covariance. */
interface Law {
  readonly mean: readonly [number, number];
  readonly xx: number;
  readonly xy: number;
  readonly yy: number;
}

/** E[x_0 | x] = m + K (x - alpha m), K = alpha S (alpha^2 S + sigma^2)^-1, as rows of K. */
function gainAt({ alpha, sigma }: Level): readonly [readonly [number, number], readonly [number, number]] {
  const [p, q, r] = [
    alpha ** 2 * S[0][0] + sigma ** 2,
    alpha ** 2 * S[0][1],
    alpha ** 2 * S[1][1] + sigma ** 2,
  ];
  const determinant = p * r - q * q;
  const row = ([a, b]: readonly [number, number]) =>
    [(alpha * (a * r - b * q)) / determinant, (alpha * (b * p - a * q)) / determinant] as const;
  return [row(S[0]), row(S[1])];
}

/** The law of M x + c and noise of this variance. */
function mapped(
  law: Law,
  M: readonly (readonly [number, number])[],
  c: readonly number[],
  variance: number,
): Law {
  const [[a, b], [d, e]] = M as [readonly [number, number], readonly [number, number]];
  const [u, v] = law.mean;
  return {
    mean: [a * u + b * v + c[0]!, d * u + e * v + c[1]!],
    xx: a * a * law.xx + 2 * a * b * law.xy + b * b * law.yy + variance,
    xy: a * d * law.xx + (a * e + b * d) * law.xy + b * e * law.yy,
    yy: d * d * law.xx + 2 * d * e * law.xy + e * e * law.yy + variance,
  };
}

/** The first number put in place with the noise of a level, apart from the second. */
const replaced = (law: Law, { alpha, sigma }: Pick<Level, 'alpha' | 'sigma'>): Law => ({
  mean: [alpha * y, law.mean[1]],
  xx: sigma ** 2,
  xy: 0,
  yy: law.yy,
});

/** RePaint (Lugmayr et al. 2022, algorithm 1) on these data: posteriors of the chain given its estimate of x_0, and back by its noise. */
function repainted(levels: readonly Level[], prior: number, jumpLength: number, resamples: number): Law {
  let law: Law = { mean: [0, 0], xx: prior ** 2, xy: 0, yy: prior ** 2 };
  const estimated = (level: Level, share: number, kept: number, variance: number) => {
    const K = gainAt(level);
    const M = K.map((row, i) => row.map((value, j) => share * value + (i === j ? kept : 0)));
    const c = K.map((row, i) => share * (m[i]! - level.alpha * (row[0] * m[0] + row[1] * m[1])));
    law = mapped(law, M as unknown as (readonly [number, number])[], c, variance);
  };
  for (let start = 0; start + 1 < levels.length; start += jumpLength) {
    const block = levels.slice(start, start + jumpLength + 1);
    for (let visit = 0; visit < resamples; visit++) {
      const [first, last] = [block[0]!, block.at(-1)!];
      if (visit > 0) {
        const retain = first.alpha / last.alpha;
        const spread = first.sigma ** 2 - (retain * last.sigma) ** 2;
        law = mapped(law, [[retain, 0], [0, retain]], [0, 0], spread); // prettier-ignore
        law = replaced(law, first);
      }
      block.slice(1).forEach((to, k) => {
        const from = block[k]!;
        const retain = from.alpha / to.alpha;
        const spread = from.sigma ** 2 - (retain * to.sigma) ** 2;
        const share = (to.alpha * spread) / from.sigma ** 2;
        estimated(
          from,
          share,
          (retain * to.sigma ** 2) / from.sigma ** 2,
          (to.sigma ** 2 * spread) / from.sigma ** 2,
        );
        law = replaced(law, to);
      });
    }
  }
  estimated(levels.at(-1)!, 1, 0, 0);
  return replaced(law, { alpha: 1, sigma: 0 });
}

/** What a run draws: the prior, and in each part of its schedule a step or a jump, and what is put in place. */
function placesOf(steps: number, jumpLength: number, resamples: number): Place[] {
  const places: Place[] = [{ stream: Stream.prior, step: 0 }];
  let part = 0;
  const add = (place: Place) => places.push(place, { stream: Stream.measurement, step: part++ });
  for (let start = 0; start < steps; start += jumpLength)
    for (let visit = 0; visit < resamples; visit++) {
      if (visit > 0) add({ stream: Stream.churn, step: start, visit });
      for (let k = start; k < start + jumpLength; k++) add({ stream: Stream.predictor, step: k, visit });
    }
  return places;
}

const steps = 12;
const jumpLength = 4;

for (const sde of [vp(), subvp(), ve()]) {
  const model: ScoreModel = mixtureModel(data, sde);
  const grid = spacedTimes(sde, { steps, grid: 'uniform-lambda' });
  const levels = Array.from(grid, (time) => levelAt(model, time));
  const lawOf = (resamples: number): Promise<NormalLaw> =>
    affineLaw(2, placesOf(steps, jumpLength, resamples), async (count) => {
      const run = { method: 'repaint', grid, jumpLength, resamples, count, batch: count } as const;
      return (await restore(model, known, run)).samples;
    });

  test(`repaint has the law of its algorithm, nearer the posterior with more resamples: ${sde.name}`, async (t) => {
    const errors: number[] = [];
    // Of the second number given the first.
    const mean = m[1] + (S[1][0] / S[0][0]) * (y - m[0]);
    const deviation = Math.sqrt(S[1][1] - S[1][0] ** 2 / S[0][0]);
    for (const resamples of [1, 2, 6]) {
      const [law, truth] = [await lawOf(resamples), repainted(levels, sde.priorSigma, jumpLength, resamples)];
      t.true(Math.abs(law.mean[0]! - y) < 1e-5);
      t.true(Math.abs(law.mean[1]! - truth.mean[1]) < 2e-4, `${law.mean[1]} for ${truth.mean[1]}`);
      const own = Math.sqrt(law.covariance[1]![1]!);
      t.true(Math.abs(own / Math.sqrt(truth.yy) - 1) < 1e-3, `${own} for ${Math.sqrt(truth.yy)}`);
      errors.push(Math.abs(truth.mean[1] - mean) / deviation);
    }
    t.true(errors[1]! < errors[0]! && errors[2]! < errors[1]!, errors.join());
  });
}
