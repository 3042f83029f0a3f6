import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber } from '../options.js';
import { checkEpsilon } from './constants.js';
import {
  ddpmLadder,
  geometricSigmas,
  ladderTransition,
  linearBetas,
  respacedLevels,
  smldLadder,
  type Ladder,
} from './ladder.js';
import type { Sde, Transition } from './sde.js';

/**
 * One step of a sampler, from time t down to `next`. (retain, spread) is the forward transition that the step reverses:
 * x_t = retain x_next + sqrt(spread) z.
 */
export interface Step extends Transition {
  /** Position in solver order, from 0. */
  readonly k: number;
  readonly t: number;
  /** Time after the step; 0 where the step ends at the data. */
  readonly next: number;
  /** Length of the step in time, for Euler-Maruyama and probability flow. */
  readonly h: number;
  /** Level at t on a discrete ladder, 0 = least noise. */
  readonly index?: number;
  /** Level after the step; -1 is the data. */
  readonly nextIndex?: number;
  /** alpha and sigma at t and after the step, of the process whose transition this is. */
  readonly alpha: number;
  readonly sigma: number;
  readonly alphaNext: number;
  readonly sigmaNext: number;
}

export const spacings = ['uniform-t', 'uniform-lambda', 'quadratic', 'karras', 'power'] as const;

export type Spacing = (typeof spacings)[number];

export interface GridOptions {
  /** Number of steps; the model is evaluated once at the start of each. */
  steps: number;
  /**
   * `exact`: `steps` steps from T to epsilon, with the exact transitions of the SDE. `reference`: the loop of the
   * reference implementation of Song et al. 2021. Default `exact`.
   */
  grid?: 'exact' | 'reference';
  /** How the times of an exact grid are spread; default `uniform-t`. */
  spacing?: Spacing;
  /** Exponent of `karras` (default 7) and `power` (default 3). */
  rho?: number;
  /** Where sampling stops; default `sde.epsilon`. */
  epsilon?: number;
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
  const times = spacedTimes(sde, options);
  return Array.from({ length: times.length - 1 }, (_, k) => {
    const t = times[k]!;
    const next = times[k + 1]!;
    return {
      k,
      t,
      next,
      h: t - next,
      ...sde.transition(next, t),
      alpha: sde.alpha(t),
      sigma: sde.sigma(t),
      alphaNext: sde.alpha(next),
      sigmaNext: sde.sigma(next),
    };
  });
}

/**
 * The loop of Song et al. 2021 as published: `steps` times from T to epsilon with both ends, a step of length T / steps at
 * each, and at position k the transition of level steps - 1 - k of a ladder with `steps` levels (sub-VP: an Euler step).
 */
function referenceGrid(sde: Sde, options: GridOptions): Step[] {
  const { steps: N, epsilon } = validated(sde, options, 2);
  if (options.spacing !== undefined && options.spacing !== 'uniform-t') {
    throw new OptionError('spacing', options.spacing, "'uniform-t' with grid 'reference'");
  }
  const h = sde.T / N;
  const time = (k: number) => (k === N ? 0 : ((N - 1 - k) * sde.T + k * epsilon) / (N - 1));
  const level = referenceLevels(sde, N, h);
  return Array.from({ length: N }, (_, k) => {
    const t = time(k);
    const next = time(k + 1);
    return { k, t, next, h, ...level(N - 1 - k, t, next) };
  });
}

type Level = Omit<Step, 'k' | 't' | 'next' | 'h'>;

function referenceLevels(sde: Sde, N: number, h: number): (index: number, t: number, next: number) => Level {
  switch (sde.name) {
    case 'vp': {
      const { beta0, beta1 } = sde.constants;
      if (!(Math.max(beta0!, beta1!) < N)) {
        throw new OptionError(
          'steps',
          N,
          `more than beta1 (${beta1!}) with grid 'reference', whose last level keeps 1 - beta1 / steps of the variance; ` +
            "grid 'exact' takes any number",
        );
      }
      const ladder = ddpmLadder(linearBetas(N, beta0, beta1));
      return (index) => levelOf(ladder, index, index - 1);
    }
    case 've': {
      const { sigmaMin, sigmaMax } = sde.constants;
      const ladder = smldLadder(geometricSigmas(N, sigmaMin, sigmaMax));
      return (index) => levelOf(ladder, index, index - 1);
    }
    case 'subvp':
      return (_, t, next) => ({
        retain: 1 + h * sde.drift(t),
        spread: h * sde.diffusion(t) ** 2,
        alpha: sde.alpha(t),
        sigma: sde.sigma(t),
        alphaNext: sde.alpha(next),
        sigmaNext: sde.sigma(next),
      });
    default:
      throw new OptionError(
        'grid',
        'reference',
        `'exact' for the ${sde.name} SDE: nothing was published for it`,
      );
  }
}

/**
 * The steps of a sampler for a model trained on a discrete ladder (DDPM, SMLD): one per trained level, or fewer that are
 * evenly spread over them. Level i lies at time epsilon + (T - epsilon) i / (levels - 1) of the continuous SDE.
 */
export function ladderGrid(
  sde: Sde,
  ladder: Ladder,
  options: { steps?: number; epsilon?: number } = {},
): Step[] {
  const { steps, epsilon } = validated(sde, { steps: ladder.levels, ...options }, 1);
  const levels = respacedLevels(ladder, steps).reverse();
  const time = (index: number) => (index < 0 ? 0 : levelTime(sde, ladder.levels, index, epsilon));
  return Array.from(levels, (index, k) => {
    const nextIndex = levels[k + 1] ?? -1;
    const t = time(index);
    const next = time(nextIndex);
    return {
      k,
      t,
      next,
      h: (sde.T * (index - nextIndex)) / ladder.levels,
      ...levelOf(ladder, index, nextIndex),
    };
  });
}

/** The time of the continuous SDE at which level `index` of a ladder with `levels` levels lies. */
export function levelTime(sde: Sde, levels: number, index: number, epsilon: number): number {
  return levels === 1 ? sde.T : epsilon + (sde.T - epsilon) * (index / (levels - 1));
}

function levelOf(ladder: Ladder, index: number, nextIndex: number): Level {
  return {
    index,
    nextIndex,
    ...ladderTransition(ladder, nextIndex, index),
    alpha: ladder.alpha[index]!,
    sigma: ladder.sigma[index]!,
    alphaNext: nextIndex < 0 ? 1 : ladder.alpha[nextIndex]!,
    sigmaNext: nextIndex < 0 ? 0 : ladder.sigma[nextIndex]!,
  };
}

function validated(
  sde: Sde,
  { steps, epsilon = sde.epsilon }: { steps: number; epsilon?: number },
  least: number,
): { steps: number; epsilon: number } {
  checkInteger('steps', steps, least);
  checkEpsilon(epsilon, sde.T);
  return { steps, epsilon };
}
