import { createHash } from 'node:crypto';
import { functionModel } from '../../src/score/function.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { Parameterization, ScoreModel } from '../../src/score/model.js';
import { scoreCoefficients } from '../../src/score/parameterization.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { customSde } from '../../src/sde/custom.js';
import { ddpmLadder, geometricSigmas, linearBetas, smldLadder } from '../../src/sde/ladder.js';
import { sdeFromName } from '../../src/sde/named.js';
import { sdeNames } from '../../src/sde/names.js';
import type { Ladder, Sde } from '../../src/sde/sde.js';
import { namedPredictor } from '../../src/solvers/named.js';
import { correctorNames, predictorNames, sequences } from '../../src/solvers/names.js';

const shape = [1, 4, 8];

/** Data N(0.3, 0.5^2) in every coordinate, in arithmetic that every machine rounds alike. */
function gaussian(sde: Sde, parameterization: Exclude<Parameterization, 'edm'>, ladder?: Ladder): ScoreModel {
  return functionModel({
    ...{ shape, sde, parameterization, ladder },
    evaluate(x, levels, output) {
      for (let i = 0; i < x.length; i++) {
        const level = levels[Math.floor(i / 32)]!;
        const { alpha, sigma } = level;
        const score = -(x[i]! - 0.3 * alpha) / (0.25 * alpha * alpha + sigma * sigma);
        const c = scoreCoefficients(parameterization, level);
        output[i] = (score - c.state * x[i]!) / c.output;
      }
    },
  });
}

const sdes: Readonly<Record<string, Sde>> = {
  ...Object.fromEntries(sdeNames.map((name) => [name, sdeFromName(name)])),
  custom: customSde({ alpha: () => 1, sigma: (t) => 0.01 + t * t, T: 3 }),
};

const mixture = new GaussianMixture({
  weights: [0.25, 0.75],
  means: [
    [-0.5, 0.2],
    [0.4, -0.3],
  ],
  covariances: [0.05, 0.02],
});

function* cases(): Generator<[name: string, model: ScoreModel, options: SampleOptions]> {
  for (const [name, sde] of Object.entries(sdes)) {
    for (const predictor of predictorNames) {
      for (const corrector of correctorNames) {
        for (const sequence of sequences)
          yield [
            `${name} ${predictor} ${corrector} ${sequence}`,
            gaussian(sde, 'score'),
            { predictor, corrector, sequence, steps: 12 },
          ];
        if (!sde.published || namedPredictor(predictor).continuous) continue;
        const options = { predictor, corrector, steps: 25, grid: 'reference' } as const;
        yield [`${name} ${predictor} ${corrector} reference`, gaussian(sde, 'score'), options];
      }
    }
    for (const kind of ['eps', 'v', 'x0'] as const)
      yield [`${name} ${kind}`, gaussian(sde, kind), { snr: 0.16, steps: 12 }];
    yield [`${name} rk45`, gaussian(sde, 'score'), { solver: { name: 'rk45', rtol: 1e-4, atol: 1e-4 } }];
    const adaptive = { name: 'ggf', rtol: 0.05 } as const;
    yield [`${name} ggf`, gaussian(sde, 'score'), { solver: adaptive }];
    const dynamics = { name: 'langevin-dynamics', stepSize: 1e-3, steps: 20 } as const;
    yield [`${name} langevin-dynamics`, gaussian(sde, 'score'), { solver: dynamics }];
    yield [`${name} mixture`, mixtureModel(mixture, sde), { snr: 0.16, steps: 12 }];
    yield [`${name} mixture heun`, mixtureModel(mixture, sde), { solver: 'heun', steps: 12 }];
    const clipped = { name: 'ancestral', variance: 'fixedsmall', clip: true } as const;
    yield [`${name} clip`, gaussian(sde, 'score'), { predictor: clipped, steps: 12 }];
  }
  const sigmas = smldLadder(geometricSigmas(30, 0.01, 10));
  const smld = gaussian(sdeFromName('ve'), 'score', sigmas);
  const ddpm = gaussian(sdeFromName('vp'), 'eps', ddpmLadder(linearBetas(40)));
  for (const steps of [undefined, 10]) {
    yield [`smld ${steps ?? 'all'}`, smld, { snr: 0.16, steps }];
    yield [`ddpm ${steps ?? 'all'}`, ddpm, { snr: 0.16, steps }];
  }
  yield ['annealed-langevin', smld, { solver: { name: 'annealed-langevin', stepSize: 1e-5 } }];
}

/** Digests of the samples of every solver, SDE and kind of model, by name. */
export async function digests(): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const [name, model, options] of cases()) {
    if (options.predictor === 'none' && options.corrector === 'none') continue;
    // Refused there.
    if (options.predictor === 'probability-flow' && model.sde.noiseTime !== undefined) continue;
    const { samples } = await sample(model, { count: 3, batch: 2, seed: 7n, first: 11, ...options });
    result[name] = createHash('sha256').update(new Uint8Array(samples.buffer)).digest('hex').slice(0, 16);
  }
  return result;
}
