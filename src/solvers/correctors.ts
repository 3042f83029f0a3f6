import type { NormMode } from '../device/binding.js';
import { checkChoice, checkInteger, checkNumber } from '../options.js';
import type { Step } from '../sde/grid.js';
import type { Sde } from '../sde/sde.js';
import { specified } from '../specification.js';

/** Langevin steps x' = x + eps s + sqrt(2 eps) z at a fixed time. */
export interface Corrector {
  readonly name: 'langevin' | 'ald' | 'none';
  /** Langevin steps at every time. */
  readonly steps: number;
  /** The step size eps: `factor` times (|z| / |s|)^2 with the norms taken as `norm` says, or known in advance. */
  readonly rule: NormRule | SizeRule;
  /** The options as resolved, for the record of a run. */
  readonly options: Readonly<Record<string, unknown>>;
}

interface NormRule {
  readonly norm: NormMode;
  factor(level: Level, sde: Sde): number;
}

interface SizeRule {
  size(level: Level, sde: Sde): number;
}

/** Where a corrector acts: the part of a solver step that describes its starting time. */
export type Level = Pick<Step, 't' | 'index' | 'retain'>;

export interface LangevinOptions {
  /** Signal-to-noise ratio r of Song et al. 2021, algorithms 4 and 5. Default 0.16. */
  readonly snr?: number;
  /** Langevin steps at every time. Default 1. */
  readonly steps?: number;
  /**
   * Norms in the step size: `sample` (default) takes each sample's own, `batch` their means over the batch (the
   * published rule, with which a sample depends on its batch mates), `sqrt-d` replaces |z| by sqrt(d).
   */
  readonly norm?: NormMode;
}

/** Langevin corrector: eps = 2 alpha (snr |z| / |s|)^2 (Song et al. 2021, algorithms 4 and 5). */
export function langevin(options: LangevinOptions = {}): Corrector {
  const { snr = 0.16, steps = 1, norm = 'sample' } = options;
  checkNumber('snr', snr, 0);
  checkInteger('correctorSteps', steps, 1);
  checkChoice('norm', norm, ['batch', 'sample', 'sqrt-d']);
  return specified('langevin', options, {
    name: 'langevin',
    steps,
    rule: { norm, factor: (level, sde) => 2 * stepAlpha(level, sde) * snr ** 2 },
    options: { snr, correctorSteps: steps, norm },
  });
}

/** Annealed-Langevin corrector: eps = 2 alpha (snr sigma(t))^2, no norms (the rule of Song & Ermon 2019). */
export function ald(options: Omit<LangevinOptions, 'norm'> = {}): Corrector {
  const { snr = 0.16, steps = 1 } = options;
  checkNumber('snr', snr, 0);
  checkInteger('correctorSteps', steps, 1);
  return specified('ald', options, {
    name: 'ald',
    steps,
    rule: { size: (level, sde) => 2 * stepAlpha(level, sde) * (snr * sde.sigma(level.t)) ** 2 },
    options: { snr, correctorSteps: steps },
  });
}

/** No corrector. */
export function noCorrector(): Corrector {
  return specified('noCorrector', undefined, {
    name: 'none',
    steps: 0,
    rule: { size: () => 0 },
    options: {},
  });
}

/**
 * alpha in the step size: 1 for VE, and for VP and sub-VP 1 - beta_i of the published code. Off the published ladder
 * beta_i means the one of 1000 levels, so that the rule does not change with the number of solver steps.
 */
function stepAlpha({ t, index, retain }: Level, sde: Sde): number {
  return index === undefined ? 1 + (2 * sde.drift(t)) / 1000 : retain ** 2;
}
