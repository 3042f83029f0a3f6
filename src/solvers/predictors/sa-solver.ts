import { checkChoice, checkInteger, checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import { multistep, type Combination, type Multistep, type MultistepOptions } from '../multistep.js';
import { correctorModes, predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { integrate, lagrange } from '../quadrature.js';
import { erSdeTau, noiseFunction, type NoiseFunction, type Tau } from '../tau.js';

/** Options of {@link saSolver}. */
export interface SaSolverOptions extends MultistepOptions {
  /** Estimates that the predictor interpolates, 1 to 4; default 3. */
  readonly order?: number | undefined;
  /** Estimates that the corrector interpolates, that at the end of the step among them: 2 to 4 (default), or 0 for none. */
  readonly correctorOrder?: number | undefined;
  /** `pec` (default) evaluates at the predicted state alone, `pece` at the corrected one too. */
  readonly mode?: (typeof correctorModes)[number] | undefined;
  /** Default 1 for sigma / alpha from 0.05 to 1 and 0 elsewhere, as published for CIFAR-10. */
  readonly tau?: Tau | undefined;
}

/** SA-Solver (Xue et al. 2023, algorithm 1): stochastic Adams method in lambda; one evaluation a step, two with `pece`. */
export function saSolver(options: SaSolverOptions = {}): Predictor {
  checkKnown(options, predictorOptions.sa);
  const { order = 3, correctorOrder = 4, mode = 'pec', tau = { value: 1, least: 0.05, most: 1 } } = options;
  checkInteger('order', order, 1, 4);
  if (correctorOrder !== 0) checkInteger('correctorOrder', correctorOrder, 2, 4);
  checkChoice('mode', mode, correctorModes);
  const noise = noiseFunction('tau', tau);
  const correct: Multistep['correct'] = {
    order: correctorOrder - 1,
    combine: (levels) => adams(noise, levels, levels[1]!, levels[0]!, ({ lambda }) => lambda),
    evaluates: mode === 'pece',
  };
  return {
    ...multistep(
      'sa',
      {
        options: { order, correctorOrder, mode, tau: described(tau) },
        order,
        predict: (levels, to) => adams(noise, levels, levels[0]!, to, ({ lambda }) => lambda),
        ...(correctorOrder > 0 && { correct }),
      },
      options,
    ),
    defaults: { steps: 20, grid: 'karras' },
  };
}

/** Options of {@link erSde}. */
export interface ErSdeOptions extends MultistepOptions {
  /** Estimates that a step interpolates, 1 to 3 (default). */
  readonly order?: number | undefined;
  /** Default: the published noise function, see `erSdeTau`. */
  readonly tau?: Tau | undefined;
}

/** ER-SDE-Solver (Cui et al. 2023): the estimate of x_0 interpolated in sigma / alpha, with integrals to rounding. One evaluation a step. */
export function erSde(options: ErSdeOptions = {}): Predictor {
  checkKnown(options, predictorOptions['er-sde']);
  const { order = 3, tau = erSdeTau } = options;
  checkInteger('order', order, 1, 3);
  const noise = noiseFunction('tau', tau);
  const predict: Multistep['predict'] = (levels, to) =>
    adams(noise, levels, levels[0]!, to, ({ lambda }) => Math.exp(-lambda));
  return {
    ...multistep('er-sde', { options: { order, tau: described(tau) }, order, predict }, options),
    defaults: { steps: 20, grid: 'karras' },
  };
}

/**
 * With T(l) the integral of tau^2 from l to the end of the step,
 *
 *     x' = sigma'/sigma e^-T x + alpha' sum_j m_j int (1 + tau^2) e^(l - lambda' - T(l)) L_j dl + sigma' sqrt(1 - e^(-2 T)) z,
 *
 * L_j the polynomials of Lagrange in `place`.
 */
function adams(
  noise: NoiseFunction,
  levels: readonly Level[],
  from: Level,
  to: Level,
  place: (level: Pick<Level, 'lambda'>) => number,
): Combination {
  if (to.sigma === 0) return { state: 0, weights: levels.map((_, j) => (j === 0 ? 1 : 0)) };
  const places = levels.map(place);
  const total = noise.integral(from.lambda, to.lambda);
  const inner = noise.jumps.filter((jump) => jump > from.lambda && jump < to.lambda);
  const pieces = [from.lambda, ...inner, to.lambda];
  // Of the noise function alone, so that the integrals of all polynomials share it: with a user's tau it is an integral itself.
  const densities = new Map<number, number>();
  const density = (lambda: number): number => {
    let value = densities.get(lambda);
    if (value === undefined) {
      const kept = Math.exp(lambda - to.lambda - noise.integral(lambda, to.lambda));
      densities.set(lambda, (value = (1 + noise.square(lambda)) * kept));
    }
    return value;
  };
  const weights = levels.map((_, j) => {
    const weighted = (lambda: number) => density(lambda) * lagrange(places, place({ lambda }))[j]!;
    const sum = pieces.slice(1).reduce((sum, end, i) => sum + integrate(weighted, pieces[i]!, end), 0);
    return to.alpha * sum;
  });
  return {
    state: (to.sigma / from.sigma) * Math.exp(-total),
    weights,
    noise: to.sigma * Math.sqrt(-Math.expm1(-2 * total)),
  };
}

/** A noise function for the record of a run. */
function described(tau: Tau): unknown {
  return typeof tau === 'function' ? tau.name || 'function' : tau;
}
