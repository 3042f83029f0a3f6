/** Names of the SDEs with the options that each takes, and of grids; nothing is imported, so that they load at once. */
export const sdeOptions = {
  vp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  subvp: ['beta0', 'beta1', 'epsilon', 'dataRange'],
  ve: ['sigmaMin', 'sigmaMax', 'epsilon', 'dataRange'],
  edm: ['sigmaMin', 'sigmaMax', 'sigmaData', 'dataRange'],
  flow: ['epsilon', 'dataRange'],
} as const;
/** Name of an SDE. */
export type SdeName = keyof typeof sdeOptions;
/** All names of SDEs. */
export const sdeNames = Object.keys(sdeOptions) as readonly SdeName[];

/** Ladders of DDPM by name, with the constants that each takes. */
export const ladderOptions = {
  linear: ['betaStart', 'betaEnd'],
  'scaled-linear': ['betaStart', 'betaEnd'],
  cosine: ['offset', 'mostBeta'],
  sigmoid: ['start', 'end', 'temperature', 'mostBeta'],
} as const;
/** Name of a ladder of DDPM. */
export type LadderName = keyof typeof ladderOptions;
/** All names of ladders. */
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
/** Name of a time grid. */
export type GridName = (typeof gridNames)[number];

/** What a step costs where a grid is found for a model. */
export const gridCosts = ['deviation', 'l2'] as const;
