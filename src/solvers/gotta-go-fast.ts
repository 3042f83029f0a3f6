import { Stream } from '../device/binding.js';
import type { Device, Elements } from '../device/device.js';
import { IntegrationError, OptionError } from '../errors.js';
import { checkChoice, checkKnown, checkNumber } from '../options.js';
import { checkStop } from '../sde/constants.js';
import { levelAt } from '../sde/level.js';
import { betweenLevels, levelDoubts, startOf } from './process-record.js';
import type { Batch } from './batch.js';
import { BrownianPath, freshIncrements, type Increments } from './brownian-path.js';
import { errorNorms, errorScales, extrapolations, rejections, solverOptions } from './names.js';
import { DenseFrames } from './ode/dense-output.js';
import { PARTS, parts } from './ode/parts.js';
import { ProbabilityFlow } from './ode/probability-flow-ode.js';
import type { Observer, Plan, Solver } from './solver.js';
import { denoise as denoiseAt } from './walk.js';

/** Options of {@link gottaGoFast}. */
export interface GottaGoFastOptions {
  /** Relative tolerance. Default 0.01. */
  readonly rtol?: number | undefined;
  /** Absolute tolerance. Default: a 256th of the data range, one step of a colour (0.0078 on [-1, 1], 0.0039 on [0, 1]). */
  readonly atol?: number | undefined;
  /** Length of the first step. Default 0.01 T. */
  readonly initialStep?: number | undefined;
  /** The step that an error asks for is shortened by this factor, below 1. Default 0.9. */
  readonly safety?: number | undefined;
  /** r, where an error E multiplies the step by E^-r; above 0 and at most 1. Default 0.9. */
  readonly exponent?: number | undefined;
  /** Error of a sample: the root mean square over its elements (`l2`, default), or that of the worst one (`max`). */
  readonly errorNorm?: (typeof errorNorms)[number] | undefined;
  /** What the relative tolerance is of: the larger of |x'| and that of the step before (`previous`, default), or |x'| alone (`current`). */
  readonly errorScale?: (typeof errorScales)[number] | undefined;
  /** What is accepted: the step of order 2 (`improved-euler`, default), or that of Euler and Maruyama (`none`). */
  readonly extrapolation?: (typeof extrapolations)[number] | undefined;
  /** What becomes of the noise of a rejected step: it stays (`bridge`, default), or other noise is drawn (`redraw`, published; biased). */
  readonly reject?: (typeof rejections)[number] | undefined;
  /** Time at which sampling stops. Default: the SDE's. */
  readonly epsilon?: number | undefined;
  /** `tweedie` (default): one more evaluation at epsilon gives the posterior mean of x_0. `none`: x at epsilon. */
  readonly denoise?: 'tweedie' | 'none' | undefined;
}

type Settings = {
  readonly [K in keyof GottaGoFastOptions]-?: Exclude<GottaGoFastOptions[K], undefined>;
};

/**
 * The SDE backwards in time with adaptive steps, of each sample its own (Jolicoeur-Martineau et al. 2021, algorithm 1): a step of
 * Euler and Maruyama and one of the improved Euler method with the same noise, whose difference is the error. Two evaluations an
 * attempted step, in double precision. Published code draws other noise after a rejection, which favours steps with small errors and
 * biases the samples; here noise once drawn is kept by a Brownian bridge, unless `reject` is `redraw`.
 *
 * Its plan counts hundredths of the way in time instead of steps; what observers see there is interpolated.
 */
export function gottaGoFast(options: GottaGoFastOptions = {}): Solver {
  checkKnown(options, solverOptions.ggf);
  const { rtol = 0.01, safety = 0.9, exponent = 0.9, denoise = 'tweedie' } = options;
  const { errorNorm = 'l2', errorScale = 'previous' } = options;
  const { extrapolation = 'improved-euler', reject = 'bridge' } = options;
  checkNumber('rtol', rtol, 0, true);
  if (options.atol !== undefined) checkNumber('atol', options.atol, 0);
  if (options.initialStep !== undefined) checkNumber('initialStep', options.initialStep, 0);
  // At 1 a rejected step need not become shorter.
  if (!(Number.isFinite(safety) && safety > 0 && safety < 1))
    throw new OptionError('safety', safety, 'a number above 0 and below 1');
  if (!(Number.isFinite(exponent) && exponent > 0 && exponent <= 1))
    throw new OptionError('exponent', exponent, 'a number above 0 and at most 1');
  checkChoice('errorNorm', errorNorm, errorNorms);
  checkChoice('errorScale', errorScale, errorScales);
  checkChoice('extrapolation', extrapolation, extrapolations);
  checkChoice('reject', reject, rejections);
  checkChoice('denoise', denoise, ['tweedie', 'none']);
  return {
    name: 'ggf',
    plan(model): Plan {
      const { sde } = model;
      const [low, high] = sde.dataRange;
      const settings: Settings = {
        ...{ rtol, atol: options.atol ?? (high - low) / 256 },
        ...{ initialStep: options.initialStep ?? 0.01 * sde.T, safety, exponent },
        ...{ errorNorm, errorScale, extrapolation, reject },
        ...{ epsilon: checkStop(options.epsilon ?? sde.epsilon, sde), denoise },
      };
      return {
        steps: PARTS,
        options: { solver: 'ggf', ...settings, ...startOf(model), ...betweenLevels(model) },
        warnings: levelDoubts(model),
        async run(batch, observer) {
          const steps = new Steps(batch, settings, observer);
          for (let attempt = 0; steps.active; attempt++) await steps.attempt(attempt);
          steps.finish();
          if (denoise === 'tweedie') await denoiseAt(batch, levelAt(model, settings.epsilon), PARTS);
        },
      };
    },
  };
}

