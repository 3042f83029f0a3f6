import { checkChoice, checkInteger, checkNumber } from '../options.js';

/** How the learning rate depends on the step. */
export interface ScheduleOptions {
  /** Its largest value. Default 2e-4 (Ho et al. 2020; Song et al. 2021). */
  readonly learningRate?: number;
  /** Steps of the linear rise from 0. Default 200; Song et al. take 5000 for runs of a million steps. */
  readonly warmup?: number;
  /**
   * After the warm-up:
   *
   * - `constant` (default);
   * - `cosine`: half a cosine down to 0 at the last step (Loshchilov and Hutter 2017, equation 5);
   * - `inverse-sqrt`: 1 / sqrt(max(step / decayFrom, 1)) (Karras et al. 2024).
   */
  readonly decay?: 'constant' | 'cosine' | 'inverse-sqrt';
  /** Step from which `inverse-sqrt` decays. Default 70000. */
  readonly decayFrom?: number;
}

/** A schedule with nothing left to default. */
export interface Schedule extends Required<ScheduleOptions> {
  /** Steps of the whole run. */
  readonly steps: number;
}

/** @throws OptionError naming the option that cannot be used. */
export function resolveSchedule(options: ScheduleOptions, steps: number): Schedule {
  return {
    learningRate: checkNumber('learningRate', options.learningRate ?? 2e-4, 0),
    warmup: checkInteger('warmup', options.warmup ?? 200, 0),
    decay: checkChoice('decay', options.decay ?? 'constant', ['constant', 'cosine', 'inverse-sqrt']),
    decayFrom: checkInteger('decayFrom', options.decayFrom ?? 70_000, 1),
    steps,
  };
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
