import type { State } from '../device/binding.js';
import type { Device, Elements } from '../device/device.js';
import { OptionError } from '../errors.js';
import type { NdArray } from '../io/npy.js';
import type { TensorInfo } from '../onnx/file/model.js';
import type { Level, Process } from '../sde/level.js';
import type { Scheduler } from '../sde/scheduler.js';
import type { Closable } from '../closing.js';

/** What the output F of a network means (spec of the conversions: `parameterization.ts`). */
export type Parameterization = 'score' | 'eps' | 'v' | 'x0' | 'flow' | 'reversed-flow' | 'edm';

/** Per-sample scalars with which the score is `x * state + output * F`. */
export interface ScoreCoefficients {
  /** Factor of the state x. */
  readonly state: number;
  /** Factor of the output F. */
  readonly output: number;
}

/** F, its Jacobian products and its divergence in closed form and double precision; row-major, one row per level. */
export interface ClosedForm {
  /** F(x, t). */
  evaluate(x: Float64Array, levels: readonly Level[], labels?: Int32Array): Float64Array;
  /** (dF/dx) v. */
  jvp(x: Float64Array, v: State, levels: readonly Level[], labels?: Int32Array): Float64Array;
  /** tr dF/dx, one number per row. */
  divergence(x: Float64Array, levels: readonly Level[], labels?: Int32Array): Float64Array;
  /** @internal The products as commands of a device: x, out in double, v in either precision. */
  readonly commands?: {
    jvp(
      device: Device,
      x: Elements,
      v: Elements,
      out: Elements,
      levels: readonly Level[],
      labels?: Int32Array,
    ): void;
    divergence(
      device: Device,
      x: Elements,
      out: Elements,
      levels: readonly Level[],
      labels?: Int32Array,
    ): void;
  };
}

/**
 * Writes F at x into `output`, and its transposed Jacobian times v, (dF/dx)^T v, into `product`. All arrays are
 * [batch, ...shape], and none may be touched by the caller until the promise settles.
 */
export type Vjp = (
  x: Float32Array,
  v: Float32Array,
  levels: readonly Level[],
  output: Float32Array,
  product: Float32Array,
  labels?: Int32Array,
  signal?: AbortSignal,
) => Promise<void>;

/**
 * Writes F at x into `output`, and resolves to what multiplies vectors with its transposed Jacobian there, (dF/dx)^T v into `product`: as many
 * as are wanted, one after the other, and until the next evaluation. All arrays are [batch, ...shape], and none may be touched until the promise settles.
 */
export type Linearize = (
  x: Float32Array,
  levels: readonly Level[],
  output: Float32Array,
  labels?: Int32Array,
  signal?: AbortSignal,
) => Promise<(v: Float32Array, product: Float32Array) => Promise<void>>;

/** Mean and variance of every coordinate. */
export interface Moments {
  readonly mean: Float64Array;
  readonly variances: Float64Array;
}

/**
 * What a network is fed beside its state, time and class, by the name of the input: text embeddings, a picture of low resolution, a
 * guidance scale. It is constant during a run. A number fills the input. An array, row-major, is for all samples where it has no
 * batch dimension or one of 1; else it has a row for every sample of a run.
 */
export type Inputs = Readonly<Record<string, number | NdArray>>;

/** What an input is fed, as the record of a run has it. */
export interface FedInput {
  /** Name of the input. */
  readonly name: string;
  /** As it was given, rounded to the type of the input. */
  readonly shape: readonly number[];
  /** Type of its elements, such as `float32`. */
  readonly type: string;
  /** The number, where one was given. */
  readonly value?: number;
  /** Of the values as they are fed, little-endian, in hexadecimal. */
  readonly sha256?: string;
}

/** The inputs of a model's network beside state, time and class. */
export interface ModelInputs {
  /** Those that have a value. */
  readonly fed: readonly FedInput[];
  /** Those that have none yet, without which the model cannot be evaluated. */
  readonly missing: readonly TensorInfo[];
  /** Samples of a run, where an input has a row for each. */
  readonly samples?: number | undefined;
  /** The model with these inputs, and where one of them had a value, with another. */
  with(inputs: Inputs): ScoreModel;
}

