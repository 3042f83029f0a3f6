import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber, isList } from '../options.js';
import { checkStop } from './constants.js';
import { ladderTransition, levelTime, respacedLevels } from './ladder.js';
import { dataLevel, levelAt, type Level, type Process } from './level.js';
import { gridNames, type GridName } from './names.js';
import { nearestLevels, noiseGrids, spacedLevels } from './spaced-levels.js';
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
  /** The level before the step, where the model is evaluated. */
  readonly from: Level;
  /** The level after the step; the data where the grid ends at them. */
  readonly to: Level;
  /** Length of the step in time, for Euler-Maruyama and probability flow. */
  readonly h: number;
}

/** A grid by name, or its times themselves, descending: every level that is visited, and where sampling stops. */
export type Grid = GridName | readonly number[] | Float64Array;

/** How the levels of a sampler are spaced. */
export interface GridOptions {
  /** Number of steps; the model is evaluated once at the start of each. As many as there are, where times are given. */
  readonly steps?: number | undefined;
  /** Default `uniform-t`, and `karras` for EDM. See {@link spacedTimes}; `reference` is the loop of the reference implementation of Song et al. 2021. */
  readonly grid?: Grid | undefined;
  /** Exponent of `karras` (default 7), `power` (default 3) and `polyexponential` (default 1); factor of `shifted` (default 3). */
  readonly rho?: number | undefined;
  /** Where sampling stops; default `sde.epsilon`. */
  readonly epsilon?: number | undefined;
  /** Standard deviation of the data, for `arctan`. Default 0.5. */
  readonly sigmaData?: number | undefined;
  /** Start where no signal is left, where the SDE says where that is. Default false: at T. */
  readonly fromNoise?: boolean | undefined;
}

/**
 * The steps of a sampler in continuous time, in solver order. Where a network takes the integers of its levels alone, they lead from level to
 * level, those next to the times of the grid.
 * @throws OptionError
 */
export function timeGrid(sde: Sde, options: GridOptions): Step[] {
  if (options.grid === 'reference') return referenceGrid(sde, options);
  const { ladder } = sde;
  let times = spacedTimes(sde, options);
  if (ladder?.nearest) {
    checkInteger('steps', times.length - 1, 1, ladder.levels - 1);
    const noise = times.map((t) => -sde.lambda(t)).reverse();
    times = Float64Array.from(nearestLevels(ladder, noise), (index) => levelTime(ladder, index)).reverse();
  }
  const levels = Array.from(times, (t) => levelAt({ sde, ladder }, t));
  return stepsBetween(levels, ({ t: from }, { t: to }) => ({ h: from - to, ...sde.transition(to, from) }));
}

/** Exponents of the grids that have one, where none is given. */
const exponents: Partial<Record<GridName, number>> = { karras: 7, power: 3, polyexponential: 1, shifted: 3 };

/** The shifts of published models are 1 to 20. */
const MOST_SHIFT = 1000;

/** Grids in t, which need no signal at their start. */
const timeGrids: readonly GridName[] = ['uniform-t', 'quadratic', 'power', 'shifted'];

/**
 * `steps` + 1 times from T down to epsilon.
 *
 * - `uniform-t`: even in t;
 * - `uniform-lambda`, also called `exponential`: even in the half log-SNR (Lu et al. 2022), that is in ln(sigma / alpha);
 * - `polyexponential`: lambda falls as the power rho of an even ramp, as in k-diffusion;
 * - `power`: even in t^(1/rho); `quadratic` is rho = 2 (Song et al. 2020, DDIM);
 * - `karras`: even in (sigma / alpha)^(1/rho) (Karras et al. 2022, equation 5);
 * - `arctan`: even in arctan(sigma / (alpha sigmaData)). An Euler step in sigma / alpha, which is DDIM, then shrinks Gaussian data
 *   by the cosine of the step: no other grid shrinks them less;
 * - `shifted`: u even, t / T = rho u / (1 + (rho - 1) u), which multiplies the noise levels of a flow by rho (Esser et al. 2024, equation 23).
 *
 * With `fromNoise` grids in t start where no signal is left; those in noise levels have that time before them.
 */
