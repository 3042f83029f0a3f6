import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { NormMode } from '../../device/binding.js';
import { defined } from '../../options.js';
import type { Grid } from '../../sde/grid.js';
import { gridNames } from '../../sde/names.js';
import type { SolverChoice } from '../../solvers/choice.js';
import {
  besideMethods,
  bs,
  correctorNames,
  defaultSolver,
  couplings,
  denoises,
  errorNorms,
  errorScales,
  extrapolations,
  norms,
  correctorModes,
  interpolations,
  predictorNames,
  predictorOptions,
  rejections,
  secondOrders,
  sequences,
  solverNames,
  solverOf,
  solverOptions,
  thirdOrders,
  variables,
  variances,
  type CorrectorName,
  type PredictorName,
  type SolverName,
} from '../../solvers/names.js';
import { addOptions, choice, integer, known, numbers, numbersIn, oneOf, real } from './arguments.js';
import { addSection, type Entry } from './help.js';

/** Flags that say how samples are drawn, by the names of the library's options. */
export interface SolverFlags {
  readonly solver?: SolverName | PredictorName;
  readonly predictor?: PredictorName;
  readonly corrector?: CorrectorName;
  readonly snr?: number;
  readonly correctorSteps?: number;
  readonly norm?: NormMode;
  readonly sequence?: (typeof sequences)[number];
  /** `auto` is resolved once the model is known. */
  readonly grid?: Grid | 'auto';
  readonly steps?: number;
  readonly evaluations?: number;
  readonly rho?: number;
  readonly epsilon?: number;
  readonly denoise?: (typeof denoises)[number];
  readonly tau?: readonly number[];
  readonly clip?: true;
  readonly keepNoise?: true;
  readonly threshold?: number;
}

/** The options that belong to one method or another alone. */
const own = [predictorOptions, solverOptions]
  .flatMap((methods) => Object.values<readonly string[]>(methods).flat())
  .filter((option) => !besideMethods.includes(option));

/** The flags with which a method's own option may be given. */
function ownersOf(option: string): string {
  const taking = (methods: Readonly<Record<string, readonly string[]>>, flag: string): string[] =>
    Object.entries(methods).flatMap(([name, taken]) => (taken.includes(option) ? [`${flag} ${name}`] : []));
  return (
    [...taking(predictorOptions, '--predictor'), ...taking(solverOptions, '--solver')].join(', ') ||
    'predictor-corrector'
  );
}

/**
 * Adds the flags of all solvers to a command.
 *
 * @param noise whether that of restart is among them: a command may have another of this name. Default true.
 */
