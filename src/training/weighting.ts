import type { ModelDescription } from '../score/network/description.js';
import type { Level } from '../sde/level.js';
import { OptionError } from '../errors.js';
import { checkChoice, checkNumber } from '../options.js';
import { weightings, type Weighting } from './names.js';

/** How errors at different times count. */
export interface WeightingOptions {
  /**
   * The factor lambda(t) of the squared error of the score:
   *
   * - `sigma2`: sigma^2, an equal weight on the noise prediction (Song et al. 2021; Ho et al. 2020, equation 14);
   * - `likelihood`: g^2, which bounds the likelihood (Song, Durkan, Murray and Ermon 2021, theorem 1);
   * - `edm`: an equal weight on the preconditioned network (Karras et al. 2022, table 1);
   * - `min-snr`: sigma^2 min(1, gamma / SNR) with SNR = alpha^2 / sigma^2 (Hang et al. 2023);
   * - `soft-min-snr`: sigma^2 gamma / (SNR + gamma) (Crowson et al. 2024).
   *
   * Default: `edm` for the parameterization of that name, else `sigma2`.
   */
  readonly weighting?: Weighting | undefined;
  /** gamma of `min-snr` and `soft-min-snr`; default 5. */
  readonly gamma?: number | undefined;
}

/** What a weighting may depend on beside the level. */
export type WeightedProcess = Pick<ModelDescription, 'sde' | 'ladder' | 'parameterization' | 'sigmaData'>;

/**
 * lambda(t), the weight of |s_theta - s|^2.
 * @throws OptionError for options that cannot be used, and for `likelihood` with trained levels, which have no g(t).
 */
export function weightingOf(
  { sde, ladder, parameterization, sigmaData }: WeightedProcess,
  { weighting = parameterization === 'edm' ? 'edm' : 'sigma2', gamma = 5 }: WeightingOptions,
): (level: Level) => number {
  checkChoice('weighting', weighting, weightings);
  checkNumber('gamma', gamma, 0);
  switch (weighting) {
    case 'sigma2':
      return ({ sigma }) => sigma ** 2;
    case 'likelihood':
      if (ladder !== undefined) {
        throw new OptionError('weighting', weighting, 'another one for a network with trained levels');
      }
      return ({ t }) => sde.diffusion(t) ** 2;
    case 'edm':
      // (rho^2 + s^2) / (rho s)^2 on the denoised sample, rho = sigma / alpha, s = sigmaData.
      return ({ alpha, sigma }) => sigma ** 2 * (1 + (sigma / (alpha * sigmaData)) ** 2);
    case 'min-snr':
      return ({ alpha, sigma }) => sigma ** 2 * Math.min(1, gamma * (sigma / alpha) ** 2);
    case 'soft-min-snr': {
      return ({ alpha, sigma }) => sigma ** 2 / (1 + (alpha / sigma) ** 2 / gamma);
    }
  }
}
