import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber } from '../options.js';
import { checkEpsilon } from './constants.js';
import { ladderTransition, levelTime, respacedLevels } from './ladder.js';
import { dataLevel, levelAt, type Level } from './level.js';
import { spacings, type Spacing } from './names.js';
import type { Ladder, Sde, Transition } from './sde.js';

/** A grid holds its steps as objects, so that more would fill the memory of the JavaScript heap. */
const MOST_STEPS = 1_000_000;

/**
 * One step of a sampler, from a level down to the next. (retain, spread) is the forward transition that the step reverses:
 * x_from = retain x_to + sqrt(spread) z.
 */
export interface Step extends Transition {
  /** Position in solver order, from 0. */
  readonly k: number;
  readonly from: Level;
  /** The level after the step; the data where the grid ends at them. */
  readonly to: Level;
  /** Length of the step in time, for Euler-Maruyama and probability flow. */
  readonly h: number;
}

export interface GridOptions {
  /** Number of steps; the model is evaluated once at the start of each. */
  readonly steps: number;
  /**
   * `exact`: `steps` steps from T to epsilon, with the exact transitions of the SDE. `reference`: the loop of the
   * reference implementation of Song et al. 2021. Default `exact`.
   */
  readonly grid?: 'exact' | 'reference' | undefined;
  /** How the times of an exact grid are spread; default `uniform-t`. */
  readonly spacing?: Spacing | undefined;
  /** Exponent of `karras` (default 7) and `power` (default 3). */
  readonly rho?: number | undefined;
  /** Where sampling stops; default `sde.epsilon`. */
  readonly epsilon?: number | undefined;
}

/** The steps of a sampler for a model in continuous time, in solver order. */
export function timeGrid(sde: Sde, options: GridOptions): Step[] {
  const { grid = 'exact' } = options;
  checkChoice('grid', grid, ['exact', 'reference']);
  return grid === 'reference' ? referenceGrid(sde, options) : exactGrid(sde, options);
}

/**
 * `steps` + 1 times from T down to epsilon.
 *
 * - `uniform-t`: even in t;
 * - `uniform-lambda`: even in the half log-SNR (Lu et al. 2022);
 * - `power`: even in t^(1/rho); `quadratic` is rho = 2 (Song et al. 2020, DDIM);
 * - `karras`: even in (sigma/alpha)^(1/rho) (Karras et al. 2022, equation 5).
 */
export function spacedTimes(sde: Sde, options: Omit<GridOptions, 'grid'>): Float64Array {
  const { spacing = 'uniform-t' } = options;
  const { steps, epsilon } = validated(sde, options, 1);
  const { T } = sde;
  checkChoice('spacing', spacing, spacings);
  if (options.rho !== undefined && spacing !== 'karras' && spacing !== 'power')
    throw new OptionError(
      'rho',
      options.rho,
      `left out with spacing '${spacing}': it belongs to karras and power`,
    );
  const rho = spacing === 'quadratic' ? 2 : (options.rho ?? (spacing === 'power' ? 3 : 7));
  checkNumber('rho', rho, 0);
  const between = (from: number, to: number, i: number) => ((steps - i) * from + i * to) / steps;
  const power = (from: number, to: number, i: number) =>
    Math.pow(between(Math.pow(from, 1 / rho), Math.pow(to, 1 / rho), i), rho);
  const noise = (t: number) => Math.exp(-sde.lambda(t));
  const time: Record<Spacing, (i: number) => number> = {
    'uniform-t': (i) => between(T, epsilon, i),
    'uniform-lambda': (i) => sde.timeOfLambda(between(sde.lambda(T), sde.lambda(epsilon), i)),
    quadratic: (i) => power(T, epsilon, i),
    power: (i) => power(T, epsilon, i),
    karras: (i) => sde.timeOfLambda(-Math.log(power(noise(T), noise(epsilon), i))),
  };
  return Float64Array.from({ length: steps + 1 }, (_, i) =>
    i === 0 ? T : i === steps ? epsilon : time[spacing](i),
  );
}

function exactGrid(sde: Sde, options: GridOptions): Step[] {
  const levels = Array.from(spacedTimes(sde, options), (t) => levelAt({ sde }, t));
  return stepsBetween(levels, ({ t: from }, { t: to }) => ({ h: from - to, ...sde.transition(to, from) }));
}

/**
 * The loop of Song et al. 2021 as published: `steps` times from T to epsilon with both ends, a step of length T / steps at
 * each, and at position k the transition of level steps - 1 - k of a ladder with `steps` levels (sub-VP: an Euler step).
 * Its levels are those of that ladder; a model in continuous time is evaluated at their times.
 */
function referenceGrid(sde: Sde, options: GridOptions): Step[] {
  const { steps: N, epsilon } = validated(sde, options, 2);
  if (options.spacing !== undefined && options.spacing !== 'uniform-t') {
    throw new OptionError('spacing', options.spacing, "'uniform-t' with grid 'reference'");
  }
  if (!sde.published) {
    const expected = `'exact' for the ${sde.name} SDE: nothing was published for it`;
    throw new OptionError('grid', 'reference', expected);
  }
  const h = sde.T / N;
  const times = Array.from({ length: N }, (_, k) => ((N - 1 - k) * sde.T + k * epsilon) / (N - 1));
  if (sde.published === 'euler') {
    const levels = times.map((t) => levelAt({ sde }, t));
    return stepsBetween([...levels, dataLevel], ({ t }) => ({
      h,
      retain: 1 + h * sde.drift(t),
      spread: h * sde.diffusion(t) ** 2,
    }));
  }
  const ladder = sde.published(N);
  const levels = times.map((t, k) => levelAt({ sde, ladder }, t, N - 1 - k));
  return stepsBetween([...levels, dataLevel], (from, to) => ({ h, ...transitionBetween(ladder, to, from) }));
}

/**
 * The steps of a sampler for a model trained on a discrete ladder (DDPM, SMLD): one per trained level, or fewer that are
 * evenly spread over them. Level i lies at time epsilon + (T - epsilon) i / (levels - 1) of the continuous SDE.
 */
export function ladderGrid(
  sde: Sde,
  ladder: Ladder,
  options: { steps?: number | undefined; epsilon?: number | undefined } = {},
): Step[] {
  const { steps, epsilon } = validated(sde, { ...options, steps: options.steps ?? ladder.levels }, 1);
  const levels = Array.from(respacedLevels(ladder, steps).reverse(), (index) =>
    levelAt({ sde, ladder }, levelTime(sde, ladder.levels, index, epsilon), index),
  );
  return stepsBetween([...levels, dataLevel], (from, to) => ({
    h: (sde.T * (from.index! - (to.index ?? -1))) / ladder.levels,
    ...transitionBetween(ladder, to, from),
  }));
}

/** One step between each two neighbours of descending levels. */
export function stepsBetween(
  levels: readonly Level[],
  between: (from: Level, to: Level) => Transition & { readonly h: number },
): Step[] {
  return levels.slice(1).map((to, k) => ({ k, from: levels[k]!, to, ...between(levels[k]!, to) }));
}

function transitionBetween(ladder: Ladder, to: Level, from: Level): Transition {
  return ladderTransition(ladder, to.index ?? -1, from.index!);
}

function validated(
  sde: Sde,
  { steps, epsilon = sde.epsilon }: { steps: number; epsilon?: number | undefined },
  least: number,
): { steps: number; epsilon: number } {
  checkInteger('steps', steps, least, MOST_STEPS);
  checkEpsilon(epsilon, sde.T);
  return { steps, epsilon };
}
