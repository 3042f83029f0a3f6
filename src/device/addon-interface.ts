import type { State } from './binding.js';

/**
 * What the addon exports; `address` is packed by `packAddress` and indices are validated before the call. Every function
 * names its parameters in a property `parameters`.
 */
export interface Addon {
  affine(
    queue: QueueNumber | undefined,
    out: State,
    operands: readonly State[],
    coefficients: Float64Array,
    mean: State | undefined,
    address: Uint32Array | undefined,
    samples: number | Float64Array | undefined,
  ): void;
  langevin(
    queue: QueueNumber | undefined,
    x: State,
    output: State,
    coefficients: Float64Array,
    norm: number,
    address: Uint32Array,
    samples: number | Float64Array,
    mean: State | undefined,
    steps: Float64Array | undefined,
  ): void;
  dots(queue: QueueNumber | undefined, a: State, b: State, out: Float64Array): void;
  requireFinite(queue: QueueNumber | undefined, x: State, samples: number, tag: number): void;
  addNoise(
    queue: QueueNumber | undefined,
    x: State,
    v: Float32Array,
    coefficients: Float64Array,
    address: Uint32Array,
    samples: number | Float64Array,
  ): void;
  clip(queue: QueueNumber | undefined, x: State, low: number, high: number): void;
  threshold(
    queue: QueueNumber | undefined,
    x: State,
    samples: number,
    low: number,
    high: number,
    quantile: number,
  ): void;
  download(queue: QueueNumber | undefined, x: ArrayBufferView): void;
  write(queue: QueueNumber | undefined, out: ArrayBufferView, values: ArrayBufferView): void;
  copy(queue: QueueNumber | undefined, out: State | Uint16Array, x: State | Uint16Array): void;
  scale(queue: QueueNumber | undefined, x: Float32Array, factors: Float64Array): void;
  traceRates(
    queue: QueueNumber | undefined,
    x: Float64Array,
    count: number,
    coefficients: Float64Array,
  ): void;
  gather(queue: QueueNumber | undefined, out: State, x: State, rows: Int32Array): void;
  scatter(queue: QueueNumber | undefined, out: State, x: State, rows: Int32Array): void;
  scaledErrors(
    queue: QueueNumber | undefined,
    error: Float64Array,
    before: Float64Array,
    after: Float64Array,
    atol: number,
    rtol: number,
    out: Float64Array,
    scale: number,
    norm: number,
  ): void;
  matchSpread(queue: QueueNumber | undefined, x: State, reference: State, shares: Float64Array): void;
  fill(
    queue: QueueNumber | undefined,
    out: State,
    batch: number,
    distribution: number,
    address: Uint32Array,
    samples: number | Float64Array,
  ): void;
  projectMeasurement(
    queue: QueueNumber | undefined,
    x: Float32Array,
    y: Float32Array,
    mask: Float32Array,
    coefficients: Float64Array,
    address: Uint32Array,
    samples: number | Float64Array,
    basis: Float32Array | undefined,
  ): void;
  diffuse(
    queue: QueueNumber | undefined,
    x: Float32Array,
    target: Float32Array | undefined,
    x0: Float32Array | Uint8Array,
    low: number,
    high: number,
    flips: Uint8Array | undefined,
    width: number,
    coefficients: Float64Array,
    address: Uint32Array,
    samples: number | Float64Array,
  ): void;
  adamw(
    queue: QueueNumber | undefined,
    parameters: Float32Array,
    gradients: Float32Array,
    firstMoments: Float32Array,
    secondMoments: Float32Array,
    averages: readonly Float32Array[],
    decays: Float64Array,
    options: Float64Array,
    squares: Float64Array | undefined,
  ): void;
  stamp(queue: QueueNumber | undefined, out: Float64Array): void;
  sumOfSquares(queue: QueueNumber | undefined, tensors: readonly Float32Array[], out: Float64Array): void;
  weigh(queue: QueueNumber | undefined, x: Float64Array, factors: Float64Array): void;
  multiplyAxis(
    queue: QueueNumber | undefined,
    out: Float64Array,
    x: Float64Array,
    matrix: Float64Array,
    columns: number,
    inner: number,
  ): void;
  orthonormalize(
    queue: QueueNumber | undefined,
    vectors: Float64Array,
    columns: Float64Array,
    rows: number,
    index: number,
  ): void;
  leastResiduals(
    queue: QueueNumber | undefined,
    out: Float64Array,
    images: Float64Array,
    columns: Float64Array,
    rows: number,
  ): void;
  multiply(
    queue: QueueNumber | undefined,
    out: Float64Array,
    a: State,
    transposeA: boolean,
    b: State,
    transposeB: boolean,
    terms: number,
    accumulate: boolean,
  ): void;
  factorize(
    queue: QueueNumber | undefined,
    matrix: Float64Array,
    factor: Float64Array,
    pivots: Int32Array,
  ): void;
  invertTriangular(queue: QueueNumber | undefined, lower: Float64Array, inverse: Float64Array): void;
  eigen(
    queue: QueueNumber | undefined,
    matrix: Float64Array,
    values: Float64Array,
    vectors: Float64Array | undefined,
  ): void;
  makeMixture(
    dimension: number,
    logWeights: Float64Array,
    means: Float64Array,
    ranks: Int32Array,
    values: Float64Array,
    bases: Float64Array,
  ): number;
  dropMixture(mixture: number): void;
  mixtureScore(
    queue: QueueNumber | undefined,
    mixture: number,
    x: State,
    levels: Float64Array,
    components: Int32Array | undefined,
    out: State,
  ): void;
  mixtureDivergence(
    queue: QueueNumber | undefined,
    mixture: number,
    x: State,
    levels: Float64Array,
    components: Int32Array | undefined,
    out: Float64Array,
  ): void;
  mixtureProduct(
    queue: QueueNumber | undefined,
    mixture: number,
    x: State,
    levels: Float64Array,
    components: Int32Array | undefined,
    v: State,
    out: State,
  ): void;
  mixturePosterior(
    queue: QueueNumber | undefined,
    mixture: number,
    x: State,
    levels: Float64Array,
    components: Int32Array | undefined,
    out: Float64Array,
    logDensity: Float64Array | undefined,
  ): void;
  toBytes(x: Float32Array, low: number, high: number, out: Uint8Array): void;
  fromBytes(bytes: Uint8Array, low: number, high: number, out: Float32Array): void;
  /** A GPU starts as its first command, of the tag. */
  openQueue(device: 'cuda' | undefined, tag: number): QueueNumber;
  gpuInfo(): Promise<GpuInfo>;
  hold(queue: QueueNumber, memory: ArrayBufferView): void;
  bindRun(
    queue: QueueNumber,
    session: number,
    inputs: Int32Array,
    feeds: readonly ArrayBufferView[],
    outputs: Int32Array,
    targets: readonly (ArrayBufferView | undefined)[],
    shapes: Float64Array,
    kept: Int32Array,
  ): number;
  runBound(queue: QueueNumber, run: number, tag: number): void;
  follow(queue: QueueNumber, other: QueueNumber): void;
  settle(queue: QueueNumber): Promise<NativeFailure | undefined>;
  cancelQueue(queue: QueueNumber): void;
  closeQueue(queue: QueueNumber): Promise<void>;
  loadLibraries(paths: readonly string[]): Promise<void>;
  openRuntime(asked: string | undefined, otherwise: string | undefined): Promise<NativeLibrary>;
  createSession(
    source: string | Uint8Array,
    threads: number,
    optimization: number,
    memoryPattern: boolean,
    optimizedModelPath: string | undefined,
    entries: readonly string[],
    /** Of a network that runs on the GPU alone. */
    tf32: boolean | undefined,
  ): Promise<{ session: number; isOnGpu: boolean; inputs: NativePort[]; outputs: NativePort[] }>;
  runSession(
    session: number,
    call: number,
    inputs: Int32Array,
    feeds: readonly ArrayBufferView[],
    outputs: Int32Array,
    targets: readonly (ArrayBufferView | undefined)[],
    shapes: Float64Array,
  ): Promise<(NativeResult | undefined)[]>;
  runSessionHere(
    session: number,
    inputs: Int32Array,
    feeds: readonly ArrayBufferView[],
    outputs: Int32Array,
    targets: readonly (ArrayBufferView | undefined)[],
    shapes: Float64Array,
  ): (NativeResult | undefined)[];
  terminateCall(call: number): void;
  closeSession(session: number): Promise<void>;
  stopSessions(): void;
  info(): NativeInfo;
  limits(): Limits;
  /** Whether nothing in this process has called it with this event before. */
  isFirst(event: string): boolean;
  selectIsa(name: string): boolean;
  setThreads(count: number): void;
  stayOnThisThread(queue: QueueNumber | undefined): void;
}

