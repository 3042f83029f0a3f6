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
} as const;

/**
 * Address of a batch of noise. The value at element e of sample i is a pure function of
 * (seed, salt, i, step, stream, substep, e) and of the number of elements in a sample.
 */
export interface NoiseAddress {
  /** Unsigned 64-bit seed. */
  readonly seed: bigint;
  /** Unsigned 32-bit user salt; 0 by default. */
  readonly salt?: number;
  /** Global index of the first sample of the batch, or one global index per sample. */
  readonly samples: number | Float64Array;
  readonly step: number;
  readonly stream: number;
  /** Inner iteration (corrector step, bridge depth), below 2^24. */
  readonly substep?: number;
}

/** How the Langevin step size takes its norms (`batch` is the published rule and couples the samples of a batch). */
export type NormMode = 'batch' | 'sample' | 'sqrt-d';
