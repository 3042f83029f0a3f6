import { OptionError } from '../errors.js';
import type { Ladder, Sde } from './sde.js';

/**
 * A place between data and noise, the only way to say where in time: x | x_0 ~ N(alpha x_0, sigma^2 I). All solvers,
 * models and grids speak of levels.
 */
export interface Level {
  /** Time of the SDE, from 0 (data) to T. */
  readonly t: number;
  /** Position in a discrete ladder, 0 = least noise; absent in continuous time and at the data. */
  readonly index?: number | undefined;
  readonly alpha: number;
  readonly sigma: number;
  /** ln alpha - ln sigma, half the log signal-to-noise ratio. */
  readonly lambda: number;
}

/** The end of every path: the data themselves. */
export const dataLevel: Level = { t: 0, alpha: 1, sigma: 0, lambda: Infinity };

/** A forward process, perhaps known at its trained levels alone: every score model is one. */
export interface Process {
  readonly sde: Sde;
  readonly ladder?: Ladder | undefined;
}

/**
 * The level of a process at time t; of a ladder, that with this index.
 * @throws OptionError for a process with trained levels and no index, or one outside its ladder.
 */
export function levelAt({ sde, ladder }: Process, t: number, index?: number): Level {
  if (ladder === undefined) return { t, alpha: sde.alpha(t), sigma: sde.sigma(t), lambda: sde.lambda(t) };
  checkIndex(ladder, index);
  const [alpha, sigma] = [ladder.alpha[index]!, ladder.sigma[index]!];
  return { t, index, alpha, sigma, lambda: Math.log(alpha) - Math.log(sigma) };
}

/** Throws unless there is a level with this index. */
export function checkIndex(ladder: Ladder, index: number | undefined): asserts index is number {
  if (index !== undefined && Number.isInteger(index) && index >= 0 && index < ladder.levels) return;
  throw new OptionError(
    'level.index',
    index,
    `a level from 0 (least noise) to ${ladder.levels - 1}: this model knows only its trained levels`,
  );
}
