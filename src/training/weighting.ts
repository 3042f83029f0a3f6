/** How errors at different times count. */
export interface WeightingOptions {
  /**
   * The factor lambda(t) of the squared error of the score:
   *
   * - `sigma2` (default): sigma^2, an equal weight on the noise prediction (Song et al. 2021; Ho et al. 2020);
   * - `likelihood`: g^2, which bounds the likelihood (Song et al. 2021b, theorem 1);
   * - `edm`: an equal weight on the preconditioned network (Karras et al. 2022, table 1);
   * - `min-snr`, `soft-min-snr`: sigma^2 min(1, gamma / SNR), and sigma^2 gamma / (SNR + gamma) (Hang et al. 2023; Crowson et al. 2024).
   */
  readonly weighting?: 'sigma2' | 'likelihood' | 'edm' | 'min-snr' | 'soft-min-snr';
  /** gamma of `min-snr` and `soft-min-snr`; default 5. */
  readonly gamma?: number;
}
