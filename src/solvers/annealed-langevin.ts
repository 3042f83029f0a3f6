import { solverOptions } from './names.js';
import { Stream } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { geometricSigmas } from '../sde/ladder.js';
import { levelAt } from '../sde/level.js';
import type { Batch } from './batch.js';
import { langevinMove } from './correctors/langevin.js';
import type { Plan, Solver } from './solver.js';
import { denoise as denoiseAt, stayAt, walk } from './walk.js';

/** Options of {@link annealedLangevin}. */
export interface AnnealedLangevinOptions {
  /** Standard deviations of the noise, descending. Default: the model's own ladder, or 232 geometric levels. */
  readonly sigmas?: readonly number[] | undefined;
  /** Step size at the least noise; at level c it is stepSize (sigma_c / sigma_L)^2. Default 6.2e-6 (NCSNv2, CIFAR-10). */
  readonly stepSize?: number | undefined;
  /** Langevin steps at every level. Default 5 (NCSNv2); NCSN takes 100. */
  readonly stepsPerLevel?: number | undefined;
  /** `tweedie` (default) adds sigma_L^2 s at the end (NCSNv2, section 4); NCSN takes `none`. */
  readonly denoise?: 'tweedie' | 'none' | undefined;
}

/**
 * Annealed Langevin dynamics (Song & Ermon 2019, algorithm 1; 2020 for the denoising), from uniform noise on the
 * data range. For models whose alpha is 1.
 */
export function annealedLangevin(options: AnnealedLangevinOptions = {}): Solver {
  checkKnown(options, solverOptions['annealed-langevin']);
  const { stepSize = 6.2e-6, stepsPerLevel = 5, denoise = 'tweedie' } = options;
  checkNumber('stepSize', stepSize, 0);
  checkInteger('stepsPerLevel', stepsPerLevel, 1);
  checkChoice('denoise', denoise, ['tweedie', 'none']);
  return {
    name: 'annealed-langevin',
    plan(model): Plan {
      const sigmas = noiseLevels(model, options.sigmas);
      const levels = Array.from(sigmas, (sigma, c) =>
        levelAt(model, model.sde.timeOfLambda(-Math.log(sigma)), sigmas.length - 1 - c),
      );
      const least = levels.length - 1;
      return {
        steps: levels.length,
        evaluations: levels.length * stepsPerLevel + (denoise === 'tweedie' ? 1 : 0),
        constrains: true,
        options: { solver: 'annealed-langevin', levels: levels.length, stepSize, stepsPerLevel, denoise },
        start: drawUniform,
        async run(batch, observer) {
          const move = langevinMove(batch, ({ k }) => stepSize * (sigmas[k]! / sigmas[least]!) ** 2);
          const steps = levels.map((level, c) =>
            Array.from({ length: stepsPerLevel }, (_, substep) => ({
              at: level,
              to: level,
              move: () => move(stayAt(level, c), batch.noise(Stream.corrector, c, substep)),
            })),
          );
          await walk(batch, steps, observer);
          if (denoise === 'tweedie') await denoiseAt(batch, levels[least]!, levels.length);
        },
      };
    },
  };
}

/** Uniform noise on the data range. */
function drawUniform(batch: Batch): void {
  const [low, high] = batch.model.sde.dataRange;
  batch.fill(batch.x, 'uniform', batch.noise(Stream.prior));
  // Clipped to one value, an array is constant.
  const origin = batch.like();
  batch.clip(origin, low, low);
  batch.combine(batch.x, [batch.x, origin], [high - low, 1]);
}

/** Standard deviations of the levels, from the largest to the least. */
function noiseLevels({ sde, ladder }: ScoreModel, sigmas?: readonly number[]): ArrayLike<number> {
  if (sde.alpha(0.5 * sde.T) !== 1 || sde.alpha(sde.T) !== 1) {
    const expected = `used with a model whose alpha is 1, such as those of the ve SDE; this one is of the ${sde.name} SDE`;
    throw new OptionError('solver', 'annealed-langevin', expected);
  }
  if (ladder && sigmas) {
    const expected = `left out: the model was trained on ${ladder.levels} discrete levels`;
    throw new OptionError('sigmas', sigmas, expected);
  }
  sigmas?.forEach((sigma, c) => {
    checkNumber(`sigmas[${c}]`, sigma, 0);
    if (sigma >= (sigmas[c - 1] ?? Infinity))
      throw new OptionError(
        `sigmas[${c}]`,
        sigma,
        `below ${sigmas[c - 1]!}: levels descend to the least noise`,
      );
  });
  if (sigmas?.length === 0) throw new OptionError('sigmas', sigmas, 'at least one noise level');
  const { sigmaMin = sde.sigma(sde.epsilon), sigmaMax = sde.priorSigma } = sde.constants;
  return sigmas ?? (ladder?.sigma ?? geometricSigmas(232, sigmaMin, sigmaMax)).toReversed();
}
