import type { NoiseAddress, NormMode, State } from './binding.js';

/** float32 for samples and networks, float64 for the state of an ODE. */
export type Precision = 'single' | 'double';

/** An array on a device: a solver names it in verbs, and never sees an element. On the CPU it is a typed array. */
export interface Elements {
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
}

/** Scaled fresh noise in an update. */
export interface ScaledNoise {
  readonly scale: number;
  readonly address: NoiseAddress;
}

/**
 * Where elements live. Verbs return nothing and take effect in the order in which they are called; only `read` is awaited, so
 * that a device may queue them. Rows of `coefficients` belong to samples, as in the kernels of the same names.
 */
export interface Device {
  allocate(length: number, precision: Precision): Elements;
  /** Puts values of the caller's into an array of that length, rounded where it is single. */
  write(out: Elements, values: State): void;
  copy(out: Elements, from: Elements): void;
  /** out <- sum of coefficient times operand, plus scaled noise where an address is given. */
  affine(
    out: Elements,
    operands: readonly Elements[],
    coefficients: Float64Array,
    noise?: NoiseAddress,
  ): void;
  /** The Langevin step whose size is in proportion to (|z| / |score|)^2; rows are p, q, factor. */
  langevin(
    x: Elements,
    output: Elements,
    coefficients: Float64Array,
    norm: NormMode,
    noise: NoiseAddress,
  ): void;
  /** out[i] <- the dot product of samples i of a and b. */
  dots(a: Elements, b: Elements, out: Elements): void;
  fill(out: Elements, samples: number, distribution: Distribution, noise: NoiseAddress): void;
  /** x <- min(max(x, low), high). */
  clip(x: Elements, low: number, high: number): void;
  /** Puts a noised measurement in its place: rows are alpha, sigma. */
  project(
    x: Elements,
    y: Elements,
    mask: Elements,
    coefficients: Float64Array,
    noise: NoiseAddress,
    basis?: Elements,
  ): void;
  /** The `count` samples of `width` elements from sample `first` on, in the same memory. */
  rows(x: Elements, width: number, first: number, count: number): Elements;
  /** out[i] <- sample rows[i] of x; memory apart. */
  gather(out: Elements, x: Elements, rows: Int32Array): void;
  /** out[rows[i]] <- sample i of x; memory apart. */
  scatter(out: Elements, x: Elements, rows: Int32Array): void;
  /** out[i] <- the mean over sample i of (error / (atol + rtol max(|before|, |after|)))^2. */
  scaledErrors(
    error: Elements,
    before: Elements,
    after: Elements,
    tolerances: { readonly atol: number; readonly rtol: number },
    out: Elements,
  ): void;
  /** The values, once all verbs before have taken effect: valid until the next verb. */
  read(x: Elements): Promise<State>;
}

export type Distribution = 'normal' | 'uniform' | 'rademacher';
