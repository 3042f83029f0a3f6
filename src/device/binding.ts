/** float32 state for sampling, float64 where an ODE is integrated to tight tolerances. */
export type State = Float32Array | Float64Array;

/** Uses of noise: a closed enumeration, part of the noise address. Never renumber. */
export const Stream = {
  prior: 0,
  predictor: 1,
  corrector: 2,
  probeNormal: 3,
  probeRademacher: 4,
  measurement: 5,
  dequantization: 6,
  trainingTime: 7,
  trainingNoise: 8,
  dropout: 9,
  augmentation: 10,
  churn: 11,
  bridge: 12,
  dataOrder: 13,
  forward: 14,
  data: 15,
  user: 16,
  initialization: 17,
  resampling: 18,
} as const;

/**
 * Address of a batch of noise. The value at element e of sample i is a pure function of (seed, salt, particle, visit, node, step,
 * stream, substep, i, e) and of the number of elements in a sample. Integers from 0; those that may be left out are 0 by default.
 */
export interface NoiseAddress {
  /** Unsigned, 64 bits. */
  readonly seed: bigint;
  /** The user's own, below 2^32. */
  readonly salt?: number | undefined;
  /** Global index of the first sample of the batch, or one global index per sample; below 2^53. */
  readonly samples: number | Float64Array;
  /** Below 2^32. */
  readonly step: number;
  /** One of {@link Stream}. */
  readonly stream: number;
  /** Inner iteration (corrector step), below 2^24. */
  readonly substep?: number | undefined;
  /** Which of several continuations of a sample, as particle filters weigh them; below 2^32. */
  readonly particle?: number | undefined;
  /** How often a method that goes back in time was at this step before; below 2^32. */
  readonly visit?: number | undefined;
  /** Node of a Brownian bridge within the step; below 2^32. */
  readonly node?: number | undefined;
}

/** How the Langevin step size takes its norms (`batch` is the published rule and couples the samples of a batch). */
export type NormMode = 'batch' | 'sample' | 'sqrt-d';

/** How the error of a step is measured against its tolerances. */
export interface ErrorMeasure {
  /** Tolerance of an element: the `sum` atol + rtol max(|before|, |after|), or the `larger` of both terms. Default `sum`. */
  readonly scale?: 'sum' | 'larger' | undefined;
  /** Error of a sample: the mean of the squares (`l2`), or the largest (`max`). Default `l2`. */
  readonly norm?: 'l2' | 'max' | undefined;
}

/** What noise is drawn from: standard normal numbers, uniform ones in (0, 1), or the signs 1 and -1. */
export type Distribution = 'normal' | 'uniform' | 'rademacher';
