import { NonFiniteScoreError, OptionError } from '../../errors.js';
import type { State } from '../../device/binding.js';
import { cpu } from '../../device/cpu.js';
import type { Elements } from '../../device/device.js';
import { evaluateAt, type Points } from '../../score/derivative.js';
import type { ScoreModel } from '../../score/model.js';
import { elementCount } from '../../shape.js';
import { levelAt } from '../../sde/level.js';
import type { Blocks, Ode } from './ode.js';
import { addRuns, costAt } from '../counts.js';
import { Turns } from '../turns.js';

export interface FlowOptions {
  /** Global index of the first sample, for errors. Default 0. */
  readonly first?: number;
  /** A class for every sample. */
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The probability-flow ODE dx/dt = f(t) x - g(t)^2 s(x, t) / 2, whose solutions have the marginals p_t of the SDE
 * (Song et al. 2021, equation 13).
 */
export class ProbabilityFlow implements Ode {
  readonly widths: readonly number[];
  readonly model: ScoreModel;
  /** Runs of each network so far, for every sample. */
  readonly networks: Record<string, number>[] = [];
  readonly #options: FlowOptions;
  readonly #turns = new Turns();
  #evaluations = 0;

  /** @throws OptionError for a model that knows only discrete levels. */
  constructor(model: ScoreModel, options: FlowOptions = {}) {
    requireContinuousTime(model);
    this.model = model;
    this.#options = options;
    this.widths = [elementCount(model.shape)];
  }

  async derivative(t: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): Promise<void> {
    const points = this.points(t, y[0]!, rows);
    this.drift(points, await this.evaluate(points, rows), out[0]!);
  }

  points(t: Float64Array, x: Elements, rows: Int32Array): Points {
    const { labels, signal } = this.#options;
    const levels = Array.from(t, (time) => levelAt(this.model, time));
    const own = labels && Int32Array.from(rows, (row) => labels[row]!);
    return { x: x as Float64Array, levels, labels: own, signal };
  }

  /**
   * F at the points, by `how`.
   * @throws NonFiniteScoreError, and the signal's reason when aborted.
   */
  async evaluate(
    points: Points,
    rows: Int32Array,
    how: (points: Points) => Promise<State> = (at) => evaluateAt(this.model, at),
  ): Promise<State> {
    this.#options.signal?.throwIfAborted();
    const output = await how(points);
    await this.#turns.yield();
    const norms = new Float64Array(rows.length);
    cpu.dots(output, output, norms);
    const bad = norms.findIndex((norm) => !Number.isFinite(norm));
    if (bad >= 0) {
      const sample = (this.#options.first ?? 0) + rows[bad]!;
      throw new NonFiniteScoreError(this.#evaluations, sample, points.levels[bad]!.t);
    }
    this.#evaluations++;
    rows.forEach((row, i) => {
      addRuns((this.networks[row] ??= {}), costAt(this.model, points.levels[i]!));
    });
    return output;
  }

  /** dx <- f x - g^2 / 2 (p x + q F). */
  drift({ x, levels }: Points, output: State, dx: Elements): void {
    const table = new Float64Array(3 * levels.length);
    levels.forEach((level, i) => {
      const half = this.model.sde.diffusion(level.t) ** 2 / 2;
      const score = this.model.coefficients(level);
      table[3 * i] = this.model.sde.drift(level.t) - half * score.state;
      table[3 * i + 1] = -half * score.output;
    });
    cpu.affine(dx, [x, output], table);
  }
}

/** @throws OptionError for a model that knows only discrete levels. */
export function requireContinuousTime(model: ScoreModel): void {
  if (!model.ladder) return;
  throw new OptionError(
    'model',
    model,
    `a model in continuous time: this one was trained on ${model.ladder.levels} discrete levels, between which its ` +
      'score is not defined',
  );
}