/** How a score is guided, as plain data: what the record of a run says of it. */
export interface Guidance {
  readonly kind: 'classifier-free' | 'classifier' | 'autoguidance';
  /** 1 is the law that is asked for, without emphasis. */
  readonly scale: number;
  /** Least and largest noise level sigma / alpha at which it acts; absent where it does at all. */
  readonly interval?: readonly [number, number];
  /** Share of the rescaling of estimates of x_0; absent where there is none. */
  readonly rescale?: number;
  /** The class that stands for none, where it is not the one of the network's file. */
  readonly nullClass?: number;
  /** What the network is fed that is led away from, where it differs from what leads. */
  readonly unconditionalInputs?: readonly FedInput[];
}

/** What an evaluation of a network takes and gives beside x and F, [batch, ...shape] each. */
export interface Companions<T> {
  /** Taken: the last estimate of x_0 of every row. Where it is absent, a network that wants it is fed 0. */
  readonly estimate?: T | undefined;
  /** Given: what the network says of the variance. */
  readonly variance?: T | undefined;
}

/**
 * A score model: a network, a closed form or a user's function, in the form that the fused kernels take.
 *
 * The score is never materialised: `evaluate` writes the raw output F, and the score is
 * `coefficients(level).state * x + coefficients(level).output * F`, folded into the scalars of the update.
 */
export interface ScoreModel extends Process, Closable {
  /** Shape of one sample, for example [1, 28, 28]. */
  readonly shape: readonly number[];
  /** What the raw output F means. */
  readonly parameterization: Parameterization;
  /** Standard deviation of the data, where the parameterization or a weighting depends on it. Default 0.5. */
  readonly sigmaData?: number;
  /** Number of classes where the model takes a class label. */
  readonly classes?: number | undefined;
  /** The class label that stands for no class, where the model was trained with and without labels. */
  readonly nullClass?: number | undefined;
  /** Present where a file of diffusers says by which method and over which levels samples are drawn, unless options say otherwise. */
  readonly scheduler?: Scheduler | undefined;
  /** Present where the network takes more than a state, a time and a class. */
  readonly inputs?: ModelInputs | undefined;
  /** Whether the network predicts the variance of a reverse step too, in as many channels more (Nichol and Dhariwal 2021). */
  readonly learnedVariance?: boolean | undefined;
  /** Whether the network takes its last estimate of x_0 (Chen et al. 2023, "Analog bits"). */
  readonly selfConditions?: boolean | undefined;
  /** Present where the score is guided: what is drawn, scored or encoded is then the law of that guidance. */
  readonly guidance?: Guidance;
  /** Present where F is known in closed form: integrations in double precision then use it. */
  readonly closedForm?: ClosedForm;
  /** Present where the moments of the data are known: those of all, or of one class. */
  moments?(label?: number): Moments;
  /** The scalars that make the score of x and F at a level. */
  coefficients(level: Level): ScoreCoefficients;
  /**
   * Writes F for the batch x ([batch, ...shape], float32, row-major) into `output` (same length); sample i is at levels[i].
   * Neither array may be touched by the caller until the promise settles. A network ends at its next operator when `signal` aborts.
   */
  evaluate(
    x: Float32Array,
    levels: readonly Level[],
    output: Float32Array,
    labels?: Int32Array,
    signal?: AbortSignal,
    companions?: Companions<Float32Array>,
  ): void | Promise<void>;
  /**
   * Makes the differentiated network, once. Absent where there is no graph to differentiate.
   * @throws ModelError that lists the operators without a derivative.
   */
  differentiate?(): Promise<Vjp>;
  /**
   * Makes evaluations that keep what products with the Jacobian need, so that each of several costs less than by {@link differentiate}. What they keep
   * belongs to the function that this resolves to.
   * @throws ModelError that lists the operators without a derivative.
   */
  linearize?(): Promise<Linearize>;
  /** Runs of each network in one evaluation at a level, by name; default `{ network: 1 }`. */
  cost?(level: Level): Readonly<Record<string, number>>;
}

/** @throws OptionError for what is no score model. */
export function requireModel(option: string, model: ScoreModel): void {
  if (typeof (model as Partial<ScoreModel> | undefined | null)?.evaluate === 'function') return;
  throw new OptionError(option, model, 'a score model, such as loadModel(path) resolves to');
}
