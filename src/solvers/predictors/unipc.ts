import { checkChoice, checkInteger, checkKnown } from '../../options.js';
import { linearAlgebra } from '../../score/mixture/linear-algebra.js';
import type { Level } from '../../sde/level.js';
import { multistep, type Combination, type MultistepOptions } from '../multistep.js';
import { bs, predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';

/** Options of {@link unipc}. */
export interface UnipcOptions extends MultistepOptions {
  /** 1 to 3 (default). With the corrector the order of convergence is one more. */
  readonly order?: number | undefined;
  /** B(h) = h (`bh1`) or e^h - 1 (`bh2`, default). */
  readonly variant?: (typeof bs)[number] | undefined;
  /** Correct the last step too, at the price of an evaluation. Default false, as published. */
  readonly correctLast?: boolean | undefined;
}

/** UniPC (Zhao et al. 2023, algorithms 1 and 2) with the prediction of x_0: one evaluation a step, which its corrector shares. */
export function unipc(options: UnipcOptions = {}): Predictor {
  checkKnown(options, predictorOptions.unipc);
  const { order = 3, variant = 'bh2', correctLast = false } = options;
  checkInteger('order', order, 1, 3);
  checkChoice('variant', variant, bs);
  return {
    ...multistep(
      'unipc',
      {
        options: { order, variant, correctLast },
        order,
        predict: (levels, to) => step(levels, to, variant, undefined),
        correct: {
          order,
          combine: ([end, ...levels]) => step(levels, end!, variant, end),
          last: correctLast,
        },
      },
      options,
    ),
    defaults: { steps: 20, grid: 'uniform-lambda' },
  };
}

/**
 * x' = sigma'/sigma x - alpha' (e^-h - 1) m_0 - alpha' B sum_k rho_k D_k with D_k = (m_k - m_0) / r_k, where r_k is the place of
 * the k-th estimate in units of the step: negative for earlier ones, 1 for that at the `end`, which the weights begin with.
 */
function step(
  levels: readonly Level[],
  to: Level,
  variant: (typeof bs)[number],
  end: Level | undefined,
): Combination {
  const from = levels[0]!;
  const h = from.lambda - to.lambda;
  const B = variant === 'bh1' ? h : Math.expm1(h);
  const places = levels.slice(1).map(({ lambda }) => (lambda - from.lambda) / -h);
  const rho = coefficients(end ? [...places, 1] : places, h, B);
  const slopes = rho.map((value, k) => (-to.alpha * B * value) / (places[k] ?? 1));
  const earlier = slopes.slice(0, places.length);
  const first = -to.alpha * Math.expm1(h) - slopes.reduce((sum, value) => sum + value, 0);
  const weights = [first, ...earlier];
  return {
    state: to.sigma === 0 ? 0 : to.sigma / from.sigma,
    weights: end ? [slopes.at(-1)!, ...weights] : weights,
  };
}

/** The weights rho of the differences: sum_j r_j^i rho_j = b_i (equation 8); one difference alone has 1/2. */
function coefficients(places: readonly number[], h: number, B: number): number[] {
  if (places.length <= 1) return places.map(() => 1 / 2);
  let phi = Math.expm1(h) / h - 1;
  let factorial = 1;
  const b = places.map((_, i) => {
    const value = (phi * factorial) / B;
    factorial *= i + 2;
    phi = phi / h - 1 / factorial;
    return value;
  });
  const { Matrix, solve } = linearAlgebra();
  const powers = new Matrix(places.map((_, i) => places.map((place) => place ** i)));
  return solve(powers, Matrix.columnVector(b)).to1DArray();
}
