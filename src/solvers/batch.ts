import {
  Stream,
  type Distribution,
  type NoiseAddress,
  type NormMode,
  type State,
} from '../device/binding.js';
import type { Device, Elements, Precision, ScaledNoise } from '../device/device.js';
import { OptionError } from '../errors.js';
import { elementCount } from '../shape.js';
import { commandsOf, openDevice } from '../score/commands.js';
import type { ScoreModel } from '../score/model.js';
import { estimateCoefficients } from '../score/parameterization.js';
import { levelAt, type Level } from '../sde/level.js';
import { addRuns, costAt, noCounts, type Counts } from './counts.js';
import { Evaluator } from './evaluator.js';

/** One step x' = state x + score s(x, t) + noise z; its mean is the same without the noise. */
export interface Update {
  /** Factor of the state x. */
  readonly state: number;
  /** Factor of the score. */
  readonly score: number;
  /** Factor of fresh standard normal noise. */
  readonly noise: number;
}

/** What is known of the samples, such as the pixels of a picture outside its hole: it acts after every move. */
export interface Constraint {
  /** What it is, for records and errors. */
  readonly name: string;
  /** The options as resolved, for the record of a run. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Puts what is known into the state, which is at `level`; after the denoising that is the data (sigma 0).
   * @param address of fresh noise.
   */
  apply(batch: Batch, level: Level, address: NoiseAddress): void | Promise<void>;
}

/** Which samples of a run a batch holds, and how they are drawn. */
export interface BatchOptions {
  /** Samples in the batch. */
  readonly size: number;
  /** Global index of the first sample, which addresses the noise. */
  readonly first: number;
  /** Of all noise, 0 to 2^64 - 1. */
  readonly seed: bigint;
  /** Position of the first sample in the run, and samples of the run: inputs of the run are sliced by them. Default: all. */
  readonly offset?: number | undefined;
  /** Samples of the run. Default `size`. */
  readonly count?: number | undefined;
  /** A class for every sample of the run. */
  readonly labels?: Int32Array | undefined;
  /** Precision of the state. Default `single`. */
  readonly precision?: Precision | undefined;
  /** Applied in their order after every move and after the denoising. Default: none. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** Whether a network that takes its last estimate of x_0 gets it; else it gets 0, as where rows change their places. Default true. */
  readonly selfConditioned?: boolean | undefined;
  /** Aborts the evaluations of the model. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A batch on its way through a solver: its state, the network's last output for it, and what it cost so far. Solvers give it
 * scalars; it alone touches elements, by the verbs of a device, which take effect later and in order: what is read is awaited.
 */
export class Batch {
  /** The model that is evaluated. */
  readonly model: ScoreModel;
  /** Samples in the batch. */
  readonly size: number;
  /** Index of its first sample in the run, which addresses the noise. */
  readonly first: number;
  /** A class for every sample. */
  readonly labels: Int32Array | undefined;
  /** Aborts evaluations. */
  readonly signal: AbortSignal | undefined;
  /** The state, [size, ...shape]. */
  readonly x: Elements;
  /** Raw output F of the last evaluation, [size, ...shape]; the score is the model's `coefficients` applied to x and F. */
  readonly output: Elements;
  /** What the last evaluation says of the variance of a reverse step, where the network predicts it. */
  readonly variance: Elements | undefined;
  /** The level of the last evaluation. */
  level!: Level;
  /** What it cost so far. */
  readonly counts: Counts = noCounts();
  /** Evaluations of every sample, rejected ones included, after an adaptive solver. */
  evaluations: Int32Array | undefined;
  /** Whether noise has entered since the start, so that the state is no function of it. Who draws by the device itself sets it. */
  isRandom = false;
  /** Where the arrays are. */
  readonly device: Device;
  readonly #options: BatchOptions;
  readonly #precision: Precision;
  readonly #evaluator: Evaluator;
  #placed: Elements | undefined;
  readonly #tables = new Map<number, Float64Array>();
  /** This batch's part of the inputs of the run. */
  readonly #inputs = new Map<Float32Array, Elements>();
  /** Room for small inputs, by what they are. */
  readonly #small = new Map<string, Elements>();

  constructor(model: ScoreModel, options: BatchOptions) {
    const { size, first, offset = 0, precision = 'single', selfConditioned = true, signal } = options;
    const elements = size * elementCount(model.shape);
    const labels = options.labels?.subarray(offset, offset + size);
    const isDouble = precision === 'double';
    this.device = openDevice(model, elements, signal);
    const evaluated = { size, first, labels, isDouble, selfConditioned, signal };
    this.#evaluator = new Evaluator(model, this.device, elements, evaluated);
    this.model = model;
    this.size = size;
    this.first = first;
    this.labels = labels;
    this.signal = signal;
    this.x = this.device.allocate(elements, precision);
    this.output = this.#evaluator.output;
    this.variance = this.#evaluator.variance;
    this.#options = options;
    this.#precision = precision;
  }

