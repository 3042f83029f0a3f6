/** Names of what training is made of; nothing is imported, so that they load at once. */
export const objectiveKinds = ['denoising', 'implicit', 'sliced', 'classifier'] as const;
export type ObjectiveKind = (typeof objectiveKinds)[number];

export const weightings = ['sigma2', 'likelihood', 'edm', 'min-snr', 'soft-min-snr'] as const;
export type Weighting = (typeof weightings)[number];

export const timeLaws = ['uniform', 'importance', 'log-normal'] as const;
export type TimeLaw = (typeof timeLaws)[number];

export const diffusions = ['kernel', 'simulation'] as const;
export const trainingProviders = ['cpu', 'cuda'] as const;
export const probeLaws = ['rademacher', 'normal'] as const;
export const decays = ['constant', 'cosine', 'inverse-sqrt'] as const;
