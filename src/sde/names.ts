/** Names of the SDEs with the options that each takes, of the spacings of their times and of the kinds of grids; nothing is imported, so that they load at once. */
export const sdeOptions = {
  vp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  subvp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  ve: ['sigmaMin', 'sigmaMax', 'epsilon', 'dataRange'],
  edm: ['sigmaMin', 'sigmaMax', 'sigmaData', 'dataRange'],
} as const;
export type SdeName = keyof typeof sdeOptions;
export const sdeNames = Object.keys(sdeOptions) as readonly SdeName[];

export const spacings = ['uniform-t', 'uniform-lambda', 'quadratic', 'karras', 'power'] as const;
export type Spacing = (typeof spacings)[number];

export const gridKinds = ['exact', 'reference'] as const;
export type GridKind = (typeof gridKinds)[number];
