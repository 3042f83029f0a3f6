/** Methods of restoration by name with the options that each takes beside those of solvers; nothing is imported. */
export const restorationOptions = {
  replacement: ['replaceAt'],
  smc: ['particles', 'essThreshold'],
  pigdm: [],
  mmps: ['iterations'],
  dps: ['zeta'],
  repaint: ['replaceAt', 'jumpLength', 'resamples'],
} as const;
/** Name of a method of restoration. */
export type RestorationMethod = keyof typeof restorationOptions;
/** All names of such methods. */
export const restorationMethods = Object.keys(restorationOptions) as readonly RestorationMethod[];

export const replacementLevels = ['arrived', 'departed'] as const;

/** Options of `sample` that methods take which do not make their own steps. */
export const samplingOptions = [
  'solver',
  'predictor',
  'corrector',
  'snr',
  'correctorSteps',
  'norm',
  'sequence',
  'denoise',
  'evaluations',
] as const;

/** Options of `sample` that all methods take. */
export const gridOptions = ['steps', 'grid', 'rho', 'epsilon'] as const;
