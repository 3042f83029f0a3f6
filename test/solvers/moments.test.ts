import test from 'ava';
import { timeGrid, type Step } from '../../src/sde/grid.js';
import { sdeFromName } from '../../src/sde/named.js';
import type { Sde } from '../../src/sde/sde.js';
import { levelAt } from '../../src/sde/level.js';
import type { Corrector } from '../../src/solvers/corrector.js';
import { ald, langevin } from '../../src/solvers/correctors/langevin.js';
import { namedPredictor } from '../../src/solvers/named.js';
import type { PredictorName } from '../../src/solvers/names.js';
import type { Update } from '../../src/solvers/batch.js';
import { stayAt } from '../../src/solvers/walk.js';
import { scalarsOf } from '../support/scalars.js';

// Data N(0.3, 0.5^2) in every coordinate: the exact score is affine, so that a sampler maps moments to moments.
const MEAN = 0.3;
const STD = 0.5;

interface Moments {
  mean: number;
  variance: number;
}

/** The law of x' = state x + score s(x, t) + noise z for x of these moments. */
function advance({ mean, variance }: Moments, { state, score, noise }: Update, sde: Sde, t: number): Moments {
  const total = (sde.alpha(t) * STD) ** 2 + sde.sigma(t) ** 2;
  const slope = state - score / total;
  return {
    mean: slope * mean + (score * sde.alpha(t) * MEAN) / total,
    variance: slope ** 2 * variance + noise ** 2,
  };
}

function run(sde: Sde, predictor: PredictorName, steps: Step[]): { noisy: Moments; denoised: Moments } {
  let noisy: Moments = { mean: 0, variance: sde.priorSigma ** 2 };
  let denoised = noisy;
  for (const step of steps) {
    const update = scalarsOf(namedPredictor(predictor), step, sde);
    denoised = advance(noisy, { ...update, noise: 0 }, sde, step.from.t);
    noisy = advance(noisy, update, sde, step.from.t);
  }
  return { noisy, denoised };
}

// spec: independent recursions, N = 1000 on the published grid.
const published: [Sde['name'], PredictorName, number, number, number][] = [
  ['vp', 'euler-maruyama', 0.500353, 0.500233, 0.300177],
  ['subvp', 'euler-maruyama', 0.500398, 0.500398, 0.300235],
  ['ve', 'euler-maruyama', 0.500351, 0.500349, 0.299972],
  ['vp', 'reverse-diffusion', 0.501987, 0.501887, 0.299804],
  ['vp', 'ancestral', 0.501358, 0.501258, 0.299962],
  ['ve', 'reverse-diffusion', 0.502159, 0.50206, 0.29997],
  ['ve', 'ancestral', 0.497798, 0.497798, 0.29997],
];

for (const [name, predictor, noisyStd, denoisedStd, mean] of published) {
  test(`${predictor} on ${name} has the published bias on Gaussian data`, (t) => {
    const sde = sdeFromName(name);
    const { noisy, denoised } = run(sde, predictor, timeGrid(sde, { steps: 1000, grid: 'reference' }));
    const near = (actual: number, expected: number) => {
      t.true(Math.abs(actual - expected) <= 2e-6, `${actual} against ${expected}`);
    };
    near(Math.sqrt(noisy.variance), noisyStd);
    near(Math.sqrt(denoised.variance), denoisedStd);
    near(noisy.mean, mean);
  });
}

/** Slope of log2(error in the final standard deviation) over doublings of the number of steps. */
function weakOrder(sde: Sde, predictor: PredictorName, first: number): number {
  const errors = [first, 2 * first].map((steps) => {
    const { noisy } = run(sde, predictor, timeGrid(sde, { steps }));
    const end = sde.epsilon;
    return Math.abs(Math.sqrt(noisy.variance) - Math.hypot(sde.alpha(end) * STD, sde.sigma(end)));
  });
  return Math.log2(errors[0]! / errors[1]!);
}

for (const name of ['vp', 'subvp'] as const) {
  for (const predictor of ['euler-maruyama', 'reverse-diffusion', 'ancestral', 'probability-flow'] as const) {
    test(`${predictor} on ${name} has weak order 1 on the exact grid`, (t) => {
      const order = weakOrder(sdeFromName(name), predictor, 4000);
      t.true(Math.abs(order - 1) < 0.05, `order ${order}`);
    });
  }
}

test('correctors have the stationary variance of unadjusted Langevin dynamics', (t) => {
  const sde = sdeFromName('ve');
  const time = 0.5;
  const sigma = sde.sigma(time);
  const step = stayAt(levelAt({ sde }, time), 0);
  const stationary = (corrector: Corrector): number => {
    let variance = sigma ** 2;
    for (let i = 0; i < 2000; i++) {
      // On N(0, sigma^2) in high dimension |z| = sqrt(d) and |s| = sqrt(d variance) / sigma^2.
      const { score: size } = scalarsOf(corrector, step, sde, sigma ** 2 / Math.sqrt(variance));
      variance = (1 - size / sigma ** 2) ** 2 * variance + 2 * size;
    }
    return variance / sigma ** 2;
  };
  const snr = 0.16;
  t.true(Math.abs(stationary(ald({ snr })) - 1 / (1 - snr ** 2)) < 1e-12);
  t.true(Math.abs(stationary(langevin({ snr })) - (1 + snr ** 2)) < 1e-12);
});
