import { Stream, type NoiseAddress, type State } from '../device/binding.js';
import { affine } from '../device/kernels.js';
import { checkInteger } from '../options.js';
import { ladderTransition } from './ladder.js';
import type { Ladder, Sde, Transition } from './sde.js';

/** Where the noise of a forward simulation comes from. */
export interface ForwardNoise {
  /** Unsigned 64-bit seed. */
  seed: bigint;
  /** Global index of the first sample of the batch; default 0. */
  first?: number;
}

/**
 * Draws x_t from the Gaussian kernel, alpha(t) x_0 + sigma(t) z, in place.
 *
 * @param x x_0, row-major [batch, ...shape]; becomes x_t.
 * @param times one time for every sample.
 */
export function perturb(sde: Sde, x: State, times: ArrayLike<number>, noise: ForwardNoise): void {
  const coefficients = new Float64Array(2 * times.length);
  for (let b = 0; b < times.length; b++) {
    coefficients[2 * b] = sde.alpha(times[b]!);
    coefficients[2 * b + 1] = sde.sigma(times[b]!);
  }
  affine(x, [x], coefficients, address(noise, 0));
}

/**
 * Carries x through a Markov chain of Gaussian transitions, in place, with fresh noise at each.
 *
 * @param batch number of samples in x.
 * @param visit sees the state after every transition.
 */
export function simulate(
  x: State,
  batch: number,
  transitions: Iterable<Transition>,
  noise: ForwardNoise,
  visit?: (position: number, x: State) => void,
): void {
  let position = 0;
  for (const { retain, spread } of transitions) {
    const coefficients = new Float64Array(2 * batch);
    for (let b = 0; b < batch; b++) {
      coefficients[2 * b] = retain;
      coefficients[2 * b + 1] = Math.sqrt(spread);
    }
    // The kernel above owns step 0.
    affine(x, [x], coefficients, address(noise, position + 1));
    visit?.(position, x);
    position++;
  }
}

/** The transitions of SMLD or DDPM from the data through every level up to `level`. */
export function chainTransitions(ladder: Ladder, level: number = ladder.levels - 1): Transition[] {
  checkInteger('level', level, 0, ladder.levels - 1);
  return Array.from({ length: level + 1 }, (_, i) => ladderTransition(ladder, i - 1, i));
}

/**
 * Euler-Maruyama steps of dx = f(t) x dt + g(t) dw from 0 to `t`. Their law tends to that of the exact transition at
 * first order in 1 / steps. (The VE SDE started at 0 has variance sigma(t)^2 - sigma(0)^2 at t.)
 */
export function eulerTransitions(sde: Sde, steps: number, t: number = sde.T): Transition[] {
  checkInteger('steps', steps, 1);
  const h = t / steps;
  return Array.from({ length: steps }, (_, k) => ({
    retain: 1 + sde.drift(k * h) * h,
    spread: sde.diffusion(k * h) ** 2 * h,
  }));
}

function address({ seed, first = 0 }: ForwardNoise, step: number): NoiseAddress {
  return { seed, samples: first, step, stream: Stream.forward };
}
