import { FastsdeError, LoadError } from '../errors.js';
import { isShortage, LESS_AT_ONCE } from '../memory.js';
import { addon } from './addon.js';
import type { NativeFailure, QueueNumber } from './addon-interface.js';
import { requireLength } from './arguments.js';
import type { Distribution, ErrorMeasure, NoiseAddress, NormMode, State } from './binding.js';
import type {
  BoundRun,
  Device,
  DeviceName,
  ElementKind,
  Elements,
  Placed,
  RunArrays,
  Values,
} from './device.js';
import * as kernels from './kernels.js';
import type { NativeMixture } from './mixture.js';
import { turn } from './turn.js';
import * as vectors from './vectors.js';

type Shared = Float32Array | Float64Array | Uint8Array | Uint16Array | Int32Array | BigInt64Array;

const kinds = {
  single: Float32Array,
  double: Float64Array,
  half: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  byte: Uint8Array,
} as const satisfies Record<ElementKind, unknown>;

const state = (elements: Elements): State => elements as State;
const single = (elements: Elements): Float32Array => elements as Float32Array;
const double = (elements: Elements): Float64Array => elements as Float64Array;

/** Queues that nobody holds any more are closed. */
const abandoned = new FinalizationRegistry((queue: QueueNumber) => {
  void addon().closeQueue(queue);
});

/**
 * A thread of the addon that does what it is told in order: networks, and kernels with their threads. Arrays lie in shared
 * memory, which nobody can take away. After a failure or an abort the rest is passed over.
 */
export class Queue implements Device {
  /** Of the queue in the addon, for verbs that no device has. */
  readonly number: QueueNumber;
  readonly where: DeviceName;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void;
  /** What to make of the failure of a command, by its tag, until it has taken effect. */
  readonly #failures = new Map<number, (failure: NativeFailure) => Error>();
  #lastTag = 0;
  #error: unknown;
  #closed = false;

