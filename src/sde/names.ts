/** Names of the SDEs with the options that each takes, and of grids; nothing is imported, so that they load at once. */
export const sdeOptions = {
  vp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  subvp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  ve: ['sigmaMin', 'sigmaMax', 'epsilon', 'dataRange'],
  edm: ['sigmaMin', 'sigmaMax', 'sigmaData', 'dataRange'],
  flow: ['epsilon', 'dataRange'],
} as const;
export type SdeName = keyof typeof sdeOptions;
export const sdeNames = Object.keys(sdeOptions) as readonly SdeName[];

/** Ladders of DDPM by name, with the constants that each takes. */
export const ladderOptions = {
  linear: ['betaStart', 'betaEnd'],
  'scaled-linear': ['betaStart', 'betaEnd'],
  cosine: ['offset', 'mostBeta'],
  sigmoid: ['start', 'end', 'temperature', 'mostBeta'],
} as const;
export type LadderName = keyof typeof ladderOptions;
export const ladderNames = Object.keys(ladderOptions) as readonly LadderName[];

/** Times of a grid; `reference` is the published loop. */
export const gridNames = [
  'uniform-t',
  'uniform-lambda',
  'exponential',
  'polyexponential',
  'quadratic',
  'power',
  'karras',
  'arctan',
  'shifted',
  'reference',
] as const;
export type GridName = (typeof gridNames)[number];

/** What a step costs where a grid is found for a model. */
export const gridCosts = ['deviation', 'l2'] as const;
