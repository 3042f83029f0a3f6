import { OptionError } from '../errors.js';
import { symmetricBetaQuantile } from './beta-quantile.js';
import { dataLevel, levelAt, type Level, type Process } from './level.js';
import { levelTime } from './ladder.js';
import type { Step } from './grid.js';
import type { Ladder } from './sde.js';

/**
 * How a scheduler of diffusers spreads N steps over trained levels (Lin et al. 2023, table 2, names the three spreads). By `rule`:
 *
 * - `whole`: N levels, and from each a step over floor(levels / N) of them, wherever the next one starts (DDIM, DDPM, PNDM);
 * - `between`: N levels, where need be between trained ones, with sigma / alpha interpolated (Euler, Heun, LMS);
 * - `open`: the upper N of N + 1 whole levels (DPM-Solver, UniPC, DEIS).
 */
export interface Spacing {
  /** Which of the three. */
  readonly rule: 'whole' | 'between' | 'open';
  /** `leading`: jumps of floor(levels / N) up from the first; `trailing`: jumps of levels / N down from the last; `linspace`: with both ends. */
  readonly spread: 'leading' | 'trailing' | 'linspace';
  /** Levels by which those of `leading` are raised. */
  readonly offset: number;
  /**
   * Spread by the noise level sigma / alpha instead, over the range that the spread has: Karras et al. 2022 with rho 7, even in its logarithm, or
   * by quantiles of Beta(0.6, 0.6) (Lee et al. 2024).
   */
  readonly noise?: 'karras' | 'exponential' | 'beta' | undefined;
  /** Where the last step leads: to the data, or to the first level. */
  readonly end: 'data' | 'first';
}

/** Times of a flow, s t / (1 + (s - 1) t) for even t from 1 on, with the shift s. */
export interface FlowSpacing {
  /** That of flow matching. */
  readonly rule: 'flow';
  /** Number of trained levels. */
  readonly levels: number;
  /** The shift s, or how it follows from the size of the picture. */
  readonly shift: number | DynamicShift;
}

/** Of networks that were distilled over `jumps` even jumps of the trained levels: those from which N of them start, in even steps. */
export interface DistilledSpacing {
  /** That of distilled networks. */
  readonly rule: 'distilled';
  /** How many jumps the network was distilled over. */
  readonly jumps: number;
}

/** Noise levels of the EDM process, from its most to its least and then to the data: Karras et al. 2022 with rho, or even in their logarithm. */
export interface EdmSpacing {
  readonly rule: 'edm';
  readonly noise: 'karras' | 'exponential';
  readonly rho: number;
}

/** A shift that grows with the tokens of a picture, exp(mu) (or mu, where `linear`) for mu even in them from `base` to `most`. */
export interface DynamicShift {
  /** mu at `baseTokens`. */
  readonly base: number;
  /** mu at `mostTokens`. */
  readonly most: number;
  /** Tokens of the smallest picture that it was set for. */
  readonly baseTokens: number;
  /** Tokens of the largest. */
  readonly mostTokens: number;
  /** Pixels of a latent on a side of a token. */
  readonly patch: number;
  /** Whether the shift is mu itself, not exp(mu). */
  readonly linear: boolean;
}

/** How a pipeline of diffusers draws, as its scheduler says. */
export interface Scheduler {
  /** The class of diffusers. */
  readonly name: string;
  /** What its method is here, by name and with options; absent where there is none. */
  readonly solver?: { readonly name: string; readonly [option: string]: unknown };
  /** Steps where none are given. */
  readonly steps: number;
  /** Its own spacing first, then what it says for schedulers of the other rules; none where it is not known. */
  readonly spacings: readonly (Spacing | FlowSpacing | DistilledSpacing | EdmSpacing)[];
  /** What it asks for and is not done here, in plain words. */
  readonly doubts: readonly string[];
}

/** A process and the shape of its samples. */
type Scheduled = Process & { readonly shape: readonly number[] };

/** As of every grid. */
const MOST_STEPS = 1_000_000;

/** sigma / alpha that schedulers of noise levels have where no signal is left. */
const MOST_RATIO = 4096;

/**
 * The steps of a scheduler of diffusers, as its pipeline makes them.
 * @throws OptionError for more steps than have levels of their own.
 */