  /**
   * @param signal ends the work, at the next operator of a network.
   * @param where its arrays are. A GPU starts as the first command, which fails by a LoadError where there is none that can be used.
   */
  constructor(signal?: AbortSignal, where: DeviceName = 'cpu') {
    this.where = where;
    const noDevice = this.#tag(
      ({ message }) => new LoadError(`The device ${where} cannot be used: ${message}.`),
    );
    const number = (this.number = addon().openQueue(where === 'cpu' ? undefined : where, noDevice));
    abandoned.register(this, number, this);
    this.#signal = signal;
    this.#abort = () => {
      addon().cancelQueue(number);
    };
    if (signal?.aborted) this.#abort();
    signal?.addEventListener('abort', this.#abort);
  }

  allocate(length: number, kind: ElementKind): Elements {
    const Type = kinds[kind] as new (buffer: SharedArrayBuffer, offset: number, length: number) => Shared;
    const array = new Type(new SharedArrayBuffer(length * kinds[kind].BYTES_PER_ELEMENT), 0, length);
    addon().hold(this.number, array);
    return array;
  }

  /** Takes an array in shared memory that others have too, with its values as they are now. */
  hold<T extends ArrayBufferView>(array: T): T {
    addon().hold(this.number, array);
    if (this.where === 'cuda') addon().write(this.number, array, array);
    return array;
  }

  /** Brings values to where others have the array, to be read there once this has settled; on the CPU that is where they are. */
  fetch(x: Elements): void {
    addon().download(this.number, x as Shared);
  }

  write(out: Elements, values: Values): void {
    requireLength('values', values, out.length);
    const rounded = out instanceof Float32Array && values instanceof Float64Array;
    const widened = out instanceof Float64Array && values instanceof Float32Array;
    const given = rounded ? new Float32Array(values) : widened ? new Float64Array(values) : values;
    addon().write(this.number, out as Shared, given);
  }

  copy(out: Elements, from: Elements): void {
    kernels.copy(out as State | Uint16Array, from as State | Uint16Array, this.number);
  }

  affine(
    out: Elements,
    operands: readonly Elements[],
    coefficients: Float64Array,
    noise?: NoiseAddress,
  ): void {
    kernels.affine(state(out), operands as readonly State[], coefficients, noise, undefined, this.number);
  }

  scale(x: Elements, factors: Float64Array): void {
    kernels.scale(single(x), factors, this.number);
  }

  traceRates(x: Elements, count: number, coefficients: Float64Array): void {
    kernels.traceRates(double(x), count, coefficients, this.number);
  }

  langevin(
    x: Elements,
    output: Elements,
    coefficients: Float64Array,
    norm: NormMode,
    noise: NoiseAddress,
  ): void {
    kernels.langevinStep(state(x), state(output), coefficients, norm, noise, {}, this.number);
  }

  dots(a: Elements, b: Elements, out: Elements): void {
    kernels.dots(state(a), state(b), double(out), this.number);
  }

  fill(out: Elements, samples: number, distribution: Distribution, noise: NoiseAddress): void {
    kernels.fill(state(out), samples, distribution, noise, this.number);
  }

  addNoise(x: Elements, v: Elements, coefficients: Float64Array, noise: NoiseAddress): void {
    kernels.addNoise(state(x), single(v), coefficients, noise, this.number);
  }

  clip(x: Elements, low: number, high: number): void {
    kernels.clip(state(x), low, high, this.number);
  }

  threshold(x: Elements, samples: number, range: readonly [number, number], quantile: number): void {
    kernels.threshold(state(x), samples, range, quantile, this.number);
  }

  project(
    x: Elements,
    y: Elements,
    mask: Elements,
    coefficients: Float64Array,
    noise: NoiseAddress,
    basis?: Elements,
  ): void {
    const own = basis && single(basis);
    kernels.projectMeasurement(single(x), single(y), single(mask), coefficients, noise, own, this.number);
  }

  rows(x: Elements, width: number, first: number, count: number): Elements {
    return state(x).subarray(first * width, (first + count) * width);
  }

  gather(out: Elements, x: Elements, rows: Int32Array): void {
    kernels.gather(state(out), state(x), rows, this.number);
  }

  scatter(out: Elements, x: Elements, rows: Int32Array): void {
    kernels.scatter(state(out), state(x), rows, this.number);
  }

  scaledErrors(
    error: Elements,
    before: Elements,
    after: Elements,
    { atol, rtol, ...measure }: { readonly atol: number; readonly rtol: number } & ErrorMeasure,
    out: Elements,
  ): void {
    const [e, from, to] = [double(error), double(before), double(after)];
    kernels.scaledErrors(e, from, to, atol, rtol, double(out), measure, this.number);
  }

  matchSpread(x: Elements, reference: Elements, shares: Float64Array): void {
    kernels.matchSpread(state(x), state(reference), shares, this.number);
  }

  weigh(x: Elements, factors: Elements): void {
    vectors.weigh(double(x), double(factors), this.number);
  }

  multiplyAxis(out: Elements, x: Elements, matrix: Elements, columns: number, inner: number): void {
    vectors.multiplyAxis(double(out), double(x), double(matrix), columns, inner, this.number);
  }

  orthonormalize(basis: Elements, columns: Elements, rows: number, index: number): void {
    vectors.orthonormalize(double(basis), double(columns), rows, index, this.number);
  }

  leastResiduals(out: Elements, images: Elements, columns: Elements, rows: number): void {
    vectors.leastResiduals(double(out), double(images), double(columns), rows, this.number);
  }

  mixtureScore(out: Elements, mixture: NativeMixture, points: Placed): void {
    mixture.score({ ...points, x: state(points.x) }, state(out), this.number);
  }

  mixtureDivergence(out: Elements, mixture: NativeMixture, points: Placed): void {
    mixture.divergence({ ...points, x: state(points.x) }, double(out), this.number);
  }

  mixtureProduct(out: Elements, mixture: NativeMixture, points: Placed, v: Elements): void {
    mixture.product({ ...points, x: state(points.x) }, state(v), state(out), this.number);
  }

  requireFinite(x: Elements, samples: number, failed: (sample: number) => Error): void {
    const tag = this.#tag(({ index }) => failed(index));
    addon().requireFinite(this.number, state(x), samples, tag);
  }

  bind(session: number, { inputs, feeds, outputs, targets, shapes, kept }: RunArrays): BoundRun {
    const [given, wanted] = [feeds as readonly Shared[], targets as readonly (Shared | undefined)[]];
    return { number: addon().bindRun(this.number, session, inputs, given, outputs, wanted, shapes, kept) };
  }

  run(run: BoundRun, failed: (message: string) => Error): void {
    addon().runBound(
      this.number,
      run.number,
      this.#tag(({ message }) => failed(message)),
    );
  }

  /** What comes later waits for what the other queue was told so far; where that failed, this queue ends, too. */
  follow(other: Queue): void {
    addon().follow(this.number, other.number);
  }

  /** The milliseconds of a clock that only runs on, when this has its turn. */
  stamp(out: Float64Array): void {
    addon().stamp(this.number, out);
  }

  async settled(): Promise<void> {
    const last = this.#lastTag;
    const failure = await addon().settle(this.number);
    await turn();
    if (failure !== undefined) throw this.#explain(failure);
    for (const tag of this.#failures.keys()) {
      if (tag > last) break;
      this.#failures.delete(tag);
    }
  }

  async read(x: Elements): Promise<State> {
    this.fetch(x);
    await this.settled();
    return state(x).slice();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    abandoned.unregister(this);
    await addon().closeQueue(this.number);
  }

  /** The number by which the failure of a command is known. */
  #tag(failed: (failure: NativeFailure) => Error): number {
    this.#failures.set(++this.#lastTag, failed);
    return this.#lastTag;
  }

  #explain(failure: NativeFailure): unknown {
    // A network that is ended fails too.
    if (this.#signal?.aborted) return this.#signal.reason;
    const make = this.#failures.get(failure.tag);
    const { message } = failure;
    const why = isShortage(message)
      ? `There is not enough memory for the arrays of a batch. ${LESS_AT_ONCE}`
      : `Work was given up: ${message}.`;
    this.#error ??= make?.(failure) ?? new FastsdeError('ERR_FASTSDE_DEVICE', why);
    return this.#error;
  }
}