export function spacedTimes(sde: Sde, options: GridOptions): Float64Array {
  const { grid = usualGrid(sde) } = options;
  if (typeof grid !== 'string') return givenTimes(sde, grid, options);
  const { steps, epsilon } = validated(sde, options, 1);
  const noiseTime = options.fromNoise ? sde.noiseTime : undefined;
  const T = noiseTime ?? sde.T;
  if (noiseTime !== undefined && !timeGrids.includes(grid)) {
    const rest = { ...options, steps: steps - 1, fromNoise: false };
    return Float64Array.of(noiseTime, ...(steps === 1 ? [epsilon] : spacedTimes(sde, rest)));
  }
  checkChoice('grid', grid, gridNames);
  if (options.rho !== undefined && !(grid in exponents)) {
    const expected = `left out with grid '${grid}': it belongs to ${Object.keys(exponents).join(', ')}`;
    throw new OptionError('rho', options.rho, expected);
  }
  const rho = grid === 'quadratic' ? 2 : (options.rho ?? exponents[grid] ?? 1);
  checkNumber('rho', rho, 0);
  if (grid === 'shifted' && !(rho >= 1 / MOST_SHIFT && rho <= MOST_SHIFT)) {
    const expected = `from ${1 / MOST_SHIFT} to ${MOST_SHIFT} with grid 'shifted': beyond that all steps but one crowd at an end`;
    throw new OptionError('rho', rho, expected);
  }
  const sigmaData = checkNumber('sigmaData', options.sigmaData ?? 0.5, 0);
  const between = (from: number, to: number, i: number) => ((steps - i) * from + i * to) / steps;
  const power = (from: number, to: number, i: number) =>
    Math.pow(between(Math.pow(from, 1 / rho), Math.pow(to, 1 / rho), i), rho);
  const noise = (t: number) => Math.exp(-sde.lambda(t));
  const ofNoise = (level: number) => sde.timeOfLambda(-Math.log(level));
  const angle = (t: number) => Math.atan(noise(t) / sigmaData);
  const shift = (t: number, factor: number) => T / (1 + (T / t - 1) / factor);
  const uniformLambda = (i: number) => sde.timeOfLambda(between(sde.lambda(T), sde.lambda(epsilon), i));
  const time: Record<Exclude<GridName, 'reference'>, (i: number) => number> = {
    'uniform-t': (i) => between(T, epsilon, i),
    'uniform-lambda': uniformLambda,
    exponential: uniformLambda,
    polyexponential: (i) => uniformLambda(steps * (1 - Math.pow(1 - i / steps, rho))),
    quadratic: (i) => power(T, epsilon, i),
    power: (i) => power(T, epsilon, i),
    karras: (i) => ofNoise(power(noise(T), noise(epsilon), i)),
    shifted: (i) => shift(between(T, shift(epsilon, 1 / rho), i), rho),
    arctan: (i) => ofNoise(sigmaData * Math.tan(between(angle(T), angle(epsilon), i))),
  };
  if (grid === 'reference') throw new OptionError('grid', grid, 'one whose times are spread by a rule');
  const times = Float64Array.from({ length: steps + 1 }, (_, i) =>
    i === 0 ? T : i === steps ? epsilon : time[grid](i),
  );
  if (times.every((t, i) => i === 0 || t < times[i - 1]!)) return times;
  const expected = `nearer to 1, or fewer steps: not all ${steps + 1} times of the grid can be told apart`;
  throw new OptionError('rho', rho, expected);
}

/** The grid where neither a method nor a user names one. */
export function usualGrid(sde: Sde): GridName {
  return sde.usualGrid ?? 'uniform-t';
}

