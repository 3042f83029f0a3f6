import type { MixturePoints, NativeMixture } from './mixture.js';
import type { Distribution, ErrorMeasure, NoiseAddress, NormMode, State } from './binding.js';

/** float32 for samples and networks, float64 for the state of an ODE. */
export type Precision = 'single' | 'double';

/** What an array is made of; beside numbers, what networks take: half precision, as bits, integers and booleans. */
export type ElementKind = Precision | 'half' | 'int32' | 'int64' | 'byte';

/** The machine's own memory and cores, or the first GPU of NVIDIA's. */
export type DeviceName = 'cpu' | 'cuda';

/** Values of the caller's. */
export type Values = State | Uint8Array | Uint16Array | Int32Array | BigInt64Array;

/** An array on a device: a solver names it in verbs, and never sees an element. */
export interface Elements {
  /** Number of elements. */
  readonly length: number;
  /** 4 in single precision, 8 in double. */
  readonly BYTES_PER_ELEMENT: number;
}

/** Scaled fresh noise in an update. */
export interface ScaledNoise {
  readonly scale: number;
  readonly address: NoiseAddress;
}

/** Points of a mixture on a device. */
export interface Placed extends Omit<MixturePoints, 'x'> {
  readonly x: Elements;
}

/** A run of a network whose inputs and outputs are arrays of a device, which made it. */
export interface BoundRun {
  readonly number: number;
}

/** Inputs and outputs of a run: the numbers of each in its session, their arrays, and all shapes one after the other as rank and sizes. */
export interface RunArrays {
  readonly inputs: Int32Array;
  readonly feeds: readonly Elements[];
  readonly outputs: Int32Array;
  /** An output without an array stays where ONNX Runtime put it, until the next run. */
  readonly targets: readonly (Elements | undefined)[];
  readonly shapes: Float64Array;
  /** Inputs that are what another run put there, each as its number, that of the run, and the place among the outputs of that. */
  readonly kept: Int32Array;
}

/**
 * Where elements live. Verbs return at once, and take effect in the order in which they are called: only what is read is awaited.
 * What is no array of the device (coefficients, rows) is copied. Rows of `coefficients` belong to samples, as in the kernels of
 * the same names.
 */
export interface Device {
  /** An array of zeros. */
  allocate(length: number, kind: ElementKind): Elements;
  /** Puts values of the caller's into an array of that length, rounded where it is single and they are double. */
  write(out: Elements, values: Values): void;
  /** out <- from, rounded to nearest where it is less precise; half precision goes to and from single alone. */
  copy(out: Elements, from: Elements): void;
  /** out <- sum of coefficient times operand, plus scaled noise where an address is given. */
  affine(
    out: Elements,
    operands: readonly Elements[],
    coefficients: Float64Array,
    noise?: NoiseAddress,
  ): void;
  /** Samples of x, single, times their factors, each product made in double and rounded once. */
  scale(x: Elements, factors: Float64Array): void;
  /** x, double, <- scale (shift + factor x / count), in place and rounded at each operation; rows are scale, shift, factor. */
  traceRates(x: Elements, count: number, coefficients: Float64Array): void;
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
  /** x <- x + e^(shift + factor v) z, with a v, single, for every element; rows are shift, factor. */
  addNoise(x: Elements, v: Elements, coefficients: Float64Array, noise: NoiseAddress): void;
  /** x <- min(max(x, low), high). */
  clip(x: Elements, low: number, high: number): void;
  /** Every sample of x towards the middle of the range, until the quantile of its distances from there lies within; then clipped. */
  threshold(x: Elements, samples: number, range: readonly [number, number], quantile: number): void;
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
  /** out[i] <- the mean over sample i of (error / (atol + rtol max(|before|, |after|)))^2, unless the measure says otherwise. */
  scaledErrors(
    error: Elements,
    before: Elements,
    after: Elements,
    measure: { readonly atol: number; readonly rtol: number } & ErrorMeasure,
    out: Elements,
  ): void;
  /** Samples of x times 1 + share (standard deviation of the sample of reference / that of x - 1): with share 1 they have one. */
  matchSpread(x: Elements, reference: Elements, shares: Float64Array): void;
  /** x <- x times factors, element by element, those of a sample or of all of x; all double, as in the three that follow. */
  weigh(x: Elements, factors: Elements): void;
  /** A matrix [.., columns] along an axis: out[o][j][i] <- sum over k of matrix[j][k] x[o][k][i], with `inner` elements i. */
  multiplyAxis(out: Elements, x: Elements, matrix: Elements, columns: number, inner: number): void;
  /** Vector `index` of [blocks][rows][size] <- orthogonal to those before and of norm 1; column `index` of [blocks][rows][blocks] <- its parts. */
  orthonormalize(vectors: Elements, columns: Elements, rows: number, index: number): void;
  /** out [rows][size] <- the images [blocks - 1][rows][size] of the vector whose residual is least in the space of these columns. */
  leastResiduals(out: Elements, images: Elements, columns: Elements, rows: number): void;
  /** out <- the gradient of ln p of a mixture of Gaussians. */
  mixtureScore(out: Elements, mixture: NativeMixture, points: Placed): void;
  /** out[i] <- the Laplacian of ln p at point i. */
  mixtureDivergence(out: Elements, mixture: NativeMixture, points: Placed): void;
  /** out <- the Hessian of ln p times v. */
  mixtureProduct(out: Elements, mixture: NativeMixture, points: Placed, v: Elements): void;
  /** Ends the device's work where one of the samples of x is not finite, with the error that `failed` makes for the first. */
  requireFinite(x: Elements, samples: number, failed: (sample: number) => Error): void;
  /** A run of a session of the addon, by its number, to be made again and again. */
  bind(session: number, arrays: RunArrays): BoundRun;
  /** Runs a network; where it fails, the device's work ends with the error that `failed` makes of the message. */
  run(run: BoundRun, failed: (message: string) => Error): void;
  /** Settles once all verbs before have taken effect. @throws What ended the work: a failure, or the reason of the abort. */
  settled(): Promise<void>;
  /** A copy of the values after all verbs before; no verb that changes them may follow until it settles. @throws as `settled`. */
  read(x: Elements): Promise<State>;
  /** Ends the work, at the next operator of a network, and gives the memory back. */
  close(): Promise<void>;
}
