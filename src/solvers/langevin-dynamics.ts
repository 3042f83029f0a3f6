import { Stream } from '../device/binding.js';
import { checkInteger, checkNumber } from '../options.js';
import { specified } from '../specification.js';
import type { Plan, Solver } from './solver.js';

export interface LangevinDynamicsOptions {
  /** Step size eps of x' = x + eps s + sqrt(2 eps) z. */
  readonly stepSize: number;
  /** Default 1000. */
  readonly steps?: number;
  /** Time at which the score is taken, that is, the p_t that is sampled. Default: the SDE's epsilon. */
  readonly time?: number;
}

/**
 * Unadjusted Langevin dynamics on the score at one time (Song & Ermon 2019, eq. 4). Its stationary law has an error of
 * order stepSize: on N(0, s^2) the variance is s^2 / (1 - stepSize / (2 s^2)).
 */
export function langevinDynamics(options: LangevinDynamicsOptions): Solver {
  const { stepSize, steps = 1000, time } = options;
  checkNumber('stepSize', stepSize, 0);
  checkInteger('steps', steps, 1);
  return specified('langevinDynamics', options, {
    name: 'langevin-dynamics',
    plan({ sde }): Plan {
      const at = { t: time ?? sde.epsilon };
      return {
        steps,
        options: { solver: 'langevin-dynamics', stepSize, steps, time: at.t },
        start: (batch) => {
          batch.drawPrior();
        },
        async run(batch, observer) {
          for (let k = 0; k < steps; k++) {
            await batch.evaluate(at, k);
            observer.evaluated?.(k, at, batch);
            const update = { state: 1, score: stepSize, noise: Math.sqrt(2 * stepSize) };
            batch.update(update, at, batch.noise(Stream.corrector, k));
            observer.stepped?.(k, batch);
          }
        },
      };
    },
  });
}
