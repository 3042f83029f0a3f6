import type { State } from '../device/binding.js';
import type { Ladder } from '../sde/ladder.js';
import type { Sde } from '../sde/sde.js';

/** What the output F of a network means (spec of the conversions: `parameterization.ts`). */
export type Parameterization = 'score' | 'eps' | 'v' | 'x0' | 'edm';

/** Where a batch is evaluated: one time per sample, and the integer level where the process is a discrete ladder. */
export interface At {
  readonly t: Float64Array;
  /** Index into the trained ladder, 0 = least noise. Absent in continuous time. */
  readonly index?: Int32Array;
}

/** Per-sample scalars with which the score is `x * state + output * F`. */
export interface ScoreCoefficients {
  readonly state: number;
  readonly output: number;
}

/** F, its Jacobian products and its divergence in closed form and double precision; row-major, one row per time. */
export interface ClosedForm {
  /** F(x, t). */
  evaluate(x: Float64Array, at: At, labels?: Int32Array): Float64Array;
  /** (dF/dx) v. */
  jvp(x: Float64Array, v: State, at: At, labels?: Int32Array): Float64Array;
  /** tr dF/dx, one number per row. */
  divergence(x: Float64Array, at: At, labels?: Int32Array): Float64Array;
}

/**
 * Writes F at x into `output`, and its transposed Jacobian times v, (dF/dx)^T v, into `product`. All arrays are
 * [batch, ...shape], and none may be touched by the caller until the promise settles.
 */
export type Vjp = (
  x: Float32Array,
  v: Float32Array,
  at: At,
  output: Float32Array,
  product: Float32Array,
  labels?: Int32Array,
) => Promise<void>;

/** Mean and variance of every coordinate. */
export interface Moments {
  readonly mean: Float64Array;
  readonly variances: Float64Array;
}

/**
 * A score model: a network, a closed form or a user's function, in the form that the fused kernels take.
 *
 * The score is never materialised: `evaluate` writes the raw output F, and the score is
 * `coefficients(t).state * x + coefficients(t).output * F`, folded into the scalars of the update.
 */
export interface ScoreModel {
  /** Shape of one sample, for example [1, 28, 28]. */
  readonly shape: readonly number[];
  readonly sde: Sde;
  readonly parameterization: Parameterization;
  /** Standard deviation of the data, where the parameterization or a weighting depends on it. Default 0.5. */
  readonly sigmaData?: number;
  /** Number of classes where the model takes a class label. */
  readonly classes?: number;
  /** The class label that stands for no class, where the model was trained with and without labels. */
  readonly nullClass?: number;
  /** The trained noise levels where the network knows only these; absent in continuous time. */
  readonly ladder?: Ladder;
  /** Present where F is known in closed form: integrations in double precision then use it. */
  readonly closedForm?: ClosedForm;
  /** Present where the moments of the data are known: those of all, or of one class. */
  moments?(label?: number): Moments;
  /** Score coefficients at time t (and level `index` on a discrete ladder). */
  coefficients(t: number, index?: number): ScoreCoefficients;
  /**
   * Writes F for the batch x ([batch, ...shape], float32, row-major) into `output` (same length).
   * Neither array may be touched by the caller until the promise settles.
   */
  evaluate(x: Float32Array, at: At, output: Float32Array, labels?: Int32Array): void | Promise<void>;
  /**
   * Makes the differentiated network, once. Absent where there is no graph to differentiate.
   * @throws ModelError that lists the operators without a derivative.
   */
  differentiate?(): Promise<Vjp>;
  /** Releases the session; the model cannot be used afterwards. */
  close(): Promise<void>;
}
