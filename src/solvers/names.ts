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
  none: [],
} as const;
export type PredictorName = keyof typeof predictorOptions;
export const predictorNames = Object.keys(predictorOptions) as readonly PredictorName[];

export const correctorOptions = {
  langevin: ['snr', 'steps', 'norm'],
  ald: ['snr', 'steps'],
  none: [],
} as const;
export type CorrectorName = keyof typeof correctorOptions;
export const correctorNames = Object.keys(correctorOptions) as readonly CorrectorName[];

/** Solvers: combinations of the others, adaptive and particle methods. */
export const solverOptions = {
  'predictor-corrector': [
    'predictor',
    'corrector',
    'order',
    'grid',
    'steps',
    'spacing',
    'rho',
    'epsilon',
    'denoise',
  ],
  rk45: ['rtol', 'atol', 'variable', 'coupling', 'epsilon', 'denoise'],
  'annealed-langevin': ['sigmas', 'stepSize', 'stepsPerLevel', 'denoise'],
  'langevin-dynamics': ['stepSize', 'steps', 'time'],
} as const;
export type SolverName = keyof typeof solverOptions;
export const solverNames = Object.keys(solverOptions) as readonly SolverName[];

export const orders = ['corrector-first', 'predictor-first'] as const;
export const denoises = ['tweedie', 'mean', 'none'] as const;
export const norms = ['batch', 'sample', 'sqrt-d'] as const;
export const variances = ['fixedlarge', 'fixedsmall'] as const;
export const variables = ['lambda', 't'] as const;
export const couplings = ['sample', 'batch'] as const;
