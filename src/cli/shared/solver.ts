import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { RungeKuttaMethod } from '../../solvers/ode/runge-kutta.js';
import type { SampleOptions } from '../../sampling/sample.js';
import type { ScoreModel } from '../../score/model.js';
import { addOptions, choice, integer, real } from './arguments.js';
import type { ModelFlags } from './model.js';

type SolverName = 'predictor-corrector' | 'rk45' | RungeKuttaMethod;

const onGrid = ['steps', 'spacing', 'epsilon', 'denoise'];

/** The flags that each solver takes, by the names of the library's options. */
const solvers: Readonly<Record<SolverName, readonly string[]>> = {
  'predictor-corrector': [
    ...['predictor', 'corrector', 'snr', 'correctorSteps', 'norm', 'order', 'grid'],
    ...onGrid,
  ],
  rk45: ['rtol', 'atol', 'variable', 'coupling', 'epsilon', 'denoise'],
  euler: onGrid,
  midpoint: onGrid,
  heun: onGrid,
  rk4: onGrid,
};

/** Flags that say how samples are drawn. */
export interface SolverFlags {
  readonly solver?: SolverName;
  readonly steps?: number;
}

const predictors = ['euler-maruyama', 'reverse-diffusion', 'ancestral', 'probability-flow', 'none'];
const correctors = ['langevin', 'ald', 'none'];
const norms = ['batch', 'sample', 'sqrt-d'];
const orders = ['corrector-first', 'predictor-first'];
const grids = ['exact', 'reference'];
const spacings = ['uniform-t', 'uniform-lambda', 'quadratic', 'karras', 'power'];
const denoises = ['tweedie', 'mean', 'none'];
const couplings = ['sample', 'batch'];

/** Adds the flags of all solvers to a command. */
export function addSolverOptions(command: Command): void {
  addOptions(command, 'Solver:', [
    choice(
      '--solver <name>',
      'predictor-corrector, or the probability-flow ODE by the others',
      Object.keys(solvers),
      'predictor-corrector',
    ),
    integer(
      '--steps <n>',
      'steps (default: 1000, or the trained levels of a discrete model; 100 for an ODE)',
    ),
    choice('--spacing <name>', 'spacing of the times', spacings, 'uniform-t'),
    real('--eps, --epsilon <t>', 'time to stop at, T is 1 (default: 1e-3 for vp and subvp, 1e-5 for ve)'),
    choice('--denoise <how>', 'removal of the last noise', denoises, 'tweedie; mean on the published grid'),
  ]);
  addOptions(command, 'Solver, predictor-corrector:', [
    choice('--predictor <name>', 'step of the reverse process', predictors, 'reverse-diffusion'),
    choice(
      '--corrector <name>',
      'Langevin steps at every time',
      correctors,
      'langevin; ald for mixtures and in few dimensions',
    ),
    real('--snr <ratio>', "signal-to-noise ratio of the corrector's step size (default: 0.16)"),
    integer('--corrector-steps <n>', 'corrector steps at every time (default: 1)'),
    choice('--norm <mode>', 'norms in the step size of langevin', norms, 'sample'),
    choice('--order <name>', 'which comes first at a time', orders, 'corrector-first'),
    choice('--grid <kind>', 'times: exact steps from T to eps, or the published loop', grids, 'exact'),
  ]);
  addOptions(command, 'Solver, rk45:', [
    real('--rtol <tolerance>', 'relative tolerance (default: 1e-5)'),
    real('--atol <tolerance>', "absolute tolerance, in the model's own space (default: 1e-5)"),
    choice('--variable <name>', 'what the ODE is integrated in', ['lambda', 't'], 't, as published'),
    choice('--coupling <how>', 'step size for each sample, or one for the batch', couplings, 'sample'),
  ]);
}

/**
 * The options of `sample` that the flags stand for.
 *
 * @throws OptionError for a flag that the solver does not take.
 */
export async function solverOptions(
  flags: SolverFlags & Pick<ModelFlags, 'mixture'>,
  { shape }: Pick<ScoreModel, 'shape'>,
): Promise<SampleOptions> {
  const { solver = 'predictor-corrector' } = flags;
  const known = new Set(Object.values(solvers).flat());
  const given = Object.entries(flags).filter(([name]) => known.has(name));
  const stray = given.find(([name]) => !solvers[solver].includes(name));
  if (stray) throw new OptionError(...stray, `left out with --solver ${solver}`);
  const options: object = Object.fromEntries(given);
  switch (solver) {
    case 'predictor-corrector': {
      const { hasFewDimensions } = await import('../../solvers/predictor-corrector.js');
      const ald = flags.mixture !== undefined || hasFewDimensions(shape);
      return { ...(ald && { corrector: 'ald' }), ...options };
    }
    case 'rk45': {
      const { rk45 } = await import('../../solvers/ode/rk45.js');
      return { solver: rk45(options) };
    }
    default: {
      const { fixedStep } = await import('../../solvers/ode/fixed-step.js');
      return { solver: fixedStep({ ...options, method: solver }) };
    }
  }
}

/** Steps that a run counts where the flags do not say. */
export function defaultSteps(
  { solver = 'predictor-corrector' }: SolverFlags,
  levels: number | undefined,
): number {
  return solver === 'predictor-corrector' ? (levels ?? 1000) : 100;
}