/** A batch whose samples are each at a time of their own. */
class Steps {
  readonly #batch: Batch;
  readonly #settings: Settings;
  readonly #device: Device;
  readonly #flow: ProbabilityFlow;
  readonly #increments: Increments;
  readonly #frames: DenseFrames;
  readonly #width: number;
  /** Samples under way. */
  #rows: Int32Array;

  // Of all samples, one row each.
  readonly #t: Float64Array;
  readonly #h: Float64Array;
  readonly #evaluations: Int32Array;
  readonly #rejected: Int32Array;
  readonly #x: Elements;
  /** x' of the last accepted step. */
  readonly #previous: Elements;

  // Of samples under way, in their order.
  readonly #work: readonly Elements[];
  readonly #squares: Elements;

  constructor(batch: Batch, settings: Settings, observer: Observer) {
    const { model, device, first, labels, signal, size } = batch;
    const { T } = model.sde;
    const array = () => device.allocate(batch.x.length, 'double');
    this.#batch = batch;
    this.#settings = settings;
    this.#device = device;
    this.#flow = new ProbabilityFlow(model, { device, first, labels, signal });
    this.#width = batch.x.length / size;
    const redraw = settings.reject === 'redraw';
    const stream = redraw ? Stream.predictor : Stream.bridge;
    const noise = (attempt: number) => ({ ...batch.noise(stream, attempt), samples: first });
    const source = { device, samples: size, width: this.#width, noise };
    this.#increments = redraw ? freshIncrements(source) : new BrownianPath(source);
    this.#frames = new DenseFrames(device, parts(batch, settings.epsilon, observer), size, this.#width, -1);
    this.#rows = Int32Array.from({ length: size }, (_, row) => row);
    this.#t = new Float64Array(size).fill(T);
    this.#h = new Float64Array(size).fill(settings.initialStep);
    this.#evaluations = new Int32Array(size);
    this.#rejected = new Int32Array(size);
    this.#x = array();
    this.#previous = array();
    this.#work = Array.from({ length: 6 }, array);
    this.#squares = device.allocate(size, 'double');
    batch.isRandom = true;
    device.copy(this.#x, batch.x);
    device.copy(this.#previous, batch.x);
  }

  get active(): boolean {
    return this.#rows.length > 0;
  }

  /** One attempted step of every sample under way. */
  async attempt(number: number): Promise<void> {
    const { epsilon, extrapolation } = this.#settings;
    const { sde } = this.#batch.model;
    const rows = this.#rows;
    const [x, drift, euler, driftThere, improved, spare] = this.#work.map((array) =>
      this.#part(array, rows.length),
    ) as [Elements, Elements, Elements, Elements, Elements, Elements];
    const from = Float64Array.from(rows, (row) => this.#t[row]!);
    const to = from.map((t, i) => (this.#length(rows[i]!) < t - epsilon ? t - this.#h[rows[i]!]! : epsilon));
    const h = from.map((t, i) => t - to[i]!);
    const g = [from, to].map((times) => times.map((t) => sde.diffusion(t))) as [Float64Array, Float64Array];

    this.#device.gather(x, this.#x, rows);
    const elapsed = to.map((t) => sde.T - t);
    const dw = this.#increments.draw(rows, elapsed, number);
    await this.#drift(x, from, drift);
    if (number === 0) await this.#show(x, drift, spare);
    // x' = x - h d(x, t) + g(t) dW
    this.#combine(euler, [x, drift, dw], (i) => [1, -h[i]!, g[0][i]!]);
    await this.#drift(euler, to, driftThere);
    // x'' = (x' + x - h d(x', t - h) + g(t - h) dW) / 2
    this.#combine(improved, [x, euler, driftThere, dw], (i) => [0.5, 0.5, -h[i]! / 2, g[1][i]! / 2]);

    const errors = await this.#errors(euler, improved, spare);
    const accepted: number[] = [];
    for (const [i, row] of rows.entries()) {
      this.#evaluations[row]! += 2;
      this.#h[row] = this.#settings.safety * h[i]! * errors[i]! ** -this.#settings.exponent;
      if (!(errors[i]! <= 1)) {
        this.#rejected[row]! += 2;
        continue;
      }
      accepted.push(i);
      this.#pass(i, to[i]!, extrapolation === 'none' ? euler : improved);
      this.#t[row] = to[i]!;
      this.#increments.reach(row, elapsed[i]!);
    }
    this.#put(this.#x, extrapolation === 'none' ? euler : improved, accepted, spare);
    this.#put(this.#previous, euler, accepted, spare);
    await this.#frames.deliver();
    this.#rows = rows.filter((row) => this.#t[row]! > epsilon);
  }

  /** Gives the batch its samples and what they cost. */
  finish(): void {
    this.#batch.copy(this.#batch.x, this.#x);
    this.#batch.adapted(this.#evaluations, this.#rejected, this.#flow.networks);
  }

  /** Length of the next step of a sample. */
  #length(row: number): number {
    const [h, t] = [this.#h[row]!, this.#t[row]!];
    if (h > 10 * Number.EPSILON * t) return h;
    const { rtol, atol } = this.#settings;
    throw new IntegrationError(this.#batch.first + row, t, { rtol, atol });
  }

  /** out <- f x - g^2 s, the drift of the SDE backwards in time, at a time for each sample. */
  async #drift(x: Elements, times: Float64Array, out: Elements): Promise<void> {
    const places = this.#flow.places(times, this.#rows);
    await this.#flow.evaluate(x, places, this.#rows);
    this.#flow.drift(x, places, out, 1);
  }

  /** E of every sample: (x' - x'') / max(atol, rtol |x'|), in the norm that was asked for. */
  async #errors(euler: Elements, improved: Elements, spare: Elements): Promise<Float64Array> {
    const { rtol, atol, errorNorm, errorScale } = this.#settings;
    const { length } = this.#rows;
    let before = euler;
    if (errorScale === 'previous') {
      before = this.#part(this.#work[0]!, length); // x is no longer needed but for frames
      this.#device.gather(before, this.#previous, this.#rows);
    }
    this.#combine(spare, [euler, improved], () => [1, -1]);
    const squares = this.#device.rows(this.#squares, 1, 0, length);
    const measure = { rtol, atol, scale: 'larger', norm: errorNorm } as const;
    this.#device.scaledErrors(spare, before, euler, measure, squares);
    return Float64Array.from(await this.#device.read(squares), Math.sqrt);
  }

  /** The batch at the start, where all samples are at T. */
  async #show(x: Elements, drift: Elements, slope: Elements): Promise<void> {
    const { sde } = this.#batch.model;
    this.#combine(slope, [x, drift], () => [sde.drift(sde.T) / 2, 0.5]);
    await this.#frames.start(x, slope, sde.T);
  }

  /** Sample i of those under way is accepted at `next`: what is between is interpolated, with the slope of the probability-flow ODE. */
  #pass(i: number, next: number, accepted: Elements): void {
    const row = this.#rows[i]!;
    const one = (x: Elements, at: number) => this.#device.rows(x, this.#width, at, 1);
    const states = [one(this.#x, row), one(accepted, i)];
    const drifts = [one(this.#work[1]!, i), one(this.#work[3]!, i)];
    this.#frames.pass(row, this.#t[row]!, next, (y, slope, share, time) => {
      this.#device.affine(y, states, Float64Array.of(1 - share, share, 0));
      const half = this.#batch.model.sde.drift(time) / 2;
      this.#device.affine(slope, [y, ...drifts], Float64Array.of(half, (1 - share) / 2, share / 2, 0));
    });
  }

  /** These samples under way have new values in an array of all. */
  #put(all: Elements, values: Elements, accepted: readonly number[], spare: Elements): void {
    if (accepted.length === 0) return;
    const moved = this.#part(spare, accepted.length);
    this.#device.gather(moved, values, Int32Array.from(accepted));
    const rows = Int32Array.from(accepted, (i) => this.#rows[i]!);
    this.#device.scatter(all, moved, rows);
  }

  /** out <- sum of coefficient times operand, with coefficients for sample i of those under way. */
  #combine(
    out: Elements,
    operands: readonly Elements[],
    coefficients: (i: number) => readonly number[],
  ): void {
    const columns = operands.length + 1;
    const table = new Float64Array(this.#rows.length * columns);
    for (let i = 0; i < this.#rows.length; i++) table.set(coefficients(i), i * columns);
    this.#device.affine(out, operands, table);
  }

  /** Room for so many samples. */
  #part(x: Elements, count: number): Elements {
    return this.#device.rows(x, this.#width, 0, count);
  }
}