  /** Whether evaluations have to be awaited, as those of a function that a user wrote. */
  get isAwaited(): boolean {
    return commandsOf(this.model) === undefined;
  }

  /** The address of noise of this batch: its seed and first sample, with a stream, a step and a sub-step. */
  noise(stream: number, step = 0, substep = 0): NoiseAddress {
    return { seed: this.#options.seed, samples: this.first, step, stream, substep };
  }

  /** Another array like the state, for history and stages. */
  like(): Elements {
    return this.device.allocate(this.x.length, this.#precision);
  }

  /**
   * This batch's part of an input of the run, [count, ...shape] or one sample [...shape] for all: a measurement, say. Its values
   * may not change during the run.
   * @throws OptionError for another number of elements.
   */
  rowsOf(values: Float32Array): Elements {
    const elements = this.x.length / this.size;
    const { count = this.size, offset = 0 } = this.#options;
    let rows = this.#inputs.get(values);
    if (rows) return rows;
    const isOne = values.length === elements;
    if (!isOne && values.length !== count * elements) {
      const expected = `one sample of ${elements} elements, or ${count} of them`;
      throw new OptionError('values', values, expected);
    }
    rows = this.device.allocate(this.x.length, 'single');
    for (let b = 0; b < this.size; b++) {
      const from = isOne ? 0 : offset + b;
      const sample = values.subarray(from * elements, (from + 1) * elements);
      this.device.write(this.device.rows(rows, elements, b, 1), sample);
    }
    this.#inputs.set(values, rows);
    return rows;
  }

  /** Sets the state to values of the caller's, [size, ...shape]. */
  write(values: State): void {
    this.device.write(this.x, values);
  }

  /**
   * Puts a state of an ODE in its place, and the network's output that its slope dx/dt = f x - g^2 (p x + q F) / 2 implies,
   * as an evaluation at this level would. Both are double.
   */
  place(level: Level, state: Elements, slope: Elements): void {
    const { sde } = this.model;
    const s = this.model.coefficients(level);
    const half = sde.diffusion(level.t) ** 2 / 2;
    const output = (this.#placed ??= this.device.allocate(state.length, 'double'));
    this.combine(
      output,
      [state, slope],
      [(sde.drift(level.t) / half - s.state) / s.output, -1 / (half * s.output)],
    );
    this.level = level;
    this.copy(this.x, state);
    this.copy(this.output, output);
  }

  /** A copy of the values of an array of the batch. */
  read(elements: Elements = this.x): Promise<State> {
    return this.device.read(elements);
  }

  /** Draws the state from the prior N(0, deviation^2 I). */
  drawPrior(deviation: number = this.model.sde.priorSigma): void {
    // Solvers of both precisions start from the same points.
    const x = this.#evaluator.rounded ?? this.x;
    this.device.fill(x, this.size, 'normal', this.noise(Stream.prior));
    this.combine(x, [x], [deviation]);
    if (this.#evaluator.rounded) this.copy(this.x, x);
  }

  /** Fills an array of [size, ...shape] from a law at an address. */
  fill(out: Elements, distribution: Distribution, address: NoiseAddress): void {
    this.isRandom = true;
    this.device.fill(out, this.size, distribution, address);
  }

  /**
   * Evaluates the model on a state at a level; the output then belongs to both. A network is enqueued; a function that a user wrote
   * is awaited. What fails is thrown by whatever is awaited next: NonFiniteScoreError for a score that is not finite.
   *
   * @param step what errors call the step.
   * @throws the signal's reason when aborted.
   */
  evaluate(
    level: Level,
    step: number,
    { purpose = 'score', state = this.x }: { purpose?: 'score' | 'denoise'; state?: Elements } = {},
  ): void | Promise<void> {
    this.signal?.throwIfAborted();
    // The published loop has a ladder of its own, of which a model in continuous time knows the times alone.
    this.level = level.index !== undefined && !this.model.ladder ? levelAt(this.model, level.t) : level;
    this.#count(purpose);
    return this.#evaluator.evaluate(state, this.level, step);
  }

  /** Lets another estimate of x_0, clipped say, be that of the last evaluation. */
  conditionOn(estimate: Elements): void {
    this.#evaluator.conditionOn(estimate);
  }

  #count(purpose: 'score' | 'denoise'): void {
    this.counts[purpose]++;
    addRuns(this.counts.networks, costAt(this.model, this.level));
  }

  /**
   * Takes the evaluations of an adaptive solver: `counts` becomes those of the sample that took the most.
   * @param networks the runs of each network for every sample.
   */
  adapted(
    evaluations: Int32Array,
    rejected: Int32Array,
    networks: readonly Readonly<Record<string, number>>[],
  ): void {
    this.evaluations = evaluations;
    const most = evaluations.indexOf(evaluations.reduce((a, b) => Math.max(a, b)));
    this.counts.score += evaluations[most]! - rejected[most]!;
    this.counts.rejected += rejected[most]!;
    addRuns(this.counts.networks, networks[most]!);
  }

  /** x <- state x + score s + noise z with the score of the last evaluation; without an address, its mean. */
  update({ state, score, noise }: Update, address: NoiseAddress | undefined): void {
    const s = this.model.coefficients(this.level);
    const coefficients = [state + score * s.state, score * s.output];
    const scaled = noise === 0 || !address ? undefined : { scale: noise, address };
    this.combine(this.x, [this.x, this.output], coefficients, scaled);
  }

  /**
   * out <- the posterior mean of x_0 given the state, (x + sigma^2 s) / alpha (Tweedie's formula).
   * @param state that the last evaluation was of.
   */
  estimate(out: Elements, state: Elements = this.x): void {
    const score = this.model.coefficients(this.level);
    const x0 = estimateCoefficients(this.model.parameterization, this.level, score);
    this.combine(out, [state, this.output], [x0.state, x0.output]);
  }

  /** out <- sum of coefficient times operand, plus scaled noise; the same scalars for every sample. */
  combine(
    out: Elements,
    operands: readonly Elements[],
    coefficients: readonly number[],
    noise?: ScaledNoise,
  ): void {
    if (noise && noise.scale !== 0) this.isRandom = true;
    this.device.affine(out, operands, this.#table([...coefficients, noise?.scale ?? 0]), noise?.address);
  }

  /** x <- x + e s + sqrt(2 e) z with e = factor (|z| / |s|)^2, the norms taken as `norm` says. */
  langevin(factor: number, norm: NormMode, address: NoiseAddress): void {
    this.isRandom = true;
    const s = this.model.coefficients(this.level);
    this.device.langevin(this.x, this.output, this.#table([s.state, s.output, factor]), norm, address);
  }

  /** x <- x + e^(shift + factor v) z, with v what the last evaluation says of the variance. */
  addNoise(shift: number, factor: number, address: NoiseAddress): void {
    this.isRandom = true;
    this.device.addNoise(this.x, this.variance!, this.#table([shift, factor]), address);
  }

  /** out <- min(max(out, low), high). */
  clip(out: Elements, low: number, high: number): void {
    this.device.clip(out, low, high);
  }

  /** Every sample of out towards the middle of the range, until the quantile of its distances from there lies within; then clipped. */
  threshold(out: Elements, range: readonly [number, number], quantile: number): void {
    this.device.threshold(out, this.size, range, quantile);
  }

  /**
   * In the coordinates of an orthonormal `basis` over the channels (default: the channels themselves), puts alpha y + sigma z
   * where the mask is set: what was measured, with the noise of the level. A double state is rounded to float32 there.
   *
   * @param y as {@link rowsOf} takes it.
   * @param mask [...shape], 0 or not.
   * @param basis [channels, channels], row-major.
   */
  project(
    y: Float32Array,
    mask: Float32Array,
    { alpha, sigma }: Level,
    address: NoiseAddress,
    basis?: Float32Array,
  ): void {
    if (sigma !== 0) this.isRandom = true;
    const x = this.#evaluator.rounded ?? this.x;
    if (this.#evaluator.rounded) this.copy(x, this.x);
    const coefficients = this.#table([alpha, sigma]);
    const own = basis && this.#put('basis', basis);
    this.device.project(x, this.rowsOf(y), this.#put('mask', mask), coefficients, address, own);
    if (this.#evaluator.rounded) this.copy(this.x, x);
  }

  /** A small input on the device. */
  #put(name: string, values: Float32Array): Elements {
    let place = this.#small.get(name);
    if (place?.length !== values.length) {
      place = this.device.allocate(values.length, 'single');
      this.#small.set(name, place);
    }
    this.device.write(place, values);
    return place;
  }

  /** Copies an array. */
  copy(out: Elements, from: Elements): void {
    this.device.copy(out, from);
  }

  /** Lets every constraint act on the state, which is at `level`. */
  async constrain(level: Level, step: number, substep: number): Promise<void> {
    const address = this.noise(Stream.measurement, step, substep);
    for (const constraint of this.#options.constraints ?? []) await constraint.apply(this, level, address);
  }

  /** Settles once all that was asked for has happened. @throws what failed, or the signal's reason. */
  settled(): Promise<void> {
    return this.device.settled();
  }

  /** Ends what is under way, and gives the memory back. */
  close(): Promise<void> {
    return this.device.close();
  }

  /** The same row of scalars for every sample, as the kernels take them. */
  #table(row: readonly number[]): Float64Array {
    let table = this.#tables.get(row.length);
    if (!table) this.#tables.set(row.length, (table = new Float64Array(this.size * row.length)));
    for (let b = 0; b < this.size; b++) table.set(row, b * row.length);
    return table;
  }
}
