import { IntegrationError } from '../../errors.js';
import { checkChoice, checkNumber } from '../../options.js';
import { ERROR, interpolant, interpolantSlope, NODES, STAGES } from './dormand-prince.js';
import { advance, blocks, head, type Blocks, type Ode } from './ode.js';

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
  /** Global index of the first sample, for errors. Default 0. */
  readonly first?: number;
  /** Dense output at chosen times, in the direction of integration. */
  readonly output?: DenseOutput;
  /** Called after every attempted step with the time that all samples have reached. */
  readonly onProgress?: (time: number) => void;
}

export interface DenseOutput {
  readonly times: ArrayLike<number>;
  /**
   * Sees the state (the first block) of all samples at times[k], and its derivative in time, interpolated to order 4.
   * Called in the order of the times, each when the last sample has passed it.
   */
  visit(k: number, y: Float64Array, slope: Float64Array): void | Promise<void>;
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
  readonly #options: AdaptiveOptions;
  readonly #tolerances: Required<Tolerances>;
  readonly #direction: number;
  readonly #result: Blocks;
  readonly #frames: Frames | undefined;

  // Of the samples under way, one row each.
  #rows: Int32Array;
  #t: Float64Array;
  /** Length of the next step, positive. */
  #h: Float64Array;
  /** Whether the last attempt from t was rejected. */
  #retry: Uint8Array;
  #y: Float64Array[];
  #stages: Float64Array[][];
  #trial: Float64Array[];
  #error: Float64Array[];

  constructor(ode: Ode, y: Blocks, options: AdaptiveOptions) {
    const { widths } = ode;
    const samples = y[0]!.length / widths[0]!;
    this.evaluations = new Int32Array(samples);
    this.rejected = new Int32Array(samples);
    this.#ode = ode;
    this.#options = options;
    this.#tolerances = checkTolerances(options);
    this.#direction = Math.sign(options.to - options.from);
    this.#result = y;
    this.#frames = options.output && new Frames(options.output, samples, widths[0]!, this.#direction);
    this.#rows = Int32Array.from({ length: samples }, (_, i) => i);
    this.#t = new Float64Array(samples).fill(options.from);
    this.#h = new Float64Array(samples);
    this.#retry = new Uint8Array(samples);
    this.#y = y.map((block) => block.slice());
    this.#stages = NODES.map(() => blocks(samples, widths));
    this.#trial = blocks(samples, widths);
    this.#error = blocks(samples, widths);
  }

  get active(): boolean {
    return this.#rows.length > 0 && this.#direction !== 0;
  }

