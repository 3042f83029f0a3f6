/** Names of what training is made of; nothing is imported, so that they load at once. */
export const objectiveKinds = ['denoising', 'implicit', 'sliced', 'classifier'] as const;
/** Name of an objective. */
export type ObjectiveKind = (typeof objectiveKinds)[number];

/** All weightings of noise levels in the loss. */
export const weightings = ['sigma2', 'likelihood', 'edm', 'min-snr', 'soft-min-snr'] as const;
/** Name of a weighting. */
export type Weighting = (typeof weightings)[number];

/** All laws by which times are drawn. */
export const timeLaws = ['uniform', 'importance', 'log-normal'] as const;
/** Name of a law of times. */
export type TimeLaw = (typeof timeLaws)[number];

export const diffusions = ['kernel', 'simulation'] as const;
export const trainingProviders = ['cpu', 'cuda'] as const;
export const probeLaws = ['rademacher', 'normal'] as const;
export const decays = ['constant', 'cosine', 'inverse-sqrt'] as const;
