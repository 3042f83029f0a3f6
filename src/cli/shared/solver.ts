import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { NormMode } from '../../device/binding.js';
import { defined } from '../../options.js';
import { gridKinds, spacings, type GridKind, type Spacing } from '../../sde/names.js';
import type { SolverChoice } from '../../solvers/choice.js';
import {
  correctorNames,
  couplings,
  denoises,
  norms,
  orders,
  predictorNames,
  predictorOptions,
  solverNames,
  solverOptions,
  variables,
  variances,
  type CorrectorName,
  type PredictorName,
  type SolverName,
} from '../../solvers/names.js';
import { addOptions, choice, integer, numbers, real } from './arguments.js';

/** Flags that say how samples are drawn, by the names of the library's options. */
export interface SolverFlags {
  readonly solver?: SolverName | PredictorName;
  readonly predictor?: PredictorName;
  readonly corrector?: CorrectorName;
  readonly snr?: number;
  readonly correctorSteps?: number;
  readonly norm?: NormMode;
  readonly order?: (typeof orders)[number];
  readonly grid?: GridKind;
  readonly steps?: number;
  readonly spacing?: Spacing;
  readonly rho?: number;
  readonly epsilon?: number;
  readonly denoise?: (typeof denoises)[number];
}

/** What a flag stands for beside a method's own options. */
const shared: readonly string[] = [
  'predictor',
  'corrector',
  'snr',
  'correctorSteps',
  'norm',
  ...solverOptions['predictor-corrector'],
];

/** The options that belong to one method or another alone. */
const own = [predictorOptions, solverOptions]
  .flatMap((methods) => Object.values<readonly string[]>(methods).flat())
  .filter((option) => !shared.includes(option));

/** The flags with which a method's own option may be given. */
function ownersOf(option: string): string {
  const taking = (methods: Readonly<Record<string, readonly string[]>>, flag: string): string[] =>
    Object.entries(methods).flatMap(([name, taken]) => (taken.includes(option) ? [`${flag} ${name}`] : []));
  return (
    [...taking(predictorOptions, '--predictor'), ...taking(solverOptions, '--solver')].join(', ') ||
    'predictor-corrector'
  );
}

/** Adds the flags of all solvers to a command. */
export function addSolverOptions(command: Command): void {
  addOptions(command, 'Solver:', [
    choice(
      '--solver <name>',
      'a predictor, without a corrector unless one is given; or a method of its own',
      [...solverNames, ...predictorNames.filter((name) => name !== 'none')],
      'predictor-corrector',
    ),
    integer(
      '--steps <n>',
      'steps (default: 1000, or the trained levels of a discrete model; 100 for ODE methods)',
    ),
    choice('--spacing <name>', 'spacing of the times', spacings, 'uniform-t'),
    real('--rho <exponent>', 'exponent of the spacings karras (default: 7) and power (default: 3)'),
    real('--eps, --epsilon <t>', 'time to stop at, T is 1 (default: 1e-3 for vp and subvp, 1e-5 for ve)'),
    choice('--denoise <how>', 'removal of the last noise', denoises, 'tweedie; mean on the published grid'),
  ]);
  addOptions(command, 'Predictor and corrector:', [
    choice('--predictor <name>', 'step from one level to the next', predictorNames, 'reverse-diffusion'),
    choice('--variance <name>', 'variance of ancestral', variances, 'fixedlarge for vp, else fixedsmall'),
    new Option('--clip', 'ancestral: clip the estimate of the sample to the data range at every step'),
    choice(
      '--corrector <name>',
      'Langevin steps at every level',
      correctorNames,
      'langevin; ald for mixtures and in few dimensions',
    ),
    real('--snr <ratio>', "signal-to-noise ratio of the corrector's step size (default: 0.16)"),
    integer('--corrector-steps <n>', 'corrector steps at every level (default: 1)'),
    choice('--norm <mode>', 'norms in the step size of langevin', norms, 'sample'),
    choice('--order <name>', 'which comes first at a level', orders, 'corrector-first'),
    choice('--grid <kind>', 'times: exact steps from T to eps, or the published loop', gridKinds, 'exact'),
  ]);
  addOptions(command, 'Solver, rk45:', [
    real('--rtol <tolerance>', 'relative tolerance (default: 1e-5)'),
    real('--atol <tolerance>', "absolute tolerance, in the model's own space (default: 1e-5)"),
    choice('--variable <name>', 'what the ODE is integrated in', variables, 't, as published'),
    choice('--coupling <how>', 'step size for each sample, or one for the batch', couplings, 'sample'),
  ]);
  addOptions(command, 'Solver, annealed-langevin and langevin-dynamics:', [
    real('--step-size <size>', 'of a Langevin step: at the least noise (default: 6.2e-6); everywhere'),
    integer('--steps-per-level <n>', 'annealed: Langevin steps at every level (default: 5)'),
    numbers('--sigmas <list>', 'annealed: noise levels, descending (default: the ladder, else 232 levels)'),
    real('--time <t>', 'dynamics: where the score is taken (default: eps)'),
  ]);
}

/**
 * The options of `sample` that the flags stand for.
 *
 * @throws OptionError for a flag that the solver does not take.
 */
export function solverChoice(flags: SolverFlags): SolverChoice {
  const given: Readonly<Record<string, unknown>> = { ...flags };
  const { solver = 'predictor-corrector', predictor, corrector, snr, correctorSteps, norm } = flags;
  const { order, grid, steps, spacing, rho, epsilon, denoise } = flags;
  const isSolver = solver in solverOptions && solver !== 'predictor-corrector';
  const moving = solver in predictorOptions ? (solver as PredictorName) : (predictor ?? 'reverse-diffusion');
  const taken: readonly string[] = isSolver ? solverOptions[solver as SolverName] : predictorOptions[moving];
  for (const name of isSolver ? [...own, ...shared] : own) {
    if (given[name] === undefined || taken.includes(name)) continue;
    const method = solver === 'predictor-corrector' ? `--predictor ${moving}` : `--solver ${solver}`;
    throw new OptionError(name, given[name], `left out with ${method}: it belongs to ${ownersOf(name)}`);
  }
  const options = defined(Object.fromEntries(taken.map((name) => [name, given[name]])));
  if (isSolver) return { solver: { name: solver as SolverName, ...options } };
  const described = { name: moving, ...options };
  return {
    ...(solver in predictorOptions ? { solver: described, predictor } : { predictor: described }),
    ...{ corrector, snr, correctorSteps, norm, order, grid, steps, spacing, rho, epsilon, denoise },
  };
}
