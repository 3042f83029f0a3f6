import test from 'ava';
import { inpainting, matrixOperator } from '../../src/control/operators.js';
import type { Measurement } from '../../src/control/measurement.js';
import { restore } from '../../src/control/restore.js';
import type { RestoreOptions } from '../../src/control/restore-options.js';
import { Stream } from '../../src/device/binding.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { affineLaw, placesOf, type NormalLaw, type Place } from '../support/affine-law.js';

/** Data N(m, S) in the plane, of which a x, with noise, or the first number is measured. */
const m = [0.2, -0.1] as const;
const S = [
  [1, 0.3],
  [0.3, 0.25],
] as const;
const a = [1, 0.5] as const;
const [y, noise] = [0.7, 0.2];

const data = new GaussianMixture({ weights: [1], means: [m], covariances: [S] });
const known = { operator: inpainting([1, 0], [2]), values: Float64Array.of(y, 0) };
const slanted = { operator: matrixOperator([a]), values: Float64Array.of(y), noise };

const levels = ddpmLadder(linearBetas(1000));
const ladder = { ...mixtureModel(data, ladderSde(levels, vp())), ladder: levels };
const models: Record<string, ScoreModel> = {
  ...Object.fromEntries(
    [vp(), subvp(), ve(), edm(), flow()].map((sde) => [sde.name, mixtureModel(data, sde)]),
  ),
  ladder,
};

/** The posterior given a x = y with noise of this variance. */
function posterior(a: readonly [number, number], variance: number): NormalLaw {
  const gain = S.map((row) => row[0] * a[0] + row[1] * a[1]) as [number, number];
  const total = a[0] * gain[0] + a[1] * gain[1] + variance;
  const residual = y - a[0] * m[0] - a[1] * m[1];
  return {
    mean: m.map((mean, i) => mean + (gain[i]! * residual) / total),
    covariance: S.map((row, i) => row.map((s, j) => s - (gain[i]! * gain[j]!) / total)),
  };
}

/** (S + v)^-1 */
function precision(v: number): [number, number, number] {
  const [p, q, r] = [S[0][0] + v, S[0][1], S[1][1] + v];
  const determinant = p * r - q * q;
  return [r / determinant, -q / determinant, p / determinant];
}

/**
 * The law that x / alpha has at the end of the reverse SDE dx = -2 rho (g + G x) drho + sqrt(2 rho) dw in the noise level rho = sigma / alpha, where
 * `field` gives the rows [g, G] of the score: by moments, in small steps of ln rho.
 */
function reversed(field: (rho: number) => readonly (readonly [number, number, number])[]): NormalLaw {
  let mean = [0, 0];
  let C = [1e4, 0, 1e4];
  const steps = 100_000;
  const h = Math.log(100 / 1e-4) / steps;
  for (let k = 0; k < steps; k++) {
    const rho = 100 * Math.exp(-(k + 0.5) * h);
    const pull = 2 * rho * rho * h;
    const [one, two] = field(rho);
    const [p, q, r, s] = [1 + pull * one![1], pull * one![2], pull * two![1], 1 + pull * two![2]];
    mean = [p * mean[0]! + q * mean[1]! + pull * one![0], r * mean[0]! + s * mean[1]! + pull * two![0]];
    const [xx, xy, yy] = C as [number, number, number];
    C = [
      p * (p * xx + q * xy) + q * (p * xy + q * yy) + pull,
      r * (p * xx + q * xy) + s * (p * xy + q * yy),
      r * (r * xx + s * xy) + s * (r * xy + s * yy) + pull,
    ];
  }
  return {
    mean,
    covariance: [
      [C[0]!, C[1]!],
      [C[1]!, C[2]!],
    ],
  };
}

/** What is known is put in place at every level: the other number follows its score there. */
function replaced(): NormalLaw {
  let [mean, variance] = [0, 1e4];
  const steps = 100_000;
  const h = Math.log(100 / 1e-4) / steps;
  for (let k = 0; k < steps; k++) {
    const rho = 100 * Math.exp(-(k + 0.5) * h);
    const [, q, r] = precision(rho * rho);
    const pull = 2 * rho * rho * h;
    mean += pull * (-q * (y - m[0]) - r * (mean - m[1]));
    variance = (1 - pull * r) ** 2 * variance + pull;
  }
  return {
    mean: [y, mean],
    covariance: [
      [0, 0],
      [0, variance],
    ],
  };
}

