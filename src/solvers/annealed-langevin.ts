import { OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';
import { checkInteger, checkNumber } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { geometricSigmas } from '../sde/ladder.js';
import { specified } from '../specification.js';
import type { Time } from './batch.js';
import type { Plan, Solver } from './solver.js';

export interface AnnealedLangevinOptions {
  /** Standard deviations of the noise, descending. Default: the model's own ladder, or 232 geometric levels. */
  readonly sigmas?: readonly number[];
  /** Step size at the least noise; at level c it is stepSize (sigma_c / sigma_L)^2. Default 6.2e-6 (NCSNv2, CIFAR-10). */
  readonly stepSize?: number;
  /** Langevin steps at every level. Default 5 (NCSNv2); NCSN takes 100. */
  readonly stepsPerLevel?: number;
  /** Add sigma_L^2 s at the end (NCSNv2, section 4). Default true; NCSN takes false. */
  readonly denoise?: boolean;
}

/**
 * Annealed Langevin dynamics (Song & Ermon 2019, algorithm 1; 2020 for the denoising), from uniform noise on the
 * data range. For models of the VE SDE.
 */
export function annealedLangevin(options: AnnealedLangevinOptions = {}): Solver {
  const { stepSize = 6.2e-6, stepsPerLevel = 5, denoise = true } = options;
  checkNumber('stepSize', stepSize, 0);
  checkInteger('stepsPerLevel', stepsPerLevel, 1);
  return specified('annealedLangevin', options, {
    name: 'annealed-langevin',
    plan(model): Plan {
      const levels = noiseLevels(model, options.sigmas);
      const least = levels.at(-1)!.sigma;
      return {
        steps: levels.length,
        options: { solver: 'annealed-langevin', levels: levels.length, stepSize, stepsPerLevel, denoise },
        start(batch) {
          const [low, high] = model.sde.dataRange;
          fillUniform(batch.x, batch.size, batch.noise(Stream.prior));
          for (let i = 0; i < batch.x.length; i++) batch.x[i] = low + (high - low) * batch.x[i]!;
        },
        async run(batch, observer) {
          for (const [c, level] of levels.entries()) {
            const size = stepSize * (level.sigma / least) ** 2;
            for (let substep = 0; substep < stepsPerLevel; substep++) {
              await batch.evaluate(level, c);
              if (substep === 0) observer.evaluated?.(c, level, batch);
              batch.update(
                { state: 1, score: size, noise: Math.sqrt(2 * size) },
                level,
                batch.noise(Stream.corrector, c, substep),
              );
            }
            observer.stepped?.(c, batch);
          }
          if (!denoise) return;
          await batch.evaluate(levels.at(-1)!, levels.length, 'denoise');
          batch.estimate(batch.x, levels.at(-1)!);
        },
      };
    },
  });
}

type NoiseLevel = Time & { readonly sigma: number };

/** Levels from the largest noise to the least. */
function noiseLevels({ sde, ladder }: ScoreModel, sigmas?: readonly number[]): NoiseLevel[] {
  if (sde.name !== 've') {
    throw new OptionError(
      'solver',
      'annealed-langevin',
      `used with a model of the ve SDE; this model's is ${sde.name}`,
    );
  }
  if (ladder && sigmas) {
    throw new OptionError(
      'sigmas',
      sigmas,
      `left out: the model was trained on ${ladder.levels} discrete levels`,
    );
  }
  const { sigmaMin, sigmaMax } = sde.constants;
  const descending = sigmas ?? (ladder?.sigma ?? geometricSigmas(232, sigmaMin, sigmaMax)).toReversed();
  return Array.from(descending, (sigma, c) => {
    checkNumber(`sigmas[${c}]`, sigma, 0);
    const level = { t: sde.timeOfLambda(-Math.log(sigma)), sigma };
    return ladder ? { ...level, index: ladder.levels - 1 - c } : level;
  });
}
