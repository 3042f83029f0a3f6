import type { ScoreModel } from '../../src/score/model.js';
import type { Step } from '../../src/sde/grid.js';
import type { Sde } from '../../src/sde/sde.js';
import type { Batch, Update } from '../../src/solvers/batch.js';
import type { Corrector } from '../../src/solvers/corrector.js';
import type { Predictor } from '../../src/solvers/predictor.js';

/** The scalars with which a predictor or corrector steps; `ratio` stands for |z| / |s| where a Langevin step has norms. */
export function scalarsOf(method: Predictor | Corrector, step: Step, sde: Sde, ratio: number = NaN): Update {
  let scalars: Update | undefined;
  const recorder: Partial<Batch> = {
    model: { sde } as ScoreModel,
    level: { ...step.from, sigma: sde.sigma(step.from.t) },
    update(update) {
      scalars = update;
    },
    langevin(factor) {
      const size = factor * ratio ** 2;
      scalars = { state: 1, score: size, noise: Math.sqrt(2 * size) };
    },
  };
  const noise = { seed: 0n, samples: 0, step: 0, stream: 0 };
  void method.begin(recorder as Batch, [step])(step, noise);
  return scalars!;
}
