import type { Level } from '../sde/level.js';
import type { Parameterization, ScoreCoefficients } from './model.js';

export const parameterizations: readonly Parameterization[] = [
  'score',
  'eps',
  'v',
  'x0',
  'flow',
  'reversed-flow',
  'edm',
];

/** Standard deviation of the data in the preconditioning of EDM networks (Karras et al. 2022, Table 1). */
export const SIGMA_DATA = 0.5;

/**
 * The score as `state * x + output * F`, exact for every alpha and sigma (Song et al. 2021; Salimans and Ho 2022;
 * Karras et al. 2022, section 5):
 *
 * - `score`: F is the score;
 * - `eps`: F predicts z in x = alpha x_0 + sigma z, so the score is -F / sigma;
 * - `x0`: F predicts x_0, so the score is (alpha F - x) / sigma^2;
 * - `v`: F predicts alpha z - sigma x_0. Then z = (alpha F + sigma x) / (alpha^2 + sigma^2) whether or not
 *   alpha^2 + sigma^2 = 1, and the score is -z / sigma;
 * - `flow`: F predicts z - x_0, the velocity dx/dt of flow matching (Lipman et al. 2023) with time towards the noise. Then
 *   z = (x + alpha F) / (alpha + sigma), and the score is -z / sigma; `reversed-flow`: F predicts x_0 - z;
 * - `edm`: F is the raw network under c_skip x / alpha + c_out F = x_0, with the preconditioning at the noise level
 *   sigma / alpha; its input is x times `inputScale`.
 */
export function scoreCoefficients(
  parameterization: Parameterization,
  { alpha, sigma }: Pick<Level, 'alpha' | 'sigma'>,
  sigmaData: number = SIGMA_DATA,
): ScoreCoefficients {
  switch (parameterization) {
    case 'score':
      return { state: 0, output: 1 };
    case 'eps':
      return { state: 0, output: -1 / sigma };
    case 'x0':
      return { state: -1 / sigma ** 2, output: alpha / sigma ** 2 };
    case 'v': {
      const total = alpha ** 2 + sigma ** 2;
      return { state: -1 / total, output: -alpha / (sigma * total) };
    }
    case 'flow':
    case 'reversed-flow': {
      const total = sigma * (alpha + sigma);
      return { state: -1 / total, output: (parameterization === 'flow' ? -alpha : alpha) / total };
    }
    case 'edm': {
      // c_skip - 1 = -sigma^2 / (sigma^2 + alpha^2 sigmaData^2), written so that nothing cancels.
      const total = sigma ** 2 + (alpha * sigmaData) ** 2;
      return { state: -1 / total, output: (alpha * sigmaData) / (sigma * Math.sqrt(total)) };
    }
  }
}

/** What the state is multiplied with before it enters the network: c_in / alpha for `edm`, else 1. */
export function inputScale(
  parameterization: Parameterization,
  { alpha, sigma }: Pick<Level, 'alpha' | 'sigma'>,
  sigmaData: number = SIGMA_DATA,
): number {
  return parameterization === 'edm' ? 1 / Math.hypot(sigma, alpha * sigmaData) : 1;
}

/**
 * The posterior mean of x_0 as `state * x + output * F` (Tweedie's formula), given the coefficients of the score. Where no signal is left,
 * it is what the network says, if it says it ({@link saysData}); else it is NaN.
 */
export function estimateCoefficients(
  parameterization: Parameterization,
  { alpha, sigma }: Pick<Level, 'alpha' | 'sigma'>,
  score: ScoreCoefficients,
): ScoreCoefficients {
  if (alpha === 0 && parameterization === 'v') return { state: 0, output: -1 / sigma };
  if (alpha === 0 && parameterization === 'x0') return { state: 0, output: 1 };
  if (alpha === 0 && parameterization === 'flow') return { state: 1 / sigma, output: -1 };
  if (alpha === 0 && parameterization === 'reversed-flow') return { state: 1 / sigma, output: 1 };
  const variance = sigma ** 2;
  return { state: (1 + variance * score.state) / alpha, output: (variance * score.output) / alpha };
}

/** Whether the output says something of x_0 where no signal is left: the noise and the score do not. */
export function saysData(parameterization: Parameterization): boolean {
  return ['v', 'x0', 'flow', 'reversed-flow'].includes(parameterization);
}
