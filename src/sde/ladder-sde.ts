import { customSde } from './custom.js';
import { levelTime } from './ladder.js';
import { marginalCurves, monotoneCurve, type MarginalCurves } from './monotone.js';
import type { Ladder, Sde } from './sde.js';

/**
 * The process of a ladder in continuous time, so that all that needs an SDE runs on trained levels too. Level i of N lies at
 * t = (i + 1) / N, as in Lu et al. 2022: a level is the N-th part of time, and the data lie at 0. In between, ln alpha is
 * interpolated where alpha^2 + sigma^2 = 1 (DDPM), else alpha and sigma are; both are exact at the levels. epsilon is the first level, below
 * which the network knows nothing. Where the last level has no signal (zero terminal SNR), T is the level before it, and that one the `noiseTime`.
 *
 * @param base the SDE that the ladder discretises, for its name, its prior and the range of data.
 */
export function ladderSde(ladder: Ladder, base: Sde): Sde {
  const { levels } = ladder;
  const known = ladder.alpha[levels - 1] === 0 ? levels - 1 : levels;
  // Of one level there is no process.
  if (known < 2 || base.ladder === ladder) return base;
  const [alpha, sigma] = [ladder.alpha.subarray(0, known), ladder.sigma.subarray(0, known)];
  const times = Float64Array.from(alpha, (_, i) => levelTime(ladder, i));
  const preserves = alpha.every((a, i) => Math.abs(a * a + sigma[i]! ** 2 - 1) < 1e-12);
  const sde = customSde({
    ...(preserves ? preserving(times, alpha, sigma) : marginalCurves(times, alpha, sigma)),
    T: times.at(-1)!,
    epsilon: times[0]!,
    priorSigma: alpha.at(-1) === 1 ? sigma.at(-1)! : base.priorSigma,
    dataRange: base.dataRange,
  });
  return {
    ...sde,
    name: base.name,
    constants: { ...base.constants, epsilon: sde.epsilon },
    ladder,
    ...(known < levels && { noiseTime: levelTime(ladder, known) }),
  };
}

/** alpha and sigma with alpha^2 + sigma^2 = 1, from ln alpha at the levels and 0 at the data. */
function preserving(times: Float64Array, alphas: Float64Array, sigmas: Float64Array): MarginalCurves {
  const [places, logs] = [new Float64Array(times.length + 1), new Float64Array(times.length + 1)];
  places.set(times, 1);
  logs.set(
    alphas.map((a, i) => (sigmas[i]! < a ? Math.log1p(-(sigmas[i]! ** 2)) / 2 : Math.log(a))),
    1,
  );
  const { value, slope } = monotoneCurve(places, logs);
  const alpha = (t: number) => Math.exp(value(t));
  const sigma = (t: number) => Math.sqrt(-Math.expm1(2 * value(t)));
  return {
    alpha,
    sigma,
    alphaDerivative: (t) => alpha(t) * slope(t),
    sigmaDerivative: (t) => (-(alpha(t) ** 2) * slope(t)) / sigma(t),
  };
}
