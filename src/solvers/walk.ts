import type { Step } from '../sde/grid.js';
import { dataLevel, type Level } from '../sde/level.js';
import type { Batch } from './batch.js';
import { Lookahead } from './lookahead.js';
import type { Observer } from './solver.js';

/** An evaluation at a level and the move that follows it, which leads to `to`. */
export interface Visit {
  /** Where the model is evaluated. */
  readonly at: Level;
  /** Where the move leads. */
  readonly to: Level;
  /** Makes the move. */
  readonly move: () => void | Promise<void>;
  /** Whether the move is made without an evaluation, and nobody observes it. Default false. */
  readonly blind?: boolean | undefined;
}

/**
 * Walks a grid: at every step the visits in turn, each evaluate, observe (the first of a step), move, constrain. A step
 * without visits is passed over. Where evaluations need not be awaited, the walk is a few steps ahead of what has happened.
 */
export async function walk(
  batch: Batch,
  steps: Iterable<readonly Visit[]>,
  observer: Observer,
): Promise<void> {
  const ahead = batch.isAwaited ? undefined : new Lookahead(batch);
  let k = 0;
  for (const visits of steps) {
    for (const [i, { at, to, move, blind }] of visits.entries()) {
      const evaluating = blind ? undefined : batch.evaluate(at, k);
      if (evaluating) await evaluating;
      if (i === 0 && !blind) await observer.evaluated?.(k, at, batch);
      const pending = move();
      if (pending) await pending;
      await batch.constrain(to, k, i);
    }
    const step = k++;
    const told = () => observer.stepped?.(step, batch);
    await (ahead ? ahead.step(told) : told());
  }
  await ahead?.end();
}

/** A step that leads nowhere, for a corrector at the end of a grid. */
export function stayAt(level: Level, k: number): Step {
  return { k, from: level, to: level, h: 0, retain: 1, spread: 0 };
}

/** Replaces the state at a level by the posterior mean of x_0 (Tweedie's formula), after one more evaluation. */
export async function denoise(batch: Batch, level: Level, step: number): Promise<void> {
  await batch.evaluate(level, step, { purpose: 'denoise' });
  batch.estimate(batch.x);
  await batch.constrain(dataLevel, step, 0);
}