export function addSolverOptions(command: Command, { noise = true }: { noise?: boolean } = {}): void {
  addOptions(command, 'Solver:', [
    choice(
      '--solver <name>',
      'a predictor, without a corrector unless one is given; or a method of its own',
      [...solverNames, ...predictorNames.filter((name) => name !== 'none')],
      `${defaultSolver}, or the scheduler's of diffusers; predictor-corrector with --predictor, --corrector or one of their flags`,
    ),
    integer('--steps <n>', 'steps (default: by method, see below)'),
    integer(
      '--evaluations <n>',
      'instead: network evaluations of a sample, all included; as many steps as they pay for',
    ),
    grid(),
    real(
      '--rho <number>',
      'of the grids karras (default: 7), power (3), polyexponential (1); shift of the grid shifted (3)',
    ),
    real(
      '--eps, --epsilon <t>',
      'time to stop at, T is 1 (default: 1e-3 for vp, subvp and flow, 1e-5 for ve; edm: noise of 0.002)',
    ),
    choice('--denoise <how>', 'removal of the last noise', denoises, 'tweedie; mean on the published grid'),
  ]);
  addOptions(command, 'Predictor and corrector:', [
    choice('--predictor <name>', 'step from one level to the next', predictorNames, 'reverse-diffusion'),
    choice('--variance <name>', 'variance of ancestral', variances, 'fixedlarge for vp, else fixedsmall'),
    new Option('--clip', 'clip the estimate of the sample to the data range at every step'),
    real('--threshold <quantile>', 'the same after scaling it until this share lies within, such as 0.995'),
    choice(
      '--corrector <name>',
      'Langevin steps at every level',
      correctorNames,
      'langevin; ald for mixtures and in few dimensions',
    ),
    real('--snr <ratio>', "signal-to-noise ratio of the corrector's step size (default: 0.16)"),
    integer('--corrector-steps <n>', 'corrector steps at every level (default: 1)'),
    choice('--norm <mode>', 'norms in the step size of langevin', norms, 'sample'),
    choice('--sequence <name>', 'which comes first at a level', sequences, 'corrector-first'),
  ]);
  addOptions(command, 'Methods of few evaluations:', [
    integer('--order <n>', 'of unipc (default: 3), deis (3), ipndm (4), sa (3), er-sde (3)'),
    choice(
      '--variant <name>',
      'of dpmpp-2m and dpmpp-2m-sde, of dpmpp-3m and dpmpp-3m-sde, of unipc',
      [...secondOrders, ...thirdOrders, ...bs],
      'midpoint, corrected, bh2',
    ),
    new Option('--keep-noise', "ddim: the network's noise beside a clipped estimate, as in diffusers"),
    new Option('--lower-order-final', 'lower the order over the last steps (default: below 15 steps)'),
    real(
      '--eta <share>',
      'noise of ddim, dpm-solver-2s, dpmpp-2s (default: 0) and of the methods dpmpp-*sde (default: 1)',
    ),
    numbers('--tau <number>', 'noise of sa and er-sde; or tau,least,most for an interval of sigma / alpha'),
    new Option('--correct-last', 'unipc: correct the last step too, for one more evaluation'),
    choice(
      '--interpolation <name>',
      'deis: variable in which predictions are interpolated',
      interpolations,
      'rho',
    ),
    new Option('--analytical-first', 'ipndm: take the noise at T from the state, for one evaluation less'),
    integer('--corrector-order <n>', 'sa: estimates that its corrector uses, or 0 for none (default: 4)'),
    choice('--mode <name>', 'sa: evaluate at the corrected state too', correctorModes, 'pec'),
    real('--churn <amount>', 'edm-heun: noise put back over all steps (default: 0)'),
    real('--churn-least <level>', 'edm-heun: least sigma / alpha for that (default: 0)'),
    real('--churn-most <level>', 'edm-heun: most sigma / alpha for that (default: any)'),
    real('--churn-noise <size>', 'edm-heun: standard deviation of that noise (default: 1)'),
    real('--node <share>', 'edm-heun: where in the step it evaluates again (default: 1)'),
    intervals(),
    ...(noise ? [real('--noise <size>', 'restart: standard deviation of its noise (default: 1)')] : []),
  ]);
  addOptions(command, 'Adaptive solvers, rk45 and ggf:', [
    real('--rtol <tolerance>', 'relative tolerance (default: 1e-5; ggf: 0.01)'),
    real(
      '--atol <tolerance>',
      "absolute tolerance, in the model's own space (default: 1e-5; ggf: a 256th of the data range)",
    ),
    choice('--variable <name>', 'rk45: what the ODE is integrated in', variables, 't, as published'),
    choice('--coupling <how>', 'rk45: step size for each sample, or one for the batch', couplings, 'sample'),
    choice(
      '--reject <how>',
      'ggf: noise of a rejected step: kept, or drawn anew (biased)',
      rejections,
      'bridge',
    ),
    real('--initial-step <h>', 'ggf: length of the first step (default: 0.01 T)'),
    real('--safety <factor>', 'ggf: shortens the step that an error asks for, below 1 (default: 0.9)'),
    real('--exponent <r>', 'ggf: an error E multiplies the step by E^-r (default: 0.9)'),
    choice('--error-norm <name>', 'ggf: error of a sample, over its elements', errorNorms, 'l2'),
    choice('--error-scale <name>', 'ggf: the states that rtol is relative to', errorScales, 'previous'),
    choice('--extrapolation <name>', 'ggf: the step that is accepted', extrapolations, 'improved-euler'),
  ]);
  addOptions(command, 'Solver, annealed-langevin and langevin-dynamics:', [
    real('--step-size <size>', 'of a Langevin step: at the least noise (default: 6.2e-6); everywhere'),
    integer('--steps-per-level <n>', 'annealed: Langevin steps at every level (default: 5)'),
    numbers('--sigmas <list>', 'annealed: noise levels, descending (default: the ladder, else 232 levels)'),
    real('--time <t>', 'dynamics: where the score is taken (default: eps)'),
  ]);
  addSection(command, 'Steps and grid, by default:', standardWays);
}