/** Of a queue that is open: verbs are then its commands, on arrays in memory that it holds. Without it they take effect at once. */
export type QueueNumber = number;

/** What ended a queue: the tag of the command that failed, and what it says; tag 0 where the queue was cancelled. */
export interface NativeFailure {
  readonly tag: number;
  readonly index: number;
  readonly message: string;
}

/** What the native kernels run on. */
export interface NativeInfo {
  /** Instruction set in use: the best that this CPU has, or the one that the environment variable FASTSDE_ISA names. */
  isa: string;
  /** Instruction sets that FASTSDE_ISA can name on this CPU, the best one last. */
  supported: string[];
  /** Threads that large operations use: all cores, or FASTSDE_THREADS, or `setThreads`. */
  threads: number;
}

/** What there is of a GPU. */
export interface GpuInfo {
  /** Whether this build of the addon has kernels for GPUs. */
  readonly kernels: boolean;
  /** Why nothing can run on a GPU here; all of the following are absent then. */
  readonly reason?: string;
  readonly name?: string;
  /** Bytes. */
  readonly memory?: number;
  /** Of CUDA, as its driver has it: 1000 major + 10 minor. */
  readonly version?: number;
  /** Whether it is this machine's CPU, which stands for one in tests. */
  readonly emulated?: boolean;
}

/** A library of ONNX Runtime. */
export interface NativeLibrary {
  readonly path: string;
  readonly version: string;
}

/** An input or output of a session: the number of its element type in ONNX, and sizes or names of sizes. */
export interface NativePort {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly (number | string)[];
}

/** An output of a run for which no array was given. */
export interface NativeResult {
  readonly type: number;
  readonly shape: readonly number[];
  readonly data: ArrayBuffer;
}

/** The largest values that the addon takes, each declared once, in C++ (`native/limits.h`). */
export interface Limits {
  /** Arrays that one affine update adds up. */
  readonly operands: number;
  /** Channels of a measurement basis. */
  readonly channels: number;
  readonly threads: number;
  /** Of a noise address: its stream, its substep, and each of its other parts of 32 bits. */
  readonly stream: number;
  readonly substep: number;
  readonly word: number;
  /** Of the global index of a sample. */
  readonly sample: number;
  /** Of the flat index of an element of noise: samples are up to `chunk` indices longer than their elements. */
  readonly flatIndex: number;
  readonly chunk: number;
}
