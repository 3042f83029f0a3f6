import type { decays } from './names.js';

/** How the learning rate depends on the step. */
export interface ScheduleOptions {
  /** Its largest value. Default 2e-4 (Ho et al. 2020; Song et al. 2021). */
  readonly learningRate?: number | undefined;
  /** Steps of the linear rise from 0. Default 200; Song et al. take 5000 for runs of a million steps. */
  readonly warmup?: number | undefined;
  /**
   * After the warm-up:
   *
   * - `constant` (default);
   * - `cosine`: half a cosine down to 0 at the last step (Loshchilov and Hutter 2017, equation 5);
   * - `inverse-sqrt`: 1 / sqrt(max(step / decayFrom, 1)) (Karras et al. 2024).
   */
  readonly decay?: (typeof decays)[number] | undefined;
  /** Step from which `inverse-sqrt` decays. Default 70000. */
  readonly decayFrom?: number | undefined;
}

/** A schedule with nothing left to default. */
export interface Schedule {
  readonly learningRate: number;
  readonly warmup: number;
  readonly decay: (typeof decays)[number];
  readonly decayFrom: number;
  /** Steps of the whole run. */
  readonly steps: number;
}

/** The learning rate of a step, 1 for the first. */
export function learningRateAt(
  { learningRate, warmup, decay, decayFrom, steps }: Schedule,
  step: number,
): number {
  const rise = Math.min(1, step / Math.max(1, warmup));
  switch (decay) {
    case 'constant':
      return learningRate * rise;
    case 'cosine': {
      const done = Math.max(0, step - warmup) / Math.max(1, steps - warmup);
      return (learningRate * rise * (1 + Math.cos(Math.PI * Math.min(1, done)))) / 2;
    }
    case 'inverse-sqrt':
      return (learningRate * rise) / Math.sqrt(Math.max(1, step / decayFrom));
  }
}
