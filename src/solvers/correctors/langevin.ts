import type { NormMode } from '../../device/binding.js';
import { checkChoice, checkInteger, checkKnown, checkNumber } from '../../options.js';
import { elementCount } from '../../shape.js';
import type { ScoreModel } from '../../score/model.js';
import { ladderTransition } from '../../sde/ladder.js';
import type { Step } from '../../sde/grid.js';
import type { Corrector } from '../corrector.js';
import { correctorOptions, norms } from '../names.js';
import type { Move } from '../predictor.js';
import type { Batch } from '../batch.js';

/** Options of {@link langevin}. */
export interface LangevinOptions {
  /** Signal-to-noise ratio r of Song et al. 2021, algorithms 4 and 5. Default 0.16. */
  readonly snr?: number | undefined;
  /** Langevin steps at every level. Default 1. */
  readonly steps?: number | undefined;
  /**
   * Norms in the step size: `sample` (default) takes each sample's own, `batch` their means over the batch (the
   * published rule, with which a sample depends on its batch mates), `sqrt-d` replaces |z| by sqrt(d).
   */
  readonly norm?: NormMode | undefined;
}

/** Signal-to-noise ratio of the correctors where none is given (Song et al. 2021, VE on CIFAR-10). */
const SNR = 0.16;

/** Langevin corrector: x' = x + e s + sqrt(2 e) z with e = 2 alpha (snr |z| / |s|)^2 (Song et al. 2021, algorithms 4 and 5). */
export function langevin(options: LangevinOptions = {}): Corrector {
  checkKnown(options, correctorOptions.langevin);
  const { snr = SNR, steps = 1, norm = 'sample' } = options;
  checkNumber('snr', snr, 0);
  checkInteger('correctorSteps', steps, 1);
  checkChoice('norm', norm, norms);
  return {
    name: 'langevin',
    steps,
    resolve: () => ({ snr, correctorSteps: steps, norm }),
    warnings: (model) => (norm === 'batch' ? [] : normWarnings(model, norm)),
    begin: (batch) => (step, address) => {
      batch.langevin(2 * stepAlpha(step, batch.model) * snr ** 2, norm, address!);
    },
  };
}

/** Annealed-Langevin corrector: e = 2 alpha (snr sigma(t))^2, no norms (the rule of Song & Ermon 2019). */
export function ald(options: Omit<LangevinOptions, 'norm'> = {}): Corrector {
  checkKnown(options, correctorOptions.ald);
  const { snr = SNR, steps = 1 } = options;
  checkNumber('snr', snr, 0);
  checkInteger('correctorSteps', steps, 1);
  return {
    name: 'ald',
    steps,
    resolve: () => ({ snr, correctorSteps: steps }),
    begin: (batch) =>
      langevinMove(
        batch,
        // The level of the evaluation: on the published loop a model in continuous time has another sigma than the ladder.
        (step) => 2 * stepAlpha(step, batch.model) * (snr * batch.level.sigma) ** 2,
      ),
  };
}

/** No corrector. */
export function noCorrector(): Corrector {
  return { name: 'none', steps: 0, begin: () => () => undefined };
}

/** Langevin steps x' = x + e s + sqrt(2 e) z of a size e that is known in advance. */
export function langevinMove(batch: Batch, size: (step: Step) => number): Move {
  return (step, address) => {
    const e = size(step);
    batch.update({ state: 1, score: e, noise: Math.sqrt(2 * e) }, address);
  };
}

/**
 * alpha in the step size: 1 for VE, and for VP and sub-VP 1 - beta_i of the published code: of the trained ladder, however
 * few of its levels are walked, or of the published loop. Elsewhere beta_i means that of 1000 levels, so that the rule does
 * not change with the number of solver steps.
 */
function stepAlpha({ from: { t, index }, retain }: Step, { sde, ladder }: ScoreModel): number {
  // Where the signal falls faster than in so many levels, as a flow's at its start, there is no step.
  if (index === undefined) return Math.max(0, 1 + (2 * sde.drift(t)) / 1000);
  return (ladder ? ladderTransition(ladder, index - 1, index).retain : retain) ** 2;
}

/** Below this dimension |s| of a single sample comes so near to 0 that its step size has no useful mean. */
const FEW_DIMENSIONS = 32;

/** The corrector that is taken where none is named: `ald` in few dimensions and for closed forms, else `langevin`. */
export function defaultCorrector({ shape, closedForm }: ScoreModel): 'ald' | 'langevin' {
  return closedForm || elementCount(shape) < FEW_DIMENSIONS ? 'ald' : 'langevin';
}

function normWarnings({ shape }: ScoreModel, norm: NormMode): string[] {
  const d = elementCount(shape);
  if (d >= FEW_DIMENSIONS) return [];
  return [
    `The langevin corrector with norm '${norm}' gives a wrong law in ${d} dimensions, because the norm of a single ` +
      "score comes near 0; use the ald corrector, or norm 'batch'.",
  ];
}