  /** The first stage, and the initial step sizes from a trial Euler step. */
  async start(): Promise<void> {
    if (!this.active) return;
    const { from, to } = this.#options;
    const span = Math.abs(to - from);
    const [slope, probe] = this.#stages as [Float64Array[], Float64Array[]];
    await this.#evaluate(this.#t, this.#y, slope);
    await this.#frames?.start(this.#y[0]!, slope[0]!, from);

    const d0 = this.#norms(0, this.#y, this.#y);
    const d1 = this.#norms(0, slope, this.#y);
    const h0 = d0.map((size, i) =>
      Math.min(size < 1e-5 || d1[i]! < 1e-5 ? 1e-6 : (0.01 * size) / d1[i]!, span),
    );
    const signed = h0.map((h) => this.#direction * h);
    advance(this.#trial, this.#y, [slope], [1], signed);
    await this.#evaluate(
      signed.map((h) => from + h),
      this.#trial,
      probe,
    );
    advance(this.#error, undefined, [probe, slope], [1, -1], new Float64Array(h0.length).fill(1));
    const d2 = this.#norms(0, this.#error, this.#y);
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
      advance(this.#trial, this.#y, this.#stages, STAGES[s]!, h);
      const times = NODES[s] === 1 ? next : this.#t.map((t, i) => t + NODES[s]! * h[i]!);
      await this.#evaluate(times, this.#trial, this.#stages[s]!);
    }
    advance(this.#error, undefined, this.#stages, ERROR, h);
    const errors = this.#errors();
    const finished: number[] = [];
    for (const [i, error] of errors.entries()) {
      const accepted = error < 1;
      this.#h[i] = Math.abs(h[i]!) * factorOf(error, this.#retry[i] === 1);
      this.#retry[i] = accepted ? 0 : 1;
      if (!accepted) {
        this.rejected[this.#rows[i]!]! += STAGES.length - 1;
        continue;
      }
      this.#frames?.pass(this.#rows[i]!, i, this.#t[i]!, next[i]!, this.#y[0]!, this.#stages);
      this.#row(this.#trial, i).forEach((row, b) => {
        this.#row(this.#y, i)[b]!.set(row);
      });
      this.#row(this.#stages.at(-1)!, i).forEach((row, b) => {
        this.#row(this.#stages[0]!, i)[b]!.set(row);
      });
      this.#t[i] = next[i]!;
      if (next[i] === to) finished.push(i);
    }
    await this.#frames?.deliver();
    this.#options.onProgress?.(this.#direction > 0 ? Math.min(...this.#t) : Math.max(...this.#t));
    if (finished.length > 0) this.#leave(finished);
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

  /** The error of every row, in units of the tolerance: that of its worst block. */
  #errors(): Float64Array {
    return this.#ode.widths
      .map((_, b) => this.#norms(b, this.#error, this.#y, this.#trial))
      .reduce((worst, norms) => worst.map((value, i) => Math.max(value, norms[i]!)));
  }

  /** Root mean square of value / (atol + rtol max(|y|, |z|)) over block b of every row, or over all rows at once. */
  #norms(b: number, values: Blocks, y: Blocks, z: Blocks = y): Float64Array {
    const { rtol, atol, coupling } = this.#tolerances;
    const width = this.#ode.widths[b]!;
    const [value, left, right] = [values[b]!, y[b]!, z[b]!];
    const squares = new Float64Array(this.#rows.length);
    for (let i = 0, e = 0; i < squares.length; i++) {
      let sum = 0;
      for (const end = e + width; e < end; e++) {
        const scaled = value[e]! / (atol + rtol * Math.max(Math.abs(left[e]!), Math.abs(right[e]!)));
        sum += scaled * scaled;
      }
      squares[i] = sum / width;
    }
    if (coupling === 'batch') squares.fill(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    return squares.map(Math.sqrt);
  }

  #row(y: Blocks, i: number): Float64Array[] {
    return y.map((block, b) => {
      const width = this.#ode.widths[b]!;
      return block.subarray(i * width, (i + 1) * width);
    });
  }

  /** Takes the finished rows out and closes the gaps. */
  #leave(finished: readonly number[]): void {
    const { widths } = this.#ode;
    for (const i of finished) {
      this.#row(this.#y, i).forEach((row, b) => {
        this.#result[b]!.set(row, this.#rows[i]! * widths[b]!);
      });
    }
    const stay = Array.from(this.#rows.keys()).filter((i) => !finished.includes(i));
    stay.forEach((from, i) => {
      for (const kept of [this.#y, this.#stages[0]!]) {
        this.#row(kept, from).forEach((row, b) => {
          kept[b]!.set(row, i * widths[b]!);
        });
      }
    });
    this.#rows = Int32Array.from(stay, (i) => this.#rows[i]!);
    this.#t = Float64Array.from(stay, (i) => this.#t[i]!);
    this.#h = Float64Array.from(stay, (i) => this.#h[i]!);
    this.#retry = Uint8Array.from(stay, (i) => this.#retry[i]!);
    this.#y = head(this.#y, stay.length, widths);
    this.#stages = this.#stages.map((stage) => head(stage, stay.length, widths));
    this.#trial = head(this.#trial, stay.length, widths);
    this.#error = head(this.#error, stay.length, widths);
  }
}

/** Dense output: states at chosen times, collected until the last sample has passed each. */
class Frames {
  readonly #output: DenseOutput;
  readonly #direction: number;
  readonly #width: number;
  /** The next time that each sample has to pass. */
  readonly #next: Int32Array;
  readonly #pending = new Map<number, { y: Float64Array; slope: Float64Array; missing: number }>();
  #delivered = 0;

  constructor(output: DenseOutput, samples: number, width: number, direction: number) {
    this.#output = output;
    this.#direction = direction;
    this.#width = width;
    this.#next = new Int32Array(samples);
  }

  /** Delivers the state at the start where it is among the times. */
  async start(y: Float64Array, slope: Float64Array, from: number): Promise<void> {
    if (this.#output.times[0] !== from) return;
    await this.#output.visit(0, y.slice(), slope.slice());
    this.#delivered = 1;
    this.#next.fill(1);
  }

  /** Sample `sample`, in row i, steps from t to `next`. */
  pass(sample: number, i: number, t: number, next: number, y: Float64Array, stages: readonly Blocks[]): void {
    const width = this.#width;
    for (;;) {
      const k = this.#next[sample]!;
      const time = this.#output.times[k];
      if (time === undefined || this.#direction * (time - next) > 0) return;
      this.#next[sample]!++;
      const frame = this.#frame(k);
      const theta = (time - t) / (next - t);
      const [weights, slopes] = [interpolant(theta), interpolantSlope(theta)];
      for (let e = 0; e < width; e++) {
        let [step, slope] = [0, 0];
        for (const [s, stage] of stages.entries()) {
          const value = stage[0]![i * width + e]!;
          step += weights[s]! * value;
          slope += slopes[s]! * value;
        }
        frame.y[sample * width + e] = y[i * width + e]! + (next - t) * step;
        frame.slope[sample * width + e] = slope;
      }
      frame.missing--;
    }
  }

  async deliver(): Promise<void> {
    for (;;) {
      const frame = this.#pending.get(this.#delivered);
      if (!frame || frame.missing > 0) return;
      this.#pending.delete(this.#delivered);
      await this.#output.visit(this.#delivered++, frame.y, frame.slope);
    }
  }

  #frame(k: number): { y: Float64Array; slope: Float64Array; missing: number } {
    const size = this.#next.length * this.#width;
    const frame = this.#pending.get(k) ?? {
      y: new Float64Array(size),
      slope: new Float64Array(size),
      missing: this.#next.length,
    };
    this.#pending.set(k, frame);
    return frame;
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
