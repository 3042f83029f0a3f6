import { cpu } from '../../device/cpu.js';
import type { Device, Elements } from '../../device/device.js';
import { NonFiniteScoreError } from '../../errors.js';
import { commandsOf, type Commands } from '../../score/commands.js';
import { evaluateAt } from '../../score/derivative.js';
import type { ScoreModel } from '../../score/model.js';
import { elementCount } from '../../shape.js';
import { levelAt, type Level } from '../../sde/level.js';
import { after, type Blocks, type Ode } from './ode.js';
import { addRuns, costAt } from '../counts.js';

export interface FlowOptions {
  /** Global index of the first sample, for errors. Default 0. */
  readonly first?: number;
  /** A class for every sample. */
  readonly labels?: Int32Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where the states are. Default: ordinary arrays. */
  readonly device?: Device | undefined;
}

/** Where rows are in time, and their classes. */
export interface Places {
  readonly levels: readonly Level[];
  readonly labels?: Int32Array | undefined;
}

/** Arrays for evaluations of so many rows. */
interface Workspace {
  /** The state as the model takes it. */
  readonly input: Elements;
  /** F, of the last evaluation. */
  readonly output: Elements;
  /** The evaluation as commands; absent where it has to be awaited. */
  readonly commands: Commands | undefined;
}

/**
 * The probability-flow ODE dx/dt = f(t) x - g(t)^2 s(x, t) / 2, whose solutions have the marginals p_t of the SDE
 * (Song et al. 2021, equation 13).
 */
export class ProbabilityFlow implements Ode {
  readonly widths: readonly number[];
  readonly model: ScoreModel;
  readonly device: Device;
  /** Runs of each network so far, for every sample. */
  readonly networks: Record<string, number>[] = [];
  readonly #options: FlowOptions;
  readonly #workspaces = new Map<number, Workspace>();
  #evaluations = 0;

  constructor(model: ScoreModel, options: FlowOptions = {}) {
    this.model = model;
    this.device = options.device ?? cpu;
    this.#options = options;
    this.widths = [elementCount(model.shape)];
  }

  derivative(t: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): void | Promise<void> {
    const places = this.places(t, rows);
    return after(this.evaluate(y[0]!, places, rows), () => {
      this.drift(y[0]!, places, out[0]!);
    });
  }

  places(t: Float64Array, rows: Int32Array): Places {
    const { labels } = this.#options;
    const levels = Array.from(t, (time) => levelAt(this.model, time));
    return { levels, labels: labels && Int32Array.from(rows, (row) => labels[row]!) };
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** Where F is after an evaluation of so many rows. */
  output(rows: number): Elements {
    return this.#workspace(rows).output;
  }

  /**
   * F of the rows x, into {@link output}, or by `how`, which writes it there.
   * @throws the signal's reason when aborted; the device's work ends with NonFiniteScoreError.
   */
  evaluate(
    x: Elements,
    places: Places,
    rows: Int32Array,
    how: () => void | Promise<void> = () => this.evaluateModel(x, places),
  ): void | Promise<void> {
    this.#options.signal?.throwIfAborted();
    const { levels } = places;
    return after(how(), () => {
      const step = this.#evaluations++;
      this.device.requireFinite(this.output(rows.length), rows.length, (row) => {
        const sample = (this.#options.first ?? 0) + rows[row]!;
        return new NonFiniteScoreError(step, sample, levels[row]!.t);
      });
      rows.forEach((row, i) => {
        addRuns((this.networks[row] ??= {}), costAt(this.model, levels[i]!));
      });
    });
  }

  /** F of the rows x, into {@link output}. */
  evaluateModel(x: Elements, { levels, labels }: Places): void | Promise<void> {
    const { input, output, commands } = this.#workspace(levels.length);
    if (!commands) return this.#await(x, { levels, labels }, output);
    this.device.copy(input, x);
    commands(levels, labels);
  }

  /** The evaluation on ordinary arrays. */
  async #await(x: Elements, places: Places, output: Elements): Promise<void> {
    const { signal } = this.#options;
    const state = (await this.device.read(x)) as Float64Array;
    this.device.write(output, await evaluateAt(this.model, { x: state, ...places, signal }));
  }

  /** dx <- f x - share g^2 (p x + q F), the share being 1/2 in this ODE, and 1 in the SDE backwards in time. */
  drift(x: Elements, { levels }: Places, dx: Elements, share = 0.5): void {
    const table = new Float64Array(3 * levels.length);
    levels.forEach((level, i) => {
      const weight = share * this.model.sde.diffusion(level.t) ** 2;
      const score = this.model.coefficients(level);
      table[3 * i] = this.model.sde.drift(level.t) - weight * score.state;
      table[3 * i + 1] = -weight * score.output;
    });
    this.device.affine(dx, [x, this.output(levels.length)], table);
  }

  #workspace(rows: number): Workspace {
    let workspace = this.#workspaces.get(rows);
    if (!workspace) {
      const kind = this.model.closedForm ? 'double' : 'single';
      const [largest] = this.#workspaces.values();
      const roomy = largest && largest.output.length >= rows * this.widths[0]!;
      const part = (x: Elements) => this.device.rows(x, this.widths[0]!, 0, rows);
      const make = () => this.device.allocate(rows * this.widths[0]!, kind);
      const input = roomy ? part(largest.input) : make();
      const output = roomy ? part(largest.output) : make();
      workspace = { input, output, commands: commandsOf(this.model)?.(this.device, input, output) };
      this.#workspaces.set(rows, workspace);
    }
    return workspace;
  }
}