/** The default steps and grids of methods, for models of continuous time; trained levels have as many steps. */
export const standardWays: readonly Entry[] = [
  [
    '1000 uniform-t',
    'predictor-corrector, euler-maruyama, reverse-diffusion, ancestral, probability-flow, none',
  ],
  ['100 uniform-t', 'euler, midpoint (karras for edm, as for those above)'],
  ['100 karras', 'heun, rk4'],
  ['50 uniform-lambda', 'ddim, dpm-solver-1'],
  ['39 uniform-lambda', 'dpmpp-sde, dpmpp-2m-sde, dpmpp-3m-sde'],
  ['20 uniform-lambda', 'dpm-solver-2s, dpm-solver-3s, dpmpp-2s, dpmpp-3s, dpmpp-2m, dpmpp-3m, unipc, deis'],
  ['20 karras', 'ipndm, pndm, sa, er-sde'],
  ['18 karras', 'edm-heun, restart'],
  ['4 karras', 'consistency'],
];

/** `--grid`: a name, or times. */
function grid(): Option {
  const text =
    `times: ${gridNames.join(', ')} (the published loop), auto (found for the model, see "fastsde grid"), or times with ` +
    'commas between them (default: by method, see below)';
  const names = [...gridNames, 'auto'];
  return known(new Option('--grid <name>', text), names).argParser((value: string) =>
    /^[\d.]/.test(value) ? numbersIn(value) : oneOf(value, names),
  );
}

/** `--intervals`: those of restart. */
function intervals(): Option {
  const text = 'restart: least,most,steps,times with ; between several (default: 0.06,0.3,3,2)';
  return new Option('--intervals <list>', text).argParser((value: string) =>
    value.split(';').map((interval) => {
      const [least, most, steps, times] = numbersIn(interval);
      return { least, most, steps, times };
    }),
  );
}

/** A noise function as the flag has it: a number, or a number and an interval. */
function tauOf(values: readonly number[]): unknown {
  const [value, least, most] = values;
  return values.length === 1 ? value : { value, least, most };
}

/**
 * The options of `sample` that the flags stand for, but for the grid `auto`, which needs the model.
 *
 * @throws OptionError for a flag that the solver does not take.
 */
export function solverChoice(flags: SolverFlags): SolverChoice {
  const { tau, clip, threshold } = flags;
  if (clip && threshold !== undefined)
    throw new OptionError('threshold', threshold, 'left out where --clip is given');
  if (threshold !== undefined && !(threshold > 0 && threshold <= 1))
    throw new OptionError('threshold', threshold, 'a quantile above 0 and at most 1, such as 0.995');
  const given: Readonly<Record<string, unknown>> = {
    ...flags,
    ...(tau && { tau: tauOf(tau) }),
    clip: threshold ?? clip,
  };
  const { predictor, corrector, snr, correctorSteps, norm } = flags;
  const solver = solverOf(flags);
  const { sequence, grid, steps, evaluations, rho, epsilon, denoise } = flags;
  const isSolver = solver in solverOptions && solver !== 'predictor-corrector';
  const moving = solver in predictorOptions ? (solver as PredictorName) : (predictor ?? 'reverse-diffusion');
  const taken: readonly string[] = isSolver ? solverOptions[solver as SolverName] : predictorOptions[moving];
  for (const name of isSolver ? [...own, ...besideMethods] : own) {
    if (given[name] === undefined || taken.includes(name)) continue;
    const method = solver === 'predictor-corrector' ? `--predictor ${moving}` : `--solver ${solver}`;
    const flag = name === 'clip' && threshold !== undefined ? 'threshold' : name;
    throw new OptionError(flag, given[name], `left out with ${method}: it belongs to ${ownersOf(name)}`);
  }
  const options = defined(Object.fromEntries(taken.map((name) => [name, given[name]])));
  if (isSolver) return { solver: { name: solver as SolverName, ...options } };
  const described = { name: moving, ...options };
  // Where nothing says otherwise a model may have a method of its own.
  const isOpen = flags.solver === undefined && Object.keys(options).length === 0;
  return {
    ...(solver in predictorOptions
      ? { solver: isOpen ? undefined : described, predictor }
      : { predictor: described }),
    ...{ corrector, snr, correctorSteps, norm, sequence, steps, evaluations, rho, epsilon, denoise },
    grid: grid === 'auto' ? undefined : grid,
  };
}
