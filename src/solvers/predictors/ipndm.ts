import { checkInteger, checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import { multistep, type Combination, type MultistepOptions } from '../multistep.js';
import { predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';

/** Options of {@link ipndm}. */
export interface IpndmOptions extends MultistepOptions {
  /** Predictions that a step combines, 1 to 4 (default). */
  readonly order?: number | undefined;
  /**
   * Take x / sqrt(alpha^2 + sigma^2) for the noise at T, which saves an evaluation (Dockhorn et al. 2022); it holds where the data
   * have about unit variance or the signal at T is small. Default false.
   */
  readonly analyticalFirst?: boolean | undefined;
}

/** The weights of Adams and Bashforth on an even grid. */
const WEIGHTS = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
] as const;

/**
 * Improved PNDM (Zhang and Chen 2022, appendix B): the DDIM step with the noise extrapolated by the weights of Adams and
 * Bashforth for an even grid, whatever the grid; so formally of order 1, and the best of few evaluations. One a step.
 */
export function ipndm(options: IpndmOptions = {}): Predictor {
  checkKnown(options, predictorOptions.ipndm);
  const { order = 4, analyticalFirst = false, lowerOrderFinal = false } = options;
  checkInteger('order', order, 1, 4);
  const predict = (levels: readonly Level[], to: Level): Combination =>
    withNoise(levels[0]!, to, adamsBashforth(levels.length));
  return {
    ...multistep(
      'ipndm',
      {
        options: { order, analyticalFirst },
        order,
        prediction: 'noise',
        predict,
        ...(analyticalFirst && { first: ({ alpha, sigma }: Level) => 1 / Math.hypot(alpha, sigma) }),
      },
      { ...options, lowerOrderFinal },
    ),
    defaults: { steps: 20, grid: 'karras' },
  };
}

/** The weights of Adams and Bashforth for so many predictions on an even grid, newest first. */
export function adamsBashforth(predictions: number): readonly number[] {
  return WEIGHTS[predictions - 1]!;
}

/** The step of DDIM with this combination of predictions for the noise. */
export function withNoise(from: Level, to: Level, weights: readonly number[]): Combination {
  const change = to.sigma - (to.alpha * from.sigma) / from.alpha;
  return { state: to.alpha / from.alpha, weights: weights.map((w) => change * w) };
}
