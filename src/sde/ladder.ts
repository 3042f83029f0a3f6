import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';
import type { Ladder, Transition } from './sde.js';

/** The chain of DDPM: x_i = sqrt(1 - beta_i) x_(i-1) + sqrt(beta_i) z (Ho et al. 2020, equation 2). */
export function ddpmLadder(betas: ArrayLike<number>): Ladder {
  const levels = betas.length;
  checkInteger('betas.length', levels, 1);
  const alpha = new Float64Array(levels);
  const sigma = new Float64Array(levels);
  let logAlphaBar = 0;
  for (let i = 0; i < levels; i++) {
    const beta = betas[i]!;
    if (!(beta > 0 && beta < 1)) throw new OptionError(`betas[${i}]`, beta, 'between 0 and 1');
    logAlphaBar += Math.log1p(-beta);
    alpha[i] = Math.exp(0.5 * logAlphaBar);
    sigma[i] = Math.sqrt(-Math.expm1(logAlphaBar));
  }
  return { levels, alpha, sigma };
}

/**
 * The betas of DDPM: evenly spaced from beta0 / levels to beta1 / levels, so that any number of levels discretises the
 * VP SDE of the same constants. The defaults 0.1 and 20 give the published 1e-4 .. 0.02 at 1000 levels.
 */
export function linearBetas(levels: number, beta0: number = 0.1, beta1: number = 20): Float64Array {
  checkInteger('levels', levels, 1);
  return spaced(levels, (u) => (beta0 + u * (beta1 - beta0)) / levels);
}

/** The chain of SMLD: x_i = x_(i-1) + sqrt(sigma_i^2 - sigma_(i-1)^2) z, for rising noise levels sigma_i. */
export function smldLadder(sigmas: ArrayLike<number>): Ladder {
  const levels = sigmas.length;
  checkInteger('sigmas.length', levels, 1);
  const sigma = Float64Array.from(sigmas);
  let previous = 0;
  sigma.forEach((value, i) => {
    if (!(value > previous)) throw new OptionError(`sigmas[${i}]`, value, `greater than ${previous}`);
    previous = value;
  });
  return { levels, alpha: new Float64Array(levels).fill(1), sigma };
}

/**
 * Noise levels in geometric progression, rising from sigmaMin to sigmaMax: the ladder of SMLD, NCSN (0.01 .. 1, 10 levels)
 * and NCSNv2 (0.01 .. 50, 232 levels). NCSN networks count their labels from the largest: label = levels - 1 - i.
 */
export function geometricSigmas(
  levels: number,
  sigmaMin: number = 0.01,
  sigmaMax: number = 50,
): Float64Array {
  checkInteger('levels', levels, 1);
  return spaced(levels, (u) => sigmaMin * Math.pow(sigmaMax / sigmaMin, u));
}

/** The transition of the chain from level `from` (-1 for the data) to a higher level `to`. */
export function ladderTransition(ladder: Ladder, from: number, to: number): Transition {
  const retain = ladder.alpha[to]! / (from < 0 ? 1 : ladder.alpha[from]!);
  const carried = from < 0 ? 0 : retain * ladder.sigma[from]!;
  const sigma = ladder.sigma[to]!;
  return { retain, spread: (sigma - carried) * (sigma + carried) };
}

/**
 * Evenly spread levels 0 .. levels - 1, rising: all of them, or fewer steps that jump over trained levels. Their
 * transitions then belong to the trained chain (respaced betas), and every label is one that the network was trained on.
 */
export function respacedLevels(ladder: Ladder, steps: number = ladder.levels): Int32Array {
  const { levels } = ladder;
  if (!(Number.isInteger(steps) && steps >= 1 && steps <= levels)) {
    throw new OptionError('steps', steps, `an integer from 1 to the number of trained levels (${levels})`);
  }
  if (steps === 1) return Int32Array.of(levels - 1);
  return Int32Array.from({ length: steps }, (_, k) => Math.round((k * (levels - 1)) / (steps - 1)));
}

/** Where level `index` lies in time: the data are at 0, and every level is as far from the next. */
export function levelTime({ levels }: Pick<Ladder, 'levels'>, index: number): number {
  return (index + 1) / levels;
}

/** f at `count` values of u from 0 to 1, ends included; f(1) if there is one. */
function spaced(count: number, f: (u: number) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => f(count === 1 ? 1 : i / (count - 1)));
}
