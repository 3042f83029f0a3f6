import { OptionError } from '../errors.js';
import { levelTime } from './ladder.js';
import type { Ladder, Sde } from './sde.js';

/**
 * A place between data and noise, the only way to say where in time: x | x_0 ~ N(alpha x_0, sigma^2 I). All solvers,
 * models and grids speak of levels.
 */
export interface Level {
  /** Time of the SDE, from 0 (data) to T. */
  readonly t: number;
  /**
   * Position in a discrete ladder, 0 = least noise; absent in continuous time and at the data. Between the levels of a network that takes
   * integers alone, the nearest one.
   */
  readonly index?: number | undefined;
  /** Factor of the data: x_t = alpha x_0 + sigma z. */
  readonly alpha: number;
  /** Standard deviation of the noise. */
  readonly sigma: number;
  /** ln alpha - ln sigma, half the log signal-to-noise ratio. */
  readonly lambda: number;
}

/** The end of every path: the data themselves. */
export const dataLevel: Level = { t: 0, alpha: 1, sigma: 0, lambda: Infinity };

/** A forward process, perhaps with trained levels, of which `sde` is then the continuous time: every score model is one. */
export interface Process {
  /** The process in continuous time. */
  readonly sde: Sde;
  /** The trained levels, where they are discrete. */
  readonly ladder?: Ladder | undefined;
}

/**
 * The level of a process at time t; of a ladder, that with this index, or where there is none, what lies at t.
 * @throws OptionError for an index outside the ladder, and a time below its first level.
 */
export function levelAt(process: Process, t: number, index?: number): Level {
  const { sde, ladder } = process;
  if (ladder === undefined) return marginalAt(sde, t);
  if (index === undefined) return levelBetween(sde, ladder, t);
  checkIndex(ladder, index);
  const [alpha, sigma] = [ladder.alpha[index]!, ladder.sigma[index]!];
  return { t, index, alpha, sigma, lambda: Math.log(alpha) - Math.log(sigma) };
}

/** The level at time t, or, of a network that takes integers alone, the trained level next to it. */
export function trainedLevelAt(process: Process, t: number): Level {
  const { ladder } = process;
  if (!ladder?.nearest) return levelAt(process, t);
  const index = nearestIndex(ladder, t);
  return levelAt(process, levelTime(ladder, index), index);
}

function marginalAt(sde: Sde, t: number): Level {
  return { t, alpha: sde.alpha(t), sigma: sde.sigma(t), lambda: sde.lambda(t) };
}

function levelBetween(sde: Sde, ladder: Ladder, t: number): Level {
  if (sde.ladder !== ladder) {
    const expected = "that of the model's ladder: ladderSde(ladder, sde), for what lies between its levels";
    throw new OptionError('sde', sde.name, expected);
  }
  const index = nearestIndex(ladder, t);
  const off = t * ladder.levels - 1 - index;
  if (Math.abs(off) < 1e-9 * ladder.levels) return levelAt({ sde, ladder }, t, index);
  if (!(off >= 0 || index > 0)) {
    const expected = `at least ${levelTime(ladder, 0)}, the first of the ${ladder.levels} levels that the model was trained on`;
    throw new OptionError('epsilon', t, expected);
  }
  const level = marginalAt(sde, t);
  return ladder.nearest ? { ...level, index } : level;
}

function nearestIndex({ levels }: Ladder, t: number): number {
  return Math.min(Math.max(Math.round(t * levels - 1), 0), levels - 1);
}

/** Throws unless there is a level with this index. */
export function checkIndex(ladder: Ladder, index: number): void {
  if (Number.isInteger(index) && index >= 0 && index < ladder.levels) return;
  throw new OptionError('level.index', index, `a level from 0 (least noise) to ${ladder.levels - 1}`);
}
