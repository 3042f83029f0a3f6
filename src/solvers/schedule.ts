import type { ScoreModel } from '../score/model.js';
import type { Step } from '../sde/grid.js';
import { mostSteps, scheduledSteps, type Spacing } from '../sde/scheduler.js';
import type { Predictor, Resolved } from './predictor.js';

/** By which rule diffusers spreads the levels of a method; of others those of the model's own scheduler. */
const rules: Readonly<Record<string, Spacing['rule']>> = {
  ...{ ddim: 'whole', ancestral: 'whole', pndm: 'whole', 'edm-heun': 'between' },
  ...{
    'dpmpp-2m': 'open',
    'dpmpp-3m': 'open',
    'dpmpp-sde': 'open',
    'dpmpp-2m-sde': 'open',
    'dpmpp-3m-sde': 'open',
  },
  ...{ unipc: 'open', deis: 'open', sa: 'open' },
};

/** The levels that the scheduler of a model has a method walk. */
export interface SchedulerWalk {
  /** What the record of a run says of it. */
  readonly record: Resolved;
  /** Steps where none are given. */
  readonly usual: number;
  /** Whether the start is noise alone, of the deviation of the first level; else it is a draw from the prior. */
  readonly startsAtSigma: boolean;
  /** What the scheduler asks for and is not done, in plain words. */
  readonly doubts: readonly string[];
  steps(count: number): Step[];
  /** Whether some of these steps start between trained levels. */
  isBetween(steps: readonly Step[]): boolean;
}

/**
 * Undefined where the model has no scheduler, or none for this method: one that evaluates within its steps and is not its own, or cannot
 * start at noise alone.
 */
export function scheduleOf(model: ScoreModel, predictor: Predictor): SchedulerWalk | undefined {
  const { scheduler, sde } = model;
  const own = scheduler?.spacings[0];
  const { name, defaults } = predictor;
  const isOwn = name === scheduler?.solver?.name;
  if (!own || (predictor.continuous && !isOwn) || (sde.noiseTime !== undefined && !predictor.fromNoise))
    return undefined;
  const spacing = (isOwn ? own : scheduler.spacings.find(({ rule }) => rule === rules[name])) ?? own;
  // Noise that a step adds on its way to the first level would stay.
  const walked =
    name === 'ancestral' && spacing.rule === 'whole' ? { ...spacing, end: 'data' as const } : spacing;
  return {
    record: { name: scheduler.name, ...walked },
    usual: Math.min(isOwn ? scheduler.steps : (defaults?.steps ?? scheduler.steps), mostSteps(model, walked)),
    startsAtSigma: spacing.rule === 'between' && spacing.spread !== 'leading',
    doubts: scheduler.doubts,
    steps: (count) => scheduledSteps(model, walked, count),
    isBetween(steps) {
      const { ladder } = model;
      const place = ({ from }: Step) => from.t * (ladder?.levels ?? 0);
      return (
        ladder !== undefined && steps.some((step) => Math.abs(place(step) - Math.round(place(step))) > 1e-6)
      );
    },
  };
}
