import type { Device, Elements } from '../device/device.js';
import { NonFiniteScoreError } from '../errors.js';
import { commandsOf, type Commands } from '../score/commands.js';
import type { ClosedForm, Companions, ScoreModel } from '../score/model.js';
import { estimateCoefficients } from '../score/parameterization.js';
import type { Level } from '../sde/level.js';

/** The samples of a batch, as their model sees them. */
interface Evaluated {
  /** Samples in the batch. */
  readonly size: number;
  /** Global index of the first, which errors name. */
  readonly first: number;
  /** A class for every sample. */
  readonly labels: Int32Array | undefined;
  /** Whether states are double. */
  readonly isDouble: boolean;
  /** Whether a network that takes its last estimate of x_0 gets it. */
  readonly selfConditioned: boolean;
  /** Aborts evaluations. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Evaluates a model on states of a batch, [size, ...shape]: by commands of their device, or, where a user wrote the model in JavaScript, on
 * ordinary arrays. It owns what the model takes and gives beside the state.
 */
export class Evaluator {
  /** Raw output F of the last evaluation: single, or as precise as the states where the model has a closed form. */
  readonly output: Elements;
  /** What the last evaluation says of the variance of a reverse step, where the network predicts it. */
  readonly variance: Elements | undefined;
  /** Where states are double, room for one as networks take it. */
  readonly rounded: Elements | undefined;
  readonly #model: ScoreModel;
  readonly #device: Device;
  readonly #rows: Evaluated;
  /** Where each row is. */
  readonly #levels: Level[];
  /** The evaluation as commands, by the state that it is bound to; none where it has to be awaited. */
  readonly #commands = new Map<Elements, Commands>();
  /** The last estimates of x_0, zero before the first, for a network that takes them. */
  readonly #estimate: Elements | undefined;
  readonly #coefficients: Float64Array;

  constructor(model: ScoreModel, device: Device, elements: number, rows: Evaluated) {
    const { size, isDouble, selfConditioned } = rows;
    this.#model = model;
    this.#device = device;
    this.#rows = rows;
    this.output = device.allocate(elements, model.closedForm && isDouble ? 'double' : 'single');
    this.variance = model.learnedVariance ? device.allocate(elements, 'single') : undefined;
    this.rounded = isDouble ? device.allocate(elements, 'single') : undefined;
    this.#estimate =
      model.selfConditions && selfConditioned ? device.allocate(elements, 'single') : undefined;
    this.#levels = new Array<Level>(size);
    this.#coefficients = new Float64Array(3 * size);
  }

  /**
   * Evaluates the model on a state, of which all rows are at one level. Commands are enqueued; anything else is awaited.
   * @param step what errors call the step. NonFiniteScoreError is thrown by whatever is awaited next.
   */
  evaluate(state: Elements, level: Level, step: number): void | Promise<void> {
    this.#levels.fill(level);
    const commands = this.#commandsFor(state);
    if (!commands) return this.#await(state, level, step);
    if (this.rounded && !this.#model.closedForm) this.#device.copy(this.rounded, state);
    commands(this.#levels, this.#rows.labels);
    this.#finish(state, level, step);
  }

  /** Lets another estimate of x_0, clipped say, be that of the last evaluation. */
  conditionOn(estimate: Elements): void {
    if (this.#estimate) this.#device.copy(this.#estimate, estimate);
  }

  #commandsFor(state: Elements): Commands | undefined {
    const input = this.#model.closedForm ? state : (this.rounded ?? state);
    let commands = this.#commands.get(input);
    if (!commands) {
      const companions: Companions<Elements> = { estimate: this.#estimate, variance: this.variance };
      commands = commandsOf(this.#model)?.(this.#device, input, this.output, companions);
      if (commands) this.#commands.set(input, commands);
    }
    return commands;
  }

  async #await(state: Elements, level: Level, step: number): Promise<void> {
    const { closedForm } = this.#model;
    if (closedForm && this.#rows.isDouble) await this.#evaluateExactly(state, closedForm);
    else await this.#evaluateOnArrays(state);
    this.#finish(state, level, step);
  }

  async #evaluateExactly(state: Elements, closedForm: ClosedForm): Promise<void> {
    const x = (await this.#device.read(state)) as Float64Array;
    this.#device.write(this.output, closedForm.evaluate(x, this.#levels, this.#rows.labels));
  }

  /** On arrays that are the model's until it settles. */
  async #evaluateOnArrays(state: Elements): Promise<void> {
    const device = this.#device;
    if (this.rounded) device.copy(this.rounded, state);
    const x = (await device.read(this.rounded ?? state)) as Float32Array;
    const output = new Float32Array(x.length);
    const estimate = this.#estimate && ((await device.read(this.#estimate)) as Float32Array);
    const variance = this.variance && new Float32Array(x.length);
    const { labels, signal } = this.#rows;
    await this.#model.evaluate(x, this.#levels, output, labels, signal, { estimate, variance });
    device.write(this.output, output);
    if (variance) device.write(this.variance, variance);
  }

  /** Looks for what is not finite, and keeps the estimate of x_0 for the next evaluation. */
  #finish(state: Elements, level: Level, step: number): void {
    const { size, first } = this.#rows;
    this.#device.requireFinite(
      this.output,
      size,
      (sample) => new NonFiniteScoreError(step, first + sample, level.t),
    );
    if (!this.#estimate) return;
    const score = this.#model.coefficients(level);
    const x0 = estimateCoefficients(this.#model.parameterization, level, score);
    // Where no signal is left, there may be no estimate.
    if (!Number.isFinite(x0.state) || !Number.isFinite(x0.output)) return;
    for (let b = 0; b < size; b++) this.#coefficients.set([x0.state, x0.output, 0], 3 * b);
    this.#device.affine(this.#estimate, [this.rounded ?? state, this.output], this.#coefficients);
  }
}
