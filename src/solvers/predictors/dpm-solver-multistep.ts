import { checkChoice, checkKnown, checkNumber, defined } from '../../options.js';
import type { Level } from '../../sde/level.js';
import { multistep, type Combination, type MultistepOptions } from '../multistep.js';
import { predictorOptions, secondOrders, thirdOrders } from '../names.js';
import type { Predictor } from '../predictor.js';
import { ddimFromNoise } from './ddim.js';

/** Options of DPM-Solver++ (2M). */
export interface SecondOrderOptions extends MultistepOptions {
  /**
   * How the slope of the estimate enters: `midpoint` (default) as Lu et al. 2022b print it, `taylor` by the integral of its
   * linear interpolation, which others call Heun's or RES.
   */
  readonly variant?: (typeof secondOrders)[number] | undefined;
}

/** Options of DPM-Solver++ (3M). */
export interface ThirdOrderOptions extends MultistepOptions {
  /** `corrected` (default) is of order 3. `published` takes half of the second derivative, as all published codes do, and is of order 2. */
  readonly variant?: (typeof thirdOrders)[number] | undefined;
}

/** With how much noise: 0 is the ODE, 1 (default) the reverse SDE. */
interface Noisy {
  readonly eta?: number | undefined;
}

/** DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): order 2, one evaluation a step. */
export function dpmpp2M(options: SecondOrderOptions = {}): Predictor {
  return dpmpp('dpmpp-2m', 2, options.variant ?? 'midpoint', options, 0);
}

/** DPM-Solver++(3M): order 3, one evaluation a step. */
export function dpmpp3M(options: ThirdOrderOptions = {}): Predictor {
  return dpmpp('dpmpp-3m', 3, options.variant ?? 'corrected', options, 0);
}

/** SDE-DPM-Solver++1 (Lu et al. 2022b, section 5): weak order 1, one evaluation a step. */
export function dpmppSde(options: Noisy & Pick<MultistepOptions, 'clip'> = {}): Predictor {
  return dpmpp('dpmpp-sde', 1, undefined, options, options.eta ?? 1);
}

/** SDE-DPM-Solver++(2M) (Lu et al. 2022b, section 5): weak order 2, one evaluation a step. */
export function dpmpp2MSde(options: Noisy & SecondOrderOptions = {}): Predictor {
  return dpmpp('dpmpp-2m-sde', 2, options.variant ?? 'midpoint', options, options.eta ?? 1);
}

/** The same with three estimates. With noise no multistep method is of a weak order above 2. */
export function dpmpp3MSde(options: Noisy & ThirdOrderOptions = {}): Predictor {
  return dpmpp('dpmpp-3m-sde', 3, options.variant ?? 'corrected', options, options.eta ?? 1);
}

type Variant = (typeof secondOrders)[number] | (typeof thirdOrders)[number];

/**
 * dx = ... along the reverse SDE with eta times its noise variance: with g = (1 + eta) h, D_1 and D_2 the first derivative of the
 * estimate times h and the second times h^2 (divided differences),
 *
 *     x' = sigma'/sigma e^(-eta h) x - alpha' (e^-g - 1) m + alpha' ((e^-g - 1) / g + 1) D_1
 *          - alpha' (((e^-g - 1) / g + 1) / g - 1/2) D_2 + sigma' sqrt(1 - e^(-2 eta h)) z.
 */
function dpmpp(
  name: 'dpmpp-2m' | 'dpmpp-3m' | 'dpmpp-sde' | 'dpmpp-2m-sde' | 'dpmpp-3m-sde',
  order: 1 | 2 | 3,
  variant: Variant | undefined,
  options: MultistepOptions,
  eta: number,
): Predictor {
  checkKnown(options, predictorOptions[name]);
  checkNumber('eta', eta, 0, true);
  if (variant !== undefined) checkChoice('variant', variant, order === 2 ? secondOrders : thirdOrders);
  const predict = (levels: readonly Level[], to: Level): Combination => {
    const from = levels[0]!;
    const h = to.lambda - from.lambda;
    const g = (1 + eta) * h;
    const noised = eta * h;
    const first = -to.alpha * Math.expm1(-g);
    const weights = [first];
    if (levels.length > 1) {
      const second = to.alpha * (Math.expm1(-g) / g + 1);
      const r0 = (from.lambda - levels[1]!.lambda) / h;
      if (levels.length === 2) {
        const slope = (variant === 'midpoint' || variant === 'published' ? first / 2 : second) / r0;
        weights[0]! += slope;
        weights.push(-slope);
      } else {
        const third = to.alpha * ((Math.expm1(-g) / g + 1) / g - 1 / 2);
        const r1 = (levels[1]!.lambda - levels[2]!.lambda) / h;
        // D_1 = d0 + r0 / (r0 + r1) (d0 - d1) and D_2 = 2 (d0 - d1) / (r0 + r1) with the divided differences d0, d1.
        const curvature = (second * r0 - third * (variant === 'published' ? 1 : 2)) / (r0 + r1);
        const [newer, older] = [(second + curvature) / r0, -curvature / r1];
        weights[0]! += newer;
        weights.push(older - newer, -older);
      }
    }
    return {
      state: to.sigma === 0 ? 0 : (to.sigma / from.sigma) * Math.exp(-noised),
      weights,
      noise: to.sigma === 0 ? 0 : to.sigma * Math.sqrt(-Math.expm1(-2 * noised)),
    };
  };
  const resolved = defined({ variant, eta: name.endsWith('sde') ? eta : undefined });
  return {
    ...multistep(name, { options: resolved, order, predict }, options),
    fromNoise: ddimFromNoise({ eta: eta > 0 ? 1 : 0, clip: options.clip }),
    defaults: { steps: eta > 0 ? 39 : 20, grid: 'uniform-lambda' },
  };
}