export function scheduledSteps(
  process: Scheduled,
  spacing: Scheduler['spacings'][number],
  steps: number,
): Step[] {
  if (!(Number.isSafeInteger(steps) && steps >= 1 && steps <= mostSteps(process, spacing))) {
    const expected = `an integer from 1 to ${mostSteps(process, spacing)}, the most that the scheduler of the model spreads over its levels`;
    throw new OptionError('steps', steps, expected);
  }
  if (spacing.rule === 'flow') return flowSteps(process, spacing, steps);
  if (spacing.rule === 'edm') return edmSteps(process, spacing, steps);
  const ladder = process.ladder!;
  if (spacing.rule === 'distilled') return distilledSteps(process, ladder, spacing, steps);
  const indices = spreadIndices(ladder, spacing, steps);
  if (spacing.rule === 'whole') return wholeSteps(process, ladder, spacing, indices);
  const places = spacing.noise
    ? noisePlaces(ladder, spacing, indices)
    : indices.map((index) => ({ index, ratio: ratioBetween(ladder, index) }));
  const levels = places.map((place) => levelOf(ladder, place));
  return consecutive([...levels, endOf(process, ladder, spacing)]);
}

/** The most steps whose levels can be told apart. */
export function mostSteps({ ladder }: Process, spacing: Scheduler['spacings'][number]): number {
  if (spacing.rule === 'flow' || spacing.rule === 'edm') return MOST_STEPS;
  if (spacing.rule === 'distilled') return spacing.jumps;
  const { rule, spread, offset } = spacing;
  return (
    ladder!.levels - (rule === 'open' && spread !== 'trailing' ? 1 : 0) - (spread === 'leading' ? offset : 0)
  );
}

/** Descending levels, whole ones but for `linspace` between trained levels. */
function spreadIndices({ levels }: Ladder, { rule, spread, offset }: Spacing, steps: number): number[] {
  const count = rule === 'open' && spread !== 'trailing' ? steps + 1 : steps;
  const place = {
    linspace: (k: number) => (count === 1 ? 0 : (k * (levels - 1)) / (count - 1)),
    leading: (k: number) => k * Math.floor(levels / count) + offset,
    trailing: (k: number) => levels - ((count - 1 - k) * levels) / count - 1,
  }[spread];
  const rising = Array.from({ length: count }, (_, k) =>
    rule === 'between' && spread === 'linspace' ? place(k) : roundHalfEven(place(k)),
  );
  return rising.slice(count - steps).reverse();
}

/** As NumPy rounds. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function wholeSteps(process: Process, ladder: Ladder, spacing: Spacing, indices: readonly number[]): Step[] {
  const { levels } = ladder;
  const jump = Math.floor(levels / indices.length);
  const level = (index: number) => levelAt(process, levelTime(ladder, index), index);
  return indices.map((index, k) => {
    const to = index < jump ? endOf(process, ladder, spacing) : level(index - jump);
    return stepBetween(k, level(index), to);
  });
}

/** A level by its place among the trained ones and its sigma / alpha. */
interface Place {
  readonly index: number;
  readonly ratio: number;
}

function levelOf(ladder: Ladder, { index, ratio }: Place): Level {
  const alpha = 1 / Math.hypot(1, ratio);
  const named = ladder.nearest || Number.isInteger(index) ? { index: Math.round(index) } : {};
  return {
    t: levelTime(ladder, index),
    ...named,
    alpha,
    sigma: ratio * alpha,
    lambda: -Math.log(ratio),
  };
}

function ratioAt({ alpha, sigma }: Ladder, index: number): number {
  return alpha[index] === 0 ? MOST_RATIO : sigma[index]! / alpha[index]!;
}

function ratioBetween(ladder: Ladder, index: number): number {
  const below = Math.min(Math.floor(index), ladder.levels - 2);
  const [low, high] = [ratioAt(ladder, below), ratioAt(ladder, below + 1)];
  return index - below === 1 ? high : low + (index - below) * (high - low);
}

/** Levels by their noise, and where they lie among the trained ones. */
function noisePlaces(ladder: Ladder, { rule, noise }: Spacing, indices: readonly number[]): Place[] {
  const count = indices.length;
  const [most, least] =
    rule === 'open'
      ? [ratioAt(ladder, ladder.levels - 1), ratioAt(ladder, 0)]
      : [ratioBetween(ladder, indices[0]!), ratioBetween(ladder, indices.at(-1)!)];
  const ratioAtShare = spreadNoise(noise!, most, least);
  return indices.map((_, k) => {
    const share = count === 1 ? 0 : k / (count - 1);
    const ratio = ratioAtShare(share);
    const index = indexOfRatio(ladder, ratio);
    if (rule === 'between') return { index, ratio };
    return { index: noise === 'karras' ? roundHalfEven(index) : Math.floor(index), ratio };
  });
}