/** A user's own times. */
function givenTimes(sde: Sde, grid: readonly number[] | Float64Array, options: GridOptions): Float64Array {
  if (!isList(grid) && !((grid as unknown) instanceof Float64Array))
    throw new OptionError('grid', grid, `one of ${gridNames.join(', ')}, or an array of times`);
  const times = Float64Array.from(grid);
  const most = (options.fromNoise ? sde.noiseTime : undefined) ?? sde.T;
  const wrong = times.findIndex((t, i) => !(t > 0 && t <= most && (i === 0 || t < times[i - 1]!)));
  if (times.length < 2 || wrong >= 0) {
    const at = wrong >= 0 ? `; times[${wrong}] is ${times[wrong]}` : '';
    throw new OptionError('grid', grid, `at least 2 times, descending, above 0 and at most ${most}${at}`);
  }
  for (const name of ['rho', 'epsilon'] as const) {
    if (options[name] !== undefined)
      throw new OptionError(name, options[name], 'left out where grid is an array of times');
  }
  if (options.steps !== undefined && options.steps !== times.length - 1) {
    const expected = `left out, or ${times.length - 1}: grid is an array of ${times.length} times`;
    throw new OptionError('steps', options.steps, expected);
  }
  return times;
}

/**
 * The loop of Song et al. 2021 as published: `steps` times from T to epsilon with both ends, a step of length T / steps at
 * each, and at position k the transition of level steps - 1 - k of a ladder with `steps` levels (sub-VP: an Euler step).
 * Its levels are those of that ladder; a model in continuous time is evaluated at their times.
 */
function referenceGrid(sde: Sde, options: GridOptions): Step[] {
  const { steps: N, epsilon } = validated(sde, options, 2);
  if (options.rho !== undefined) throw new OptionError('rho', options.rho, "left out with grid 'reference'");
  if (!sde.published) {
    const expected = `another for the ${sde.name} SDE: nothing was published for it`;
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
 * The steps of a sampler over a discrete ladder (DDPM, SMLD), down to the data: one per trained level, or fewer that are
 * evenly spread over them, or lie nearest to the noise levels of a named grid.
 */
export function ladderGrid(
  sde: Sde,
  ladder: Ladder,
  options: Pick<GridOptions, 'steps' | 'rho' | 'sigmaData' | 'fromNoise'> & {
    grid?: GridName | undefined;
  } = {},
): Step[] {
  const known = options.fromNoise ? ladder : withSignal(ladder);
  const { steps = known.levels, grid, rho, sigmaData } = options;
  checkInteger('steps', steps, 1, MOST_STEPS);
  const chosen =
    grid === undefined || steps > known.levels
      ? respacedLevels(known, steps)
      : spacedLevels(known, { steps, grid, rho, sigmaData });
  const levels = Array.from(chosen.reverse(), (index) =>
    levelAt({ sde, ladder }, levelTime(ladder, index), index),
  );
  return stepsBetween([...levels, dataLevel], (from, to) => ({
    h: from.t - to.t,
    ...transitionBetween(ladder, to, from),
  }));
}

/**
 * The steps over the trained levels of a process, no more than there are, where it has some and neither an epsilon nor a grid that
 * is none of noise levels asks for what lies between them; else in continuous time, on the grid `usual` where none is given.
 */
export function processGrid(
  { sde, ladder }: Process,
  options: Omit<GridOptions, 'fromNoise'>,
  usual?: GridName,
): Step[] {
  const { steps, grid, rho, epsilon, sigmaData } = options;
  const named = noiseGrids.find((name) => name === grid);
  if (!ladder || epsilon !== undefined || (grid !== undefined && named === undefined))
    return timeGrid(sde, { steps, grid: grid ?? usual, rho, epsilon, sigmaData });
  const most = steps === undefined ? ladder.levels : Math.min(steps, ladder.levels);
  return ladderGrid(sde, ladder, {
    steps: most,
    grid: named ?? (rho === undefined ? undefined : 'karras'),
    rho,
    sigmaData,
  });
}

/** The levels of a ladder but a last one without signal. */
function withSignal(ladder: Ladder): Ladder {
  const last = ladder.levels - 1;
  if (ladder.alpha[last] !== 0) return ladder;
  return { levels: last, alpha: ladder.alpha.subarray(0, last), sigma: ladder.sigma.subarray(0, last) };
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
  { steps, epsilon = sde.epsilon }: Pick<GridOptions, 'steps' | 'epsilon'>,
  least: number,
): { steps: number; epsilon: number } {
  if (steps === undefined) throw new OptionError('steps', steps, 'a number of steps');
  checkInteger('steps', steps, least, MOST_STEPS);
  checkStop(epsilon, sde);
  return { steps, epsilon };
}
