import { OptionError } from '../errors.js';
import { checkKnown, checkNumber } from '../options.js';
import { checkDataRange, checkEpsilon } from './constants.js';
import type { Sde } from './sde.js';

/** A process by its two functions, and what else it has to say. */
export interface CustomSdeOptions {
  /** alpha(t) > 0 on (0, T], with alpha(0) = 1. */
  alpha: (t: number) => number;
  /** sigma(t) >= 0, such that sigma / alpha grows with t. */
  sigma: (t: number) => number;
  /** alpha'(t); by default the numerical derivative of `alpha`, which must then be smooth on (0, T]. */
  alphaDerivative?: (t: number) => number;
  /** sigma'(t); by default the numerical derivative of `sigma`, which must then be smooth on (0, T]. */
  sigmaDerivative?: (t: number) => number;
  /** End of the forward process; default 1. */
  T?: number;
  /** Time at which sampling stops; default 1e-3 T. */
  epsilon?: number;
  /** Standard deviation of the prior; default sigma(T). */
  priorSigma?: number;
  /** Values that data take in the model's own space; default [-1, 1]. */
  dataRange?: readonly [number, number];
}

const known = Object.keys({
  ...{ alpha: 1, sigma: 1, alphaDerivative: 1, sigmaDerivative: 1 },
  ...{ T: 1, epsilon: 1, priorSigma: 1, dataRange: 1 },
} satisfies Record<keyof CustomSdeOptions, 1>);

/** The SDE whose marginals are N(alpha(t) x_0, sigma(t)^2 I), for a given pair of functions. */
export function customSde(options: CustomSdeOptions): Sde {
  checkKnown(options, known);
  const { alpha, sigma, T = 1, dataRange = [-1, 1] } = options;
  checkNumber('T', T, 0);
  const epsilon = checkEpsilon(options.epsilon ?? 1e-3 * T, T);
  const alphaDerivative = options.alphaDerivative ?? ((t) => derivative(alpha, t, T));
  const sigmaDerivative = options.sigmaDerivative ?? ((t) => derivative(sigma, t, T));
  const lambda = (t: number) => Math.log(alpha(t)) - Math.log(sigma(t));
  const drift = (t: number) => alphaDerivative(t) / alpha(t);
  for (const t of [epsilon, T]) {
    checkNumber(`alpha(${t})`, alpha(t), 0);
    checkNumber(`sigma(${t})`, sigma(t), 0);
  }
  if (!(lambda(epsilon) > lambda(T))) {
    throw new OptionError('sigma', sigma, 'such that sigma(t) / alpha(t) grows from epsilon to T');
  }
  return {
    name: 'custom',
    T,
    epsilon,
    dataRange: checkDataRange(dataRange),
    constants: { T, epsilon },
    priorSigma: checkNumber('priorSigma', options.priorSigma ?? sigma(T), 0),
    drift,
    // d(sigma^2)/dt = 2 f sigma^2 + g^2.
    diffusion: (t) => Math.sqrt(Math.max(0, 2 * sigma(t) * (sigmaDerivative(t) - drift(t) * sigma(t)))),
    alpha,
    sigma,
    lambda,
    timeOfLambda: (value) => bisect(lambda, value, T),
    transition: (from, to) => ({
      retain: alpha(to) / alpha(from),
      // retain sigma(from) / sigma(to) = e^(lambda(to) - lambda(from)).
      spread: -(sigma(to) ** 2) * Math.expm1(2 * (lambda(to) - lambda(from))),
    }),
  };
}

/**
 * f'(t) to about 1e-12 f(t)/t for f analytic on (0, T]: the derivative at t of the interpolant at Chebyshev points of an
 * interval around t that stays inside (0, T] and away from 0, where sigma may behave like a square root.
 */
function derivative(f: (t: number) => number, t: number, T: number): number {
  const count = 14;
  const low = 0.8 * t;
  const high = Math.min(1.2 * t, T);
  const at = f(t);
  // Barycentric form p'(t) = sum_j (w_j / w(t)) (f_j - f(t)) / (t_j - t), with t added as a node.
  const nodes = Array.from({ length: count }, (_, j) => {
    const x = Math.cos(((2 * j + 1) * Math.PI) / (2 * count));
    return 0.5 * (low + high) + 0.5 * (high - low) * x;
  }).filter((node) => Math.abs(node - t) > 1e-3 * (high - low));
  let result = 0;
  nodes.forEach((node, j) => {
    let weight = 1;
    nodes.forEach((other, i) => {
      if (i !== j) weight *= (t - other) / (node - other);
    });
    result += (weight * (f(node) - at)) / (node - t);
  });
  return result;
}

/** The t in [0, T] at which the decreasing function has this value, to the last bit. */
function bisect(decreasing: (t: number) => number, value: number, T: number): number {
  let low = 0;
  let high = T;
  if (!(value >= decreasing(T))) {
    throw new OptionError('lambda', value, `at least lambda(T) = ${decreasing(T)}`);
  }
  for (;;) {
    const middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) return high;
    if (decreasing(middle) > value) low = middle;
    else high = middle;
  }
}
