import { IntegrationError } from '../../errors.js';
import { cpu } from '../../device/cpu.js';
import type { Device, Elements } from '../../device/device.js';
import { checkChoice, checkNumber } from '../../options.js';
import { ERROR, interpolant, interpolantSlope, NODES, STAGES } from './dormand-prince.js';
import { DenseFrames, type DenseOutput } from './dense-output.js';
import { advance, blocks, rowsOf, type Blocks, type Ode } from './ode.js';

/**
 * What shares a step size. `sample`: every sample has its own, and leaves the batch when it arrives, so that its
 * trajectory does not depend on its companions. `batch`: all samples are one system of equations, as in SciPy's solve_ivp
 * on the flattened batch, which is the published behaviour.
 */
export type Coupling = 'sample' | 'batch';

/** The error of a step is kept below atol + rtol |y| in the root mean square over a block of a sample. */
export interface Tolerances {
  /** Relative tolerance. Default 1e-5. */
  readonly rtol?: number;
  /** Absolute tolerance. Default 1e-5. */
  readonly atol?: number;
  /** Default `sample`. */
  readonly coupling?: Coupling;
}

export function checkTolerances({
  rtol = 1e-5,
  atol = 1e-5,
  coupling = 'sample',
}: Tolerances): Required<Tolerances> {
  // Below 100 ulp the error estimate is rounding, and no step is ever small enough.
  checkNumber('rtol', rtol, 100 * Number.EPSILON, true);
  checkNumber('atol', atol, 0, true);
  return { rtol, atol, coupling: checkChoice('coupling', coupling, ['sample', 'batch']) };
}

export interface AdaptiveOptions extends Tolerances {
  readonly from: number;
  /** Later or earlier than `from`. */
  readonly to: number;
  /** Where the blocks are. Default: ordinary arrays. */
  readonly device?: Device;
  /** Global index of the first sample, for errors. Default 0. */
  readonly first?: number;
  /** Dense output at chosen times, in the direction of integration. */
  readonly output?: DenseOutput;
  /** Called after every attempted step with the time that all samples have reached. */
  readonly onProgress?: (time: number) => void;
}

/** Evaluations of the right-hand side that every sample went through. */
export interface Evaluations {
  /** All of them: 2 for the initial step, and 6 in every attempted step. */
  readonly evaluations: Int32Array;
  /** Those in rejected steps. */
  readonly rejected: Int32Array;
}

const SAFETY = 0.9;
const MIN_FACTOR = 0.2;
const MAX_FACTOR = 10;
/** -1 / (order of the error estimate + 1). */
const EXPONENT = -1 / 5;

/**
 * Integrates dy/dt = f(t, y) by the pair of Dormand and Prince with the step control of Hairer, Norsett and Wanner
 * (Solving Ordinary Differential Equations I, section II.4) as SciPy's RK45 has it: with `coupling: 'batch'` and one block,
 * step for step and evaluation for evaluation.
 *
 * Every block has an error norm of its own and the largest decides, so that a block of few elements is not drowned by one
 * of many; the first block chooses the initial step.
 *
 * @param y the state at `from`; becomes the state at `to`.
 * @throws IntegrationError where the step size falls to rounding.
 */
export async function integrateAdaptively(
  ode: Ode,
  y: Blocks,
  options: AdaptiveOptions,
): Promise<Evaluations> {
  const integration = new Integration(ode, y, options);
  await integration.start();
  while (integration.active) await integration.step();
  return integration;
}

class Integration implements Evaluations {
  readonly evaluations: Int32Array;
  readonly rejected: Int32Array;
  readonly #ode: Ode;
  readonly #device: Device;
  readonly #options: AdaptiveOptions;
  readonly #tolerances: Required<Tolerances>;
  readonly #direction: number;
  readonly #result: Blocks;
  readonly #frames: DenseFrames | undefined;

  // Of the samples under way, one row each.
  #rows: Int32Array;
  #t: Float64Array;
  /** Length of the next step, positive. */
  #h: Float64Array;
  /** Whether the last attempt from t was rejected. */
  #retry: Uint8Array;
  #y: Blocks;
  #stages: Blocks[];
  #trial: Blocks;
  #error: Blocks;
  /** Of the errors of several blocks. */
  readonly #squares: Elements;

  constructor(ode: Ode, y: Blocks, options: AdaptiveOptions) {
    const { widths } = ode;
    const { device = cpu, from, to, output } = options;
    const samples = y[0]!.length / widths[0]!;
    const zeros = () => blocks(device, samples, widths);
    this.evaluations = new Int32Array(samples);
    this.rejected = new Int32Array(samples);
    this.#ode = ode;
    this.#device = device;
    this.#options = options;
    this.#tolerances = checkTolerances(options);
    this.#direction = Math.sign(to - from);
    this.#result = y;
    this.#frames = output && new DenseFrames(device, output, samples, widths[0]!, this.#direction);
    this.#rows = Int32Array.from({ length: samples }, (_, i) => i);
    this.#t = new Float64Array(samples).fill(from);
    this.#h = new Float64Array(samples);
    this.#retry = new Uint8Array(samples);
    this.#y = zeros();
    this.#copy(this.#y, y);
    this.#stages = NODES.map(zeros);
    this.#trial = zeros();
    this.#error = zeros();
    this.#squares = device.allocate(samples * Math.max(2, widths.length), 'double');
  }

