import type { NormMode } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkChoice, defined } from '../options.js';
import type { ScoreModel } from '../score/model.js';
import { annealedLangevin } from './annealed-langevin.js';
import type { Corrector } from './corrector.js';
import { defaultCorrector } from './correctors/langevin.js';
import { gottaGoFast } from './gotta-go-fast.js';
import { langevinDynamics } from './langevin-dynamics.js';
import {
  checkTaken,
  correctors,
  made,
  namedCorrector,
  predictors,
  type Described,
  type Makers,
  type Named,
} from './named.js';
import {
  correctorNames,
  correctorOptions,
  defaultSolver,
  predictorOptions,
  solverOf,
  solverOptions,
  type CorrectorName,
  type PredictorName,
  type SolverName,
} from './names.js';
import { rk45 } from './ode/rk45.js';
import { predictorCorrector, type PredictorCorrectorOptions } from './predictor-corrector.js';
import type { Predictor } from './predictor.js';
import type { Solver } from './solver.js';

export const solvers: Makers<SolverName, Solver> = {
  'predictor-corrector': predictorCorrector,
  rk45,
  ggf: gottaGoFast,
  'annealed-langevin': annealedLangevin,
  'langevin-dynamics': langevinDynamics,
};

/** The options of a run that say by which solver samples are drawn. */
export interface SolverChoice extends PredictorCorrectorOptions {
  /**
   * A predictor or a solver. `solver: 'heun'` means `predictor: 'heun', corrector: 'none'`, to which a corrector may be added; a
   * solver that is no predictor takes the place of all options from `predictor` to `epsilon`. Default: that of the model's scheduler, else `dpmpp-2m-sde` with 39 steps,
   * but `predictor-corrector` where `predictor`, `corrector`, `snr`, `correctorSteps`, `norm`, `sequence` or the grid `reference` is given.
   */
  readonly solver?: Named<SolverName, Solver> | Named<PredictorName, Predictor> | undefined;
  /** Signal-to-noise ratio of a corrector given by name. Default 0.16. */
  readonly snr?: number | undefined;
  /** Steps at every level of a corrector given by name. Default 1. */
  readonly correctorSteps?: number | undefined;
  /** Norms of the Langevin corrector given by name. Default `sample`. */
  readonly norm?: NormMode | undefined;
}

/** Whether the number of steps, or of evaluations, is chosen beside the solver: one that is no predictor has its own. */
export function takesSteps({ solver }: SolverChoice): boolean {
  if (solver === undefined || typeof solver === 'string')
    return solver === undefined || solver === 'predictor-corrector' || !(solver in solverOptions);
  return !('plan' in solver) && !(solver.name in solverOptions);
}

/**
 * The solver that is meant: that of the model's scheduler where none is named, and where it is the one that is named, with the options that the
 * scheduler gives it.
 */
function solverIn(choice: SolverChoice, { scheduler }: ScoreModel): NonNullable<SolverChoice['solver']> {
  const named = solverOf(choice);
  const own = scheduler?.solver as Described<PredictorName> | undefined;
  if (!own) return named;
  if (choice.solver === undefined) return named === defaultSolver ? own : named;
  const given = typeof named === 'string' ? { name: named } : named;
  const isOwn = given.name === own.name && !('begin' in given) && !('plan' in given);
  return isOwn ? { ...own, ...given, name: own.name } : named;
}

/** The solver that is chosen for a model. @throws OptionError for options that do not go together. */
export function solverFor(choice: SolverChoice, model: ScoreModel): Solver {
  const { predictor, corrector, snr, correctorSteps, norm } = choice;
  const solver = solverIn(choice, model);
  const { sequence, grid, steps, evaluations, rho, epsilon, denoise } = choice;
  const walk = { sequence, grid, steps, evaluations, rho, epsilon, denoise };
  const settings = { snr, correctorSteps, norm };
  const chosen =
    solver === 'predictor-corrector'
      ? undefined
      : made<SolverName | PredictorName, Solver | Predictor>(
          'solver',
          solver,
          ['plan', 'begin'],
          { ...predictors, ...solvers },
          { ...predictorOptions, ...solverOptions },
        );
  if (chosen && 'plan' in chosen) {
    for (const [name, value] of Object.entries({ predictor, corrector, ...settings, ...walk })) {
      if (value === undefined) continue;
      const expected = `left out when solver is given (${chosen.name}), whose options go with it`;
      throw new OptionError(name, value, expected);
    }
    return chosen;
  }
  if (chosen && predictor !== undefined)
    throw new OptionError('predictor', predictor, 'left out when solver is given, which is a predictor too');
  return predictorCorrector({
    ...walk,
    predictor: chosen ?? predictor,
    corrector: correctorFor(corrector === undefined && chosen ? 'none' : corrector, settings, model),
  });
}

type CorrectorSettings = Pick<SolverChoice, 'snr' | 'correctorSteps' | 'norm'>;

/** The corrector of this name with these settings, or the value itself, which carries its own. */
function correctorFor(
  corrector: Named<CorrectorName, Corrector> | undefined,
  settings: CorrectorSettings,
  model: ScoreModel,
): Corrector {
  const name =
    corrector === undefined
      ? settings.norm === undefined
        ? defaultCorrector(model)
        : 'langevin'
      : corrector;
  if (typeof name !== 'string') {
    for (const [option, value] of Object.entries(settings)) {
      if (value !== undefined)
        throw new OptionError(option, value, 'left out: corrector is a value that carries its own');
    }
    return namedCorrector(name);
  }
  const { snr, correctorSteps, norm } = settings;
  const taken: readonly string[] = correctorOptions[checkChoice('corrector', name, correctorNames)];
  checkTaken('snr', snr, 'snr', 'corrector', name, taken);
  checkTaken('correctorSteps', correctorSteps, 'steps', 'corrector', name, taken);
  checkTaken('norm', norm, 'norm', 'corrector', name, taken);
  return correctors[name](defined({ snr, steps: correctorSteps, norm }) as never);
}
