/** Methods of restoration by name with the options that each takes beside those of solvers; nothing is imported. */
export const restorationOptions = {
  replacement: ['replaceAt'],
  smc: ['particles', 'essThreshold'],
  pigdm: [],
  mmps: ['iterations'],
  dps: ['zeta'],
  repaint: ['replaceAt', 'jumpLength', 'resamples'],
} as const;
export type RestorationMethod = keyof typeof restorationOptions;
export const restorationMethods = Object.keys(restorationOptions) as readonly RestorationMethod[];

export const replacementLevels = ['arrived', 'departed'] as const;