/** pigdm: the score of the data and J^T a^T (y - a x_0) / (|a|^2 r^2 + noise^2), with r^2 = rho^2 / (1 + rho^2), J = S (S + rho^2)^-1. */
const guidedByPseudoinverse = () =>
  reversed((rho) => {
    const v = rho * rho;
    const [p, q, r] = precision(v);
    // J^T = 1 - rho^2 (S + rho^2)^-1; x_0 = m + J (x - m).
    const pulled = [a[0] - v * (p * a[0] + q * a[1]), a[1] - v * (q * a[0] + r * a[1])] as const;
    const weight = 1 / ((a[0] ** 2 + a[1] ** 2) * (v / (1 + v)) + noise ** 2);
    return [
      [p, q],
      [q, r],
    ].map((row, i) => {
      const slopes = [0, 1].map((j) => -row[j]! - weight * pulled[i]! * pulled[j]!) as [number, number];
      const residual = y - a[0] * m[0] - a[1] * m[1];
      const offset = weight * pulled[i]! * residual - slopes[0] * m[0] - slopes[1] * m[1];
      return [offset, ...slopes] as const;
    });
  });

/** The largest error of means, and of deviations by their share. */
function errorOf(found: NormalLaw, truth: NormalLaw, axes: readonly number[]): number {
  const errors = axes.flatMap((i) => {
    const deviation = Math.sqrt(truth.covariance[i]![i]!);
    return [
      Math.abs(found.mean[i]! - truth.mean[i]!) / deviation,
      Math.abs(Math.sqrt(found.covariance[i]![i]!) / deviation - 1),
    ];
  });
  return Math.max(...errors);
}

const moves = [{ stream: Stream.predictor }];
const replacing = [0, 1, 2, 3].map((substep) => ({ stream: Stream.measurement, substep }));
const correcting = [0, 1, 2].map((substep) => ({ stream: Stream.corrector, substep }));

const lawOf = (
  model: ScoreModel,
  measurement: Measurement,
  places: readonly Place[],
  options: RestoreOptions,
): Promise<NormalLaw> =>
  affineLaw(2, places, async (count) => {
    const { samples } = await restore(model, measurement, { ...options, count, batch: count });
    return samples;
  });

const truths = {
  mmps: posterior(a, noise ** 2),
  pigdm: guidedByPseudoinverse(),
  replacement: replaced(),
  known: posterior([1, 0], 0),
};

for (const [name, model] of Object.entries(models)) {
  for (const method of ['mmps', 'pigdm'] as const)
    test(`${method} comes to its law by steps of order 2: ${name}`, async (t) => {
      const run = { method, ...(method === 'mmps' && { iterations: 1 }), grid: 'uniform-lambda' } as const;
      const of = async (steps: number) => {
        const law = await lawOf(model, slanted, placesOf(steps, moves), { ...run, steps });
        return errorOf(law, truths[method], [0, 1]);
      };
      const [coarse, fine] = [await of(20), await of(40)];
      t.true(fine < 0.02, `${fine}`);
      t.true(coarse > 2.5 * fine, `${coarse} ${fine}`);
    });

  test(`replacement comes to its own law without a corrector, and to the posterior with one: ${name}`, async (t) => {
    const of = async (steps: number, options: RestoreOptions, truth: NormalLaw) => {
      const noises = [...moves, ...replacing, ...(options.corrector === 'none' ? [] : correcting)];
      return errorOf(await lawOf(model, known, placesOf(steps, noises), { steps, ...options }), truth, [1]);
    };
    const alone = { corrector: 'none' } as const;
    const [coarse, fine] = [await of(15, alone, truths.replacement), await of(30, alone, truths.replacement)];
    t.true(fine < 0.25 && coarse > 1.7 * fine, `${coarse} ${fine}`);
    const corrected = await of(30, { correctorSteps: 2, snr: 0.5 }, truths.known);
    t.true(corrected < 0.1, `${corrected}`);
  });
}
