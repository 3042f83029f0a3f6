import { solverOptions } from './names.js';
import { Stream } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkInteger, checkKnown, checkNumber } from '../options.js';
import { trainedLevelAt } from '../sde/level.js';
import { langevinMove } from './correctors/langevin.js';
import type { Plan, Solver } from './solver.js';
import { stayAt, walk } from './walk.js';

/** Options of {@link langevinDynamics}. */
export interface LangevinDynamicsOptions {
  /** Step size e of x' = x + e s + sqrt(2 e) z. */
  readonly stepSize: number;
  /** Default 1000. */
  readonly steps?: number | undefined;
  /** Time at which the score is taken, that is, the p_t that is sampled. Default: the SDE's epsilon. */
  readonly time?: number | undefined;
}

/**
 * Unadjusted Langevin dynamics on the score at one time (Song & Ermon 2019, equation 4). Its stationary law has an error of
 * order stepSize: on N(0, s^2) the variance is s^2 / (1 - stepSize / (2 s^2)).
 */
export function langevinDynamics(options: LangevinDynamicsOptions): Solver {
  checkKnown(options, solverOptions['langevin-dynamics']);
  const { stepSize, steps = 1000, time } = options;
  if ((stepSize as number | undefined) === undefined)
    throw new OptionError(
      'stepSize',
      stepSize,
      'given: there is no step size that suits all data (1e-4 for pictures, say)',
    );
  checkNumber('stepSize', stepSize, 0);
  checkInteger('steps', steps, 1);
  return {
    name: 'langevin-dynamics',
    plan(model): Plan {
      const { epsilon, T } = model.sde;
      if (time !== undefined && !(time > 0 && time <= T))
        throw new OptionError('time', time, `above 0 and at most T (${T})`);
      const level = trainedLevelAt(model, time ?? epsilon);
      return {
        steps,
        evaluations: steps,
        constrains: true,
        options: { solver: 'langevin-dynamics', stepSize, steps, time: level.t },
        async run(batch, observer) {
          const move = langevinMove(batch, () => stepSize);
          const visits = Array.from({ length: steps }, (_, k) => [
            { at: level, to: level, move: () => move(stayAt(level, k), batch.noise(Stream.corrector, k)) },
          ]);
          await walk(batch, visits, observer);
        },
      };
    },
  };
}
