/** Methods by name with the options that each takes, and their choices; nothing is imported, so that they load at once. */

/** Predictors: every method on a fixed grid. */
export const predictorOptions = {
  'euler-maruyama': [],
  'reverse-diffusion': [],
  ancestral: ['variance', 'clip'],
  'probability-flow': [],
  euler: [],
  midpoint: [],
  heun: [],
  rk4: [],
  ddim: ['eta', 'clip', 'keepNoise'],
  'dpm-solver-1': ['clip'],
  'dpm-solver-2s': ['eta', 'clip'],
  'dpm-solver-3s': ['clip'],
  'dpmpp-2s': ['eta', 'clip'],
  'dpmpp-3s': ['clip'],
  'dpmpp-2m': ['variant', 'clip', 'lowerOrderFinal'],
  'dpmpp-3m': ['variant', 'clip', 'lowerOrderFinal'],
  unipc: ['order', 'variant', 'correctLast', 'clip', 'lowerOrderFinal'],
  deis: ['order', 'interpolation', 'clip', 'lowerOrderFinal'],
  ipndm: ['order', 'analyticalFirst', 'clip', 'lowerOrderFinal'],
  pndm: ['clip'],
  'edm-heun': ['churn', 'churnLeast', 'churnMost', 'churnNoise', 'node', 'clip'],
  'dpmpp-sde': ['eta', 'clip'],
  'dpmpp-2m-sde': ['eta', 'variant', 'clip', 'lowerOrderFinal'],
  'dpmpp-3m-sde': ['eta', 'variant', 'clip', 'lowerOrderFinal'],
  sa: ['order', 'correctorOrder', 'mode', 'tau', 'clip', 'lowerOrderFinal'],
  'er-sde': ['order', 'tau', 'clip', 'lowerOrderFinal'],
  consistency: ['clip'],
  restart: ['intervals', 'noise', 'clip'],
  none: [],
} as const;
/** Name of a predictor. */
export type PredictorName = keyof typeof predictorOptions;
/** All names of predictors. */
export const predictorNames = Object.keys(predictorOptions) as readonly PredictorName[];

export const correctorOptions = {
  langevin: ['snr', 'steps', 'norm'],
  ald: ['snr', 'steps'],
  none: [],
} as const;
/** Name of a corrector. */
export type CorrectorName = keyof typeof correctorOptions;
/** All names of correctors. */
export const correctorNames = Object.keys(correctorOptions) as readonly CorrectorName[];

/** Solvers: combinations of the others, adaptive and particle methods. */
export const solverOptions = {
  'predictor-corrector': [
    'predictor',
    'corrector',
    'sequence',
    'grid',
    'steps',
    'evaluations',
    'rho',
    'epsilon',
    'denoise',
  ],
  rk45: ['rtol', 'atol', 'variable', 'coupling', 'epsilon', 'denoise'],
  ggf: [
    'rtol',
    'atol',
    'initialStep',
    'safety',
    'exponent',
    'errorNorm',
    'errorScale',
    'extrapolation',
    'reject',
    'epsilon',
    'denoise',
  ],
  'annealed-langevin': ['sigmas', 'stepSize', 'stepsPerLevel', 'denoise'],
  'langevin-dynamics': ['stepSize', 'steps', 'time'],
} as const;
/** Name of a solver that is no predictor. */
export type SolverName = keyof typeof solverOptions;
/** All names of such solvers. */
export const solverNames = Object.keys(solverOptions) as readonly SolverName[];

/** What draws samples where no method is named: of those that were compared, the best within 40 evaluations (docs/samplers.md). */
export const defaultSolver: PredictorName = 'dpmpp-2m-sde';

/** Options of predictor-corrector sampling that, given alone, mean it. */
const predictorCorrectorOnly = [
  'predictor',
  'corrector',
  'snr',
  'correctorSteps',
  'norm',
  'sequence',
] as const;

/** Options of `sample` that stand beside a method, not among its own: those of predictor-corrector sampling. */
export const besideMethods: readonly string[] = [
  ...new Set([...predictorCorrectorOnly, ...solverOptions['predictor-corrector']]),
];

/** The solver that is given; without one, predictor-corrector where an option is its own, else {@link defaultSolver}. */
export function solverOf<Solver>(
  choice: { readonly solver?: Solver | undefined; readonly grid?: unknown } & {
    readonly [option in (typeof predictorCorrectorOnly)[number]]?: unknown;
  },
): Solver | PredictorName | 'predictor-corrector' {
  if (choice.solver !== undefined) return choice.solver;
  const isOwn = predictorCorrectorOnly.some((option) => choice[option] !== undefined);
  return isOwn || choice.grid === 'reference' ? 'predictor-corrector' : defaultSolver;
}

export const sequences = ['corrector-first', 'predictor-first'] as const;
export const denoises = ['tweedie', 'mean', 'none'] as const;
export const norms = ['batch', 'sample', 'sqrt-d'] as const;
export const secondOrders = ['midpoint', 'taylor'] as const;
export const thirdOrders = ['corrected', 'published'] as const;
export const bs = ['bh1', 'bh2'] as const;
export const interpolations = ['rho', 'log-rho', 't'] as const;
export const correctorModes = ['pec', 'pece'] as const;
export const variances = ['fixedlarge', 'fixedsmall', 'learned', 'learned-log'] as const;
export const variables = ['lambda', 't'] as const;
export const errorNorms = ['l2', 'max'] as const;
export const errorScales = ['previous', 'current'] as const;
export const extrapolations = ['improved-euler', 'none'] as const;
export const rejections = ['bridge', 'redraw'] as const;
export const couplings = ['sample', 'batch'] as const;
