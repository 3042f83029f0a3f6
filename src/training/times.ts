/** At which times a network in continuous time is trained. One with trained levels sees each level equally often. */
export interface TimesOptions {
  /**
   * - `uniform` (default): on [trainingEpsilon, T];
   * - `importance`: density proportional to g^2 / sigma^2, with the loss divided by it: the same expectation as `uniform`, and
   *   less variance with weighting `likelihood` (Song et al. 2021b, section 5.1);
   * - `log-normal`: ln(sigma / alpha) ~ N(logMean, logDeviation^2) (Karras et al. 2022, table 1).
   */
  readonly times?: 'uniform' | 'importance' | 'log-normal';
  /** Default -1.2. */
  readonly logMean?: number;
  /** Default 1.2. */
  readonly logDeviation?: number;
  /** Spread the times of a batch evenly over their law rather than draw them independently; default false. */
  readonly spread?: boolean;
  /** Smallest time. Default 1e-5 for VP, sub-VP and VE; otherwise the SDE's epsilon. */
  readonly trainingEpsilon?: number;
}