/** Noise levels from the most, at a share of 0, to the least, at 1. */
function spreadNoise(
  noise: 'karras' | 'exponential' | 'beta',
  most: number,
  least: number,
  rho = 7,
): (share: number) => number {
  if (noise === 'beta') return (share) => least + symmetricBetaQuantile(1 - share, 0.6) * (most - least);
  const [even, back]: ((value: number) => number)[] =
    noise === 'karras' ? [(u) => u ** (1 / rho), (u) => u ** rho] : [Math.log, Math.exp];
  return (share) => back!(even!(most) + share * (even!(least) - even!(most)));
}

/** Where a noise level lies among the trained ones, in its logarithm. */
function indexOfRatio(ladder: Ladder, ratio: number): number {
  let below = 0;
  while (below < ladder.levels - 2 && ratioAt(ladder, below + 1) <= ratio) below++;
  const [low, high] = [below, below + 1].map((i) => Math.log(ratioAt(ladder, i))) as [number, number];
  return below + Math.min(Math.max((Math.log(ratio) - low) / (high - low), 0), 1);
}

function endOf(process: Process, ladder: Ladder, { rule, end }: Spacing): Level {
  if (end === 'data') return dataLevel;
  const first = levelAt(process, levelTime(ladder, 0), 0);
  // Schedulers that go by sigma / alpha end with x / alpha.
  return rule === 'between' ? { ...first, alpha: 1, sigma: first.sigma / first.alpha } : first;
}

function distilledSteps(
  process: Process,
  ladder: Ladder,
  { jumps }: DistilledSpacing,
  steps: number,
): Step[] {
  const jump = Math.floor(ladder.levels / jumps);
  const levels = Array.from({ length: steps }, (_, k) => {
    const index = (jumps - Math.floor((k * jumps) / steps)) * jump - 1;
    return levelAt(process, levelTime(ladder, index), index);
  });
  return consecutive([...levels, dataLevel]);
}

function flowSteps(process: Scheduled, { levels, shift }: FlowSpacing, steps: number): Step[] {
  const factor = typeof shift === 'number' ? shift : shiftFor(process.shape, shift);
  const shifted = (t: number) => (factor * t) / (1 + (factor - 1) * t);
  // A fixed shift has been applied to the least time once before.
  const least = typeof shift === 'number' ? shifted(1 / levels) : 1 / levels;
  const times = Array.from({ length: steps }, (_, k) =>
    shifted(k === 0 ? 1 : 1 + (k / (steps - 1)) * (least - 1)),
  );
  return consecutive([...times.map((t) => levelAt(process, t)), dataLevel]);
}

function edmSteps(process: Process, { noise, rho }: EdmSpacing, steps: number): Step[] {
  const { T, epsilon } = process.sde;
  const noiseAt = spreadNoise(noise, T, epsilon, rho);
  const levels = Array.from({ length: steps }, (_, k) =>
    levelAt(process, k === 0 ? T : noiseAt(k / (steps - 1))),
  );
  return consecutive([...levels, dataLevel]);
}

/** Esser et al. 2024 take more noise for more pixels; the line between two sizes is that of diffusers. */
function shiftFor(shape: readonly number[], shift: DynamicShift): number {
  const { base, most, baseTokens, mostTokens, patch, linear } = shift;
  const tokens = shape.slice(1).reduce((product, size) => product * Math.floor(size / patch), 1);
  const mu = base + ((tokens - baseTokens) * (most - base)) / (mostTokens - baseTokens);
  return linear ? mu : Math.exp(mu);
}

function consecutive(levels: readonly Level[]): Step[] {
  return levels.slice(1).map((to, k) => stepBetween(k, levels[k]!, to));
}

function stepBetween(k: number, from: Level, to: Level): Step {
  const retain = from.alpha / to.alpha;
  const carried = retain * to.sigma;
  const spread = (from.sigma - carried) * (from.sigma + carried);
  return { k, from, to, h: from.t - to.t, retain, spread };
}
