import test from 'ava';
import { planOf, sample, type SampleOptions } from '../../src/sampling/sample.js';
import { functionModel } from '../../src/score/function.js';
import type { ScoreModel } from '../../src/score/model.js';
import { ddpmLadder, smldLadder } from '../../src/sde/ladder.js';
import { ladderFromName } from '../../src/sde/named-ladder.js';
import type { Ladder } from '../../src/sde/sde.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { predictorNames } from '../../src/solvers/names.js';
import { gaussianModel, moments } from '../support/gaussian.js';

// Ladders that are not those of the SDE whose name they go by: what a step does has to come from their levels, not from the SDE.
const cosine = (levels: number) => {
  const kept = (i: number) => Math.cos((((i / levels + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return ddpmLadder(Array.from({ length: levels }, (_, i) => Math.min(0.999, 1 - kept(i + 1) / kept(i))));
};
const karras = (levels: number) =>
  smldLadder(
    Array.from(
      { length: levels },
      (_, i) => (0.01 ** (1 / 7) + (i / (levels - 1)) * (50 ** (1 / 7) - 0.01 ** (1 / 7))) ** 7,
    ),
  );

for (const [name, sde, ladder] of [
  ['cosine betas', vp(), cosine(500)],
  ['sigmas even in their seventh root', ve({ sigmaMax: 50 }), karras(300)],
] as const) {
  test(`every predictor reaches the data law over ${name}`, async (t) => {
    for (const predictor of [
      'euler-maruyama',
      'reverse-diffusion',
      'ancestral',
      'ddim',
      'dpmpp-2m',
    ] as const) {
      const model = gaussianModel(sde, { shape: [20_000], change: { ladder } });
      const { samples } = await sample(model, {
        count: 1,
        predictor,
        corrector: 'none',
        steps: ladder.levels,
      });
      const { mean, std } = moments(samples);
      t.true(Math.abs(mean - 0.3) < 0.03 && Math.abs(std - 0.5) < 0.03, `${predictor}: ${mean} +- ${std}`);
    }
  });
}

test('the ald corrector takes its step from the level of the ladder', async (t) => {
  const ladder = karras(100);
  const model = gaussianModel(ve({ sigmaMax: 50 }), { shape: [40_000], change: { ladder } });
  const options = { predictor: 'none', corrector: 'ald', correctorSteps: 2, denoise: 'none' } as const;
  const { samples } = await sample(model, { count: 1, ...options });
  // x' = (1 - e / V) x + sqrt(2 e) z about the mean, with e = 2 (snr sigma)^2 and V the variance at the level.
  let [variance, centre] = [model.sde.priorSigma ** 2, -0.3];
  for (const sigma of Array.from(ladder.sigma).reverse()) {
    const e = 2 * (0.16 * sigma) ** 2;
    const kept = 1 - e / (0.25 + sigma ** 2);
    for (let k = 0; k < 2; k++) [variance, centre] = [kept ** 2 * variance + 2 * e, kept * centre];
  }
  const { mean, std } = moments(samples);
  t.true(Math.abs(std / Math.sqrt(variance) - 1) < 0.02, `${std} against ${Math.sqrt(variance)}`);
  t.true(Math.abs(mean - 0.3 - centre) < (5 * std) / 200, `${mean} against ${0.3 + centre}`);
});

const zero = ladderFromName({ name: 'scaled-linear', levels: 600, zeroTerminalSnr: true });

for (const parameterization of ['v', 'x0', 'flow'] as const) {
  // The steps of probability-flow would have to be short against what is left of alpha, and consistency is for networks of its own.
  for (const predictor of predictorNames) {
    if (predictor === 'none' || predictor === 'probability-flow' || predictor === 'consistency') continue;
    test(`${predictor}, ${parameterization}: a ladder of zero terminal SNR is walked`, async (t) => {
      const model = gaussianOf(parameterization, zero);
      const { samples } = await sample(model, { count: 1, predictor, corrector: 'none', steps: 200 });
      const { mean, std } = moments(samples);
      t.true(Math.abs(mean - 0.3) < 0.03 && Math.abs(std - 0.5) < 0.03, `${mean} +- ${std}`);
    });
  }
}

test('where no signal is left, a walk begins for methods of alpha and sigma, and a level later for others', (t) => {
  const model = gaussianOf('v', zero);
  const startOf = (solver: SampleOptions['solver']) => planOf(model, { solver, steps: 5 }).options['start'];
  for (const solver of ['ddim', 'ancestral', 'unipc', 'dpmpp-2s', 'edm-heun', 'er-sde'] as const)
    t.is(startOf(solver), 1, solver);
  for (const solver of ['reverse-diffusion', 'euler-maruyama', 'rk4'] as const)
    t.is(startOf(solver), 599 / 600, solver);
});

/** Data N(0.3, 0.5^2), with a network that knows no alpha to divide by. */
function gaussianOf(parameterization: 'v' | 'x0' | 'flow', ladder: Ladder): ScoreModel {
  return functionModel({
    shape: [20_000],
    sde: vp(),
    ladder,
    parameterization,
    evaluate(x, [level], output) {
      const { alpha, sigma } = level!;
      const total = (alpha * 0.5) ** 2 + sigma ** 2;
      for (let i = 0; i < x.length; i++) {
        const estimate = 0.3 + ((alpha * 0.25) / total) * (x[i]! - alpha * 0.3);
        const z = (sigma / total) * (x[i]! - alpha * 0.3);
        output[i] = { x0: estimate, v: alpha * z - sigma * estimate, flow: z - estimate }[parameterization];
      }
    },
  });
}
