import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';

/** Evaluations that each sample went through, by purpose and by network. */
export interface Counts {
  /** Score evaluations of predictors and correctors. */
  score: number;
  /** Evaluations of the final denoising. */
  denoise: number;
  /** Evaluations in steps that an adaptive solver rejected. */
  rejected: number;
  /** Jacobian-vector products. */
  jvp: number;
  /** Vector-Jacobian products. */
  vjp: number;
  /** Runs of each network in these evaluations, by its name in the model's `cost`: a guided model has several. */
  networks: Record<string, number>;
}

export function noCounts(): Counts {
  return { score: 0, denoise: 0, rejected: 0, jvp: 0, vjp: 0, networks: {} };
}

/** All evaluations of a sample, whatever for. */
export function evaluationsOf({ score, denoise, rejected, jvp, vjp }: Counts): number {
  return score + denoise + rejected + jvp + vjp;
}

/** Runs of each network in one evaluation of a model at a level. */
export function costAt(model: ScoreModel, level: Level): Readonly<Record<string, number>> {
  return model.cost?.(level) ?? { network: 1 };
}

/** Adds runs of networks, so many times, to what was counted. */
export function addRuns(
  counted: Record<string, number>,
  runs: Readonly<Record<string, number>>,
  times = 1,
): void {
  for (const [network, count] of Object.entries(runs))
    counted[network] = (counted[network] ?? 0) + times * count;
}