  get active(): boolean {
    return this.#rows.length > 0 && this.#direction !== 0;
  }

  /** The first stage, and the initial step sizes from a trial Euler step. */
  async start(): Promise<void> {
    if (!this.active) return;
    const { from, to } = this.#options;
    const span = Math.abs(to - from);
    const [slope, probe] = this.#stages as [Blocks, Blocks];
    await this.#evaluate(this.#t, this.#y, slope);
    await this.#frames?.start(this.#y[0]!, slope[0]!, from);

    const [d0, d1] = (await this.#norms([this.#y, slope].map((values) => [values[0]!, this.#y[0]!]))) as [
      Float64Array,
      Float64Array,
    ];
    const h0 = d0.map((size, i) =>
      Math.min(size < 1e-5 || d1[i]! < 1e-5 ? 1e-6 : (0.01 * size) / d1[i]!, span),
    );
    const signed = h0.map((h) => this.#direction * h);
    this.#advance(this.#trial, this.#y, [slope], [1], signed);
    await this.#evaluate(
      signed.map((h) => from + h),
      this.#trial,
      probe,
    );
    this.#advance(this.#error, undefined, [probe, slope], [1, -1], new Float64Array(h0.length).fill(1));
    const [d2] = (await this.#norms([[this.#error[0]!, this.#y[0]!]])) as [Float64Array];
    this.#h = h0.map((h, i) => {
      const most = Math.max(d1[i]!, d2[i]! / h);
      const h1 = most <= 1e-15 ? Math.max(1e-6, 1e-3 * h) : (0.01 / most) ** -EXPONENT;
      return Math.min(100 * h, h1, span);
    });
  }

  /** One attempted step of every sample under way. */
  async step(): Promise<void> {
    const { to } = this.#options;
    const next = this.#t.map((t, i) => {
      const end = t + this.#direction * this.#length(i);
      return this.#direction * (end - to) > 0 ? to : end;
    });
    const h = next.map((end, i) => end - this.#t[i]!);
    for (let s = 1; s < STAGES.length; s++) {
      this.#advance(this.#trial, this.#y, this.#stages, STAGES[s]!, h);
      const times = NODES[s] === 1 ? next : this.#t.map((t, i) => t + NODES[s]! * h[i]!);
      await this.#evaluate(times, this.#trial, this.#stages[s]!);
    }
    this.#advance(this.#error, undefined, this.#stages, ERROR, h);
    const accepted: number[] = [];
    const finished: number[] = [];
    for (const [i, error] of (await this.#errors()).entries()) {
      this.#h[i] = Math.abs(h[i]!) * factorOf(error, this.#retry[i] === 1);
      this.#retry[i] = error < 1 ? 0 : 1;
      if (!(error < 1)) {
        this.rejected[this.#rows[i]!]! += STAGES.length - 1;
        continue;
      }
      this.#pass(i, next[i]!);
      accepted.push(i);
      this.#t[i] = next[i]!;
      if (next[i] === to) finished.push(i);
    }
    this.#accept(Int32Array.from(accepted));
    await this.#frames?.deliver();
    this.#options.onProgress?.(this.#direction > 0 ? Math.min(...this.#t) : Math.max(...this.#t));
    if (finished.length > 0) this.#leave(finished);
  }

  /** Dense output of order 4 between t and `next`, in row i. */
  #pass(i: number, next: number): void {
    const device = this.#device;
    const t = this.#t[i]!;
    const row = (x: Elements) => device.rows(x, this.#ode.widths[0]!, i, 1);
    this.#frames?.pass(this.#rows[i]!, t, next, (y, slope, share) => {
      const slopes = this.#stages.map((stage) => row(stage[0]!));
      const weights = interpolant(share).map((weight) => (next - t) * weight);
      device.affine(y, [row(this.#y[0]!), ...slopes], Float64Array.of(1, ...weights, 0));
      device.affine(slope, slopes, Float64Array.of(...interpolantSlope(share), 0));
    });
  }

  /** Length of the next step of row i. */
  #length(i: number): number {
    const least = 10 * spacing(this.#t[i]!);
    if (this.#h[i]! >= least) return this.#h[i]!;
    if (this.#retry[i] === 0) return least;
    const { first = 0 } = this.#options;
    throw new IntegrationError(first + this.#rows[i]!, this.#t[i]!, this.#tolerances);
  }

  async #evaluate(t: Float64Array, y: Blocks, out: Blocks): Promise<void> {
    const pending = this.#ode.derivative(t, y, out, this.#rows);
    if (pending) await pending;
    for (const row of this.#rows) this.evaluations[row]!++;
  }

  #advance(
    out: Blocks,
    base: Blocks | undefined,
    stages: readonly Blocks[],
    weights: readonly number[],
    h: Float64Array,
  ): void {
    advance(this.#device, out, base, stages, weights, h);
  }

  #copy(out: Blocks, from: Blocks): void {
    out.forEach((block, b) => {
      this.#device.copy(block, from[b]!);
    });
  }

  /** The error of every row, in units of the tolerance: that of its worst block. */
  async #errors(): Promise<Float64Array> {
    const norms = await this.#norms(
      this.#error.map((error, b) => [error, this.#y[b]!, this.#trial[b]!] as const),
    );
    return norms.reduce((worst, block) => worst.map((value, i) => Math.max(value, block[i]!)));
  }

  /** Root mean squares of value / (atol + rtol max(|y|, |z|)) over every row of a block, or over all rows at once. */
  async #norms(measured: readonly (readonly [Elements, Elements, Elements?])[]): Promise<Float64Array[]> {
    const device = this.#device;
    const count = this.#rows.length;
    measured.forEach(([values, y, z = y], k) => {
      device.scaledErrors(values, y, z, this.#tolerances, device.rows(this.#squares, count, k, 1));
    });
    const all = await device.read(device.rows(this.#squares, count, 0, measured.length));
    return measured.map((_, k) => {
      const squares = Float64Array.from(all.subarray(k * count, (k + 1) * count));
      const mean = squares.reduce((sum, square) => sum + square, 0) / count;
      if (this.#tolerances.coupling === 'batch') squares.fill(mean);
      return squares.map(Math.sqrt);
    });
  }

  /** The trial becomes the state of these rows, and their last stage the first of the next step. */
  #accept(rows: Int32Array): void {
    if (rows.length === this.#rows.length) {
      [this.#y, this.#trial] = [this.#trial, this.#y];
      const last = this.#stages.length - 1;
      [this.#stages[0], this.#stages[last]] = [this.#stages[last]!, this.#stages[0]!];
      return;
    }
    if (rows.length === 0) return;
    const { widths } = this.#ode;
    const moved = rowsOf(this.#device, this.#error, widths, 0, rows.length);
    for (const [out, from] of [
      [this.#y, this.#trial],
      [this.#stages[0]!, this.#stages.at(-1)!],
    ] as const) {
      for (const b of widths.keys()) {
        this.#device.gather(moved[b]!, from[b]!, rows);
        this.#device.scatter(out[b]!, moved[b]!, rows);
      }
    }
  }

  /** Takes the finished rows out and closes the gaps. */
  #leave(finished: readonly number[]): void {
    const { widths } = this.#ode;
    const head = (y: Blocks, count: number): Blocks => rowsOf(this.#device, y, widths, 0, count);
    const left = Int32Array.from(finished);
    const done = head(this.#error, left.length);
    const samples = left.map((i) => this.#rows[i]!);
    for (const b of widths.keys()) {
      this.#device.gather(done[b]!, this.#y[b]!, left);
      this.#device.scatter(this.#result[b]!, done[b]!, samples);
    }
    const stay = Int32Array.from(this.#rows.keys()).filter((i) => !finished.includes(i));
    this.#rows = stay.map((i) => this.#rows[i]!);
    this.#t = Float64Array.from(stay, (i) => this.#t[i]!);
    this.#h = Float64Array.from(stay, (i) => this.#h[i]!);
    this.#retry = Uint8Array.from(stay, (i) => this.#retry[i]!);
    if (stay.length === 0) return;
    // What stays moves into arrays that are free until the next step.
    const [y, trial, last] = [this.#y, this.#trial, this.#stages.length - 1];
    const [slope, free] = [this.#stages[0]!, this.#stages[last]!];
    this.#y = head(trial, stay.length);
    this.#trial = head(y, stay.length);
    this.#stages = this.#stages.map((stage) => head(stage, stay.length));
    this.#stages[0] = head(free, stay.length);
    this.#stages[last] = head(slope, stay.length);
    for (const b of widths.keys()) {
      this.#device.gather(this.#y[b]!, y[b]!, stay);
      this.#device.gather(this.#stages[0][b]!, slope[b]!, stay);
    }
    this.#error = head(this.#error, stay.length);
  }
}

/** What the step size is multiplied with after an attempt with this error. */
function factorOf(error: number, retried: boolean): number {
  if (error < 1) {
    const factor = error === 0 ? MAX_FACTOR : Math.min(MAX_FACTOR, SAFETY * error ** EXPONENT);
    return retried ? Math.min(1, factor) : factor;
  }
  return error < Infinity ? Math.max(MIN_FACTOR, SAFETY * error ** EXPONENT) : MIN_FACTOR;
}

/** Distance from |t| to the next number in double precision. */
function spacing(t: number): number {
  return Math.max(Number.EPSILON * 2 ** Math.floor(Math.log2(Math.abs(t))), Number.MIN_VALUE);
}
