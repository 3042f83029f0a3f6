import { NonFiniteScoreError } from '../errors.js';
import { Stream, type NoiseAddress } from '../device/binding.js';
import { affine, dots, fillNormal } from '../device/kernels.js';
import type { At, ScoreModel } from '../score/model.js';
import type { Update } from './predictors.js';
import { Turns } from './turns.js';

/** Network evaluations that each sample went through, by purpose. */
export interface Counts {
  /** Score evaluations of predictors and correctors. */
  score: number;
  /** Evaluations of the final denoising. */
  denoise: number;
  /** Evaluations in steps that an adaptive solver rejected. */
  rejected: number;
  /** Jacobian-vector products. */
  jvp: number;
  /** Vector-Jacobian products. */
  vjp: number;
}

export function noCounts(): Counts {
  return { score: 0, denoise: 0, rejected: 0, jvp: 0, vjp: 0 };
}

/** A time, and the integer level where the process is a discrete ladder. */
export interface Time {
  readonly t: number;
  readonly index?: number;
}

export interface BatchOptions {
  /** Samples in the batch. */
  readonly size: number;
  /** Global index of the first sample, which addresses the noise. */
  readonly first: number;
  readonly seed: bigint;
  /** A class for every sample of the batch. */
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A batch on its way through a solver: its state, the network's last output for it, and what it cost so far. */
export class Batch {
  readonly model: ScoreModel;
  readonly size: number;
  readonly first: number;
  /** A class for every sample. */
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
  readonly x: Float32Array;
  /** Raw output F of the last evaluation; the score is `model.coefficients` applied to x and F. */
  readonly output: Float32Array;
  readonly counts: Counts = noCounts();
  /** Evaluations of every sample, rejected ones included, after an adaptive solver. */
  evaluations: Int32Array | undefined;
  readonly #seed: bigint;
  readonly #times: Float64Array;
  readonly #indices: Int32Array;
  readonly #norms: Float64Array;
  readonly #turns = new Turns();

  constructor(model: ScoreModel, options: BatchOptions) {
    const elements = options.size * model.shape.reduce((product, n) => product * n, 1);
    this.model = model;
    this.size = options.size;
    this.first = options.first;
    this.labels = options.labels;
    this.signal = options.signal;
    this.x = new Float32Array(elements);
    this.output = new Float32Array(elements);
    this.#seed = options.seed;
    this.#times = new Float64Array(options.size);
    this.#indices = new Int32Array(options.size);
    this.#norms = new Float64Array(options.size);
  }

  noise(stream: number, step = 0, substep = 0): NoiseAddress {
    return { seed: this.#seed, samples: this.first, step, stream, substep };
  }

  /** Draws the state from the prior N(0, sigma(T)^2 I). */
  drawPrior(): void {
    fillNormal(this.x, this.size, this.noise(Stream.prior));
    this.combine(this.x, [this.x], [this.model.sde.priorSigma]);
  }

  /** Runs the network on the state. Throws the signal's reason when aborted, and on a score that is not finite. */
  async evaluate({ t, index }: Time, step: number, purpose: 'score' | 'denoise' = 'score'): Promise<void> {
    this.signal?.throwIfAborted();
    this.#times.fill(t);
    let at: At = { t: this.#times };
    if (index !== undefined) at = { ...at, index: this.#indices.fill(index) };
    const pending = this.model.evaluate(this.x, at, this.output, this.labels);
    if (pending) await pending;
    else await this.#turns.yield();
    this.counts[purpose]++;
    dots(this.output, this.output, this.#norms);
    const bad = this.#norms.findIndex((norm) => !Number.isFinite(norm));
    if (bad >= 0) throw new NonFiniteScoreError(step, this.first + bad, t);
  }

  /** Takes the evaluations of an adaptive solver: `counts` becomes those of the sample that took the most. */
  adapted(evaluations: Int32Array, rejected: Int32Array): void {
    this.evaluations = evaluations;
    const most = evaluations.indexOf(evaluations.reduce((a, b) => Math.max(a, b)));
    this.counts.score += evaluations[most]! - rejected[most]!;
    this.counts.rejected += rejected[most]!;
  }

  /** x <- state x + score s + noise z with the score of the last evaluation, which was at `time`. */
  update({ state, score, noise }: Update, time: Time, address: NoiseAddress): void {
    const s = this.model.coefficients(time.t, time.index);
    const coefficients = [state + score * s.state, score * s.output];
    this.combine(
      this.x,
      [this.x, this.output],
      coefficients,
      noise === 0 ? undefined : { scale: noise, address },
    );
  }

  /** out <- the posterior mean of x_0 given the state, (x + sigma^2 s) / alpha (Tweedie's formula). */
  estimate(out: Float32Array, time: Time): void {
    const { alpha, sigma } = kernelAt(this.model, time);
    const s = this.model.coefficients(time.t, time.index);
    const variance = sigma ** 2;
    this.combine(
      out,
      [this.x, this.output],
      [(1 + variance * s.state) / alpha, (variance * s.output) / alpha],
    );
  }

  /** out <- sum of coefficient times operand, plus scaled noise; the same scalars for every sample. */
  combine(
    out: Float32Array,
    operands: readonly Float32Array[],
    coefficients: readonly number[],
    noise?: { scale: number; address: NoiseAddress },
  ): void {
    affine(out, operands, this.repeat([...coefficients, noise?.scale ?? 0]), noise?.address);
  }

  /** The same row of scalars for every sample, as the kernels take them. */
  repeat(row: readonly number[]): Float64Array {
    const table = new Float64Array(this.size * row.length);
    for (let b = 0; b < this.size; b++) table.set(row, b * row.length);
    return table;
  }
}

/** alpha and sigma of x_t | x_0: of the trained level where the model has levels, else of the SDE. */
function kernelAt({ sde, ladder }: ScoreModel, { t, index }: Time): { alpha: number; sigma: number } {
  if (ladder && index !== undefined) return { alpha: ladder.alpha[index]!, sigma: ladder.sigma[index]! };
  return { alpha: sde.alpha(t), sigma: sde.sigma(t) };
}
