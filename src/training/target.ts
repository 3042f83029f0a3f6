import type { Parameterization } from '../score/model.js';
import { scoreCoefficients } from '../score/parameterization.js';
import type { Level } from '../sde/level.js';

/** What a network should say of x_t = alpha x_0 + sigma z. */
export interface Target {
  /** F* = clean x_0 + noise z. */
  readonly clean: number;
  readonly noise: number;
  /** |s_theta - s*|^2 = error |F - F*|^2, with s* = -z / sigma. */
  readonly error: number;
}

/**
 * The target of denoising score matching (Vincent 2011) for the output F of a network whose score is s = p x + q F: the F
 * for which s is -z / sigma, the score of the Gaussian kernel. For `eps` it is z, for `x0` x_0, for `v` alpha z - sigma x_0
 * where alpha^2 + sigma^2 = 1, and for `edm` that of Karras et al. 2022, equation 8.
 */
export function denoisingTarget(
  parameterization: Parameterization,
  level: Level,
  sigmaData?: number,
): Target {
  const { alpha, sigma } = level;
  const { state: p, output: q } = scoreCoefficients(parameterization, level, sigmaData);
  return { clean: (-p * alpha) / q, noise: -(1 / sigma + p * sigma) / q, error: q ** 2 };
}
