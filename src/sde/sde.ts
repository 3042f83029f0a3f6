import type { GridName } from './names.js';

/** A Gaussian transition of the forward process: x_to | x_from ~ N(retain x_from, spread I). */
export interface Transition {
  /** Factor of the earlier state. */
  readonly retain: number;
  /** Variance of the noise that is added. */
  readonly spread: number;
}

/**
 * A discrete forward chain: level i = 0 .. levels - 1 has x_i | x_data ~ N(alpha[i] x_data, sigma[i]^2 I), noise grows
 * with i, and level -1 is the data (alpha 1, sigma 0). Levels are integers everywhere; a time never becomes an index.
 */
export interface Ladder {
  /** Number of levels. */
  readonly levels: number;
  /** Factor of the data at every level. */
  readonly alpha: Float64Array;
  /** Standard deviation of the noise at every level. */
  readonly sigma: Float64Array;
  /**
   * Whether a network takes the integers of levels alone, so that between two of them it is evaluated at the nearer one. Default false:
   * it takes any time.
   */
  readonly nearest?: boolean;
}

/**
 * A forward SDE dx = f(t) x dt + g(t) dw with scalar-linear drift, so that
 * x_t | x_0 ~ N(alpha(t) x_0, sigma(t)^2 I) (Song et al. 2021, section 3).
 *
 * Times run from 0 (data) to `T` (prior). All functions take and return double precision.
 */
export interface Sde {
  /** Which process it is. */
  readonly name: 'vp' | 'subvp' | 've' | 'edm' | 'flow' | 'custom';
  /** End of the forward process. */
  readonly T: number;
  /**
   * Where no signal is left (alpha 0), at or after T: methods that go by alpha and sigma alone start there, those that divide by alpha or go
   * by f and g at T. Absent where some signal is left everywhere.
   */
  readonly noiseTime?: number;
  /** Time at which sampling stops. */
  readonly epsilon: number;
  /** Time at which a likelihood takes the density of data, where it is not `epsilon`. */
  readonly likelihoodEpsilon?: number;
  /** Values that data take in the model's own space. */
  readonly dataRange: readonly [number, number];
  /** Constants of the SDE, by their names in the constructor: what a model file and a manifest record. */
  readonly constants: Readonly<Record<string, number>>;
  /** f(t) = alpha'(t) / alpha(t). */
  drift(t: number): number;
  /** g(t). */
  diffusion(t: number): number;
  /** alpha(t), the factor of the data. */
  alpha(t: number): number;
  /** sigma(t), the standard deviation of the noise. */
  sigma(t: number): number;
  /** ln alpha(t) - ln sigma(t), half the log signal-to-noise ratio. */
  lambda(t: number): number;
  /** The time at which lambda(t) has this value. */
  timeOfLambda(lambda: number): number;
  /**
   * The exact transition from time `from` to a later time `to`: retain = alpha(to) / alpha(from),
   * spread = sigma(to)^2 - retain^2 sigma(from)^2, in a form that does not cancel for close times.
   */
  transition(from: number, to: number): Transition;
  /** The grid of methods that have none of their own. Default `uniform-t`, which is for times in which noise does not grow by orders. */
  readonly usualGrid?: GridName;
  /** Standard deviation of the (centred, isotropic) prior p_T. */
  readonly priorSigma: number;
  /**
   * How the published loop of Song et al. 2021 discretises this SDE in so many steps: as a ladder with one level each, or by
   * Euler steps. Absent where nothing was published.
   */
  readonly published?: ((levels: number) => Ladder) | 'euler';
  /** The trained levels of which it is the continuous time, see `ladderSde`. */
  readonly ladder?: Ladder;
}
