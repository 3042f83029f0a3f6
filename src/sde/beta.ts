import { checkNumber } from '../options.js';

/** The linear schedule beta(t) = beta0 + t (beta1 - beta0) of the VP and sub-VP SDEs, and its integral. */
export interface LinearBeta {
  readonly beta: (t: number) => number;
  /** B(t), the integral of beta from 0 to t. */
  readonly integral: (t: number) => number;
  /** B(to) - B(from), without cancellation. */
  readonly increment: (from: number, to: number) => number;
  /** The time at which B(t) has this value. */
  readonly timeOfIntegral: (B: number) => number;
}

export function linearBeta(beta0: number, beta1: number): LinearBeta {
  checkNumber('beta0', beta0, 0);
  checkNumber('beta1', beta1, 0);
  const slope = beta1 - beta0;
  const increment = (from: number, to: number) => (to - from) * (beta0 + 0.5 * slope * (to + from));
  return {
    beta: (t) => beta0 + t * slope,
    integral: (t) => increment(0, t),
    increment,
    timeOfIntegral: (B) => (2 * B) / (beta0 + Math.sqrt(beta0 * beta0 + 2 * slope * B)),
  };
}
