import type { State } from '../../device/binding.js';
import type { Elements, Precision } from '../../device/device.js';
import type { DerivativeCost, Points, Probes, ScoreDerivative } from '../../score/derivative.js';
import { after, type Blocks, type Ode } from './ode.js';
import type { Places, ProbabilityFlow } from './probability-flow-ode.js';

/** Arrays for products of so many rows. */
interface Workspace {
  readonly state?: Elements;
  readonly vector: Elements;
  readonly product: Elements;
  readonly sums: Elements;
  /** product <- (dF/dx) vector at x, or its transpose where the vector is on the other side too. */
  readonly multiply: (x: Elements, places: Places) => void;
}

/**
 * How the divergence of the score is had from products v . (ds/dx) v: exactly, from the unit vectors, or by Hutchinson's
 * estimate from random vectors, [samples, ...shape] each, that stay the same along the whole trajectory.
 */
export type Trace = 'exact' | readonly Float32Array[];

/**
 * The probability-flow ODE together with the change of the log-density along it, d(log p)/dt = -div(dx/dt)
 * (Song et al. 2021, equation 39). The blocks are x and, for the exact trace or for every random vector, the integral of
 *
 *     -g(t)^2 / 2 div s(x, t)
 *
 * per dimension; the divergence d f(t) of the linear drift has an integral in closed form, d ln alpha.
 */
export class LogDensityFlow implements Ode {
  readonly widths: readonly number[];
  /** Evaluations in one evaluation of the right-hand side. */
  readonly cost: DerivativeCost;
  readonly #flow: ProbabilityFlow;
  readonly #derivative: ScoreDerivative;
  readonly #trace: Trace;
  readonly #workspaces = new Map<number, Workspace>();
  /** The random vectors on the device. */
  readonly #vectors: readonly Elements[];
  #rows: Int32Array | undefined;
  #selected: readonly Float32Array[] = [];

  constructor(flow: ProbabilityFlow, derivative: ScoreDerivative, trace: Trace) {
    const dimension = flow.widths[0]!;
    const { device } = flow;
    this.#flow = flow;
    this.#derivative = derivative;
    this.#trace = trace;
    this.widths = [dimension, trace === 'exact' ? 1 : trace.length];
    const probes = trace !== 'exact' ? trace.length : derivative.trace ? 0 : dimension;
    this.cost = derivative.cost(probes);
    this.#vectors = ((derivative.bind ?? derivative.commands) && trace !== 'exact' ? trace : []).map(
      (values) => {
        const vectors = device.allocate(values.length, 'single');
        device.write(vectors, values);
        return vectors;
      },
    );
  }

  derivative(t: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): void | Promise<void> {
    const [x, traces] = [y[0]!, out[1]!];
    const flow = this.#flow;
    const places = flow.places(t, rows);
    const products = () => this.#products(x, places, rows, traces);
    return after(flow.evaluate(x, places, rows, products), () => {
      flow.drift(x, places, out[0]!);
      const rates = places.levels.flatMap((level) => {
        const score = flow.model.coefficients(level);
        return [-(flow.model.sde.diffusion(level.t) ** 2 / 2), score.state, score.output];
      });
      flow.device.traceRates(traces, this.widths[0]!, Float64Array.from(rates));
    });
  }

  /** F, and its divergence or the estimates of it. */
  #products(x: Elements, places: Places, rows: Int32Array, out: Elements): void | Promise<void> {
    const { commands } = this.#derivative;
    const { device } = this.#flow;
    const exact = this.#trace === 'exact';
    if (commands && exact) {
      commands.divergence(device, x, out, places.levels, places.labels);
      return this.#flow.evaluateModel(x, places);
    }
    const workspace = this.#workspace(rows.length);
    if (!workspace) return this.#await(x, places, rows, out);
    const { vector, product, sums, multiply } = workspace;
    // A network gives F with its products.
    if (commands) void this.#flow.evaluateModel(x, places);
    const count = exact ? this.widths[0]! : this.#trace.length;
    const units = exact ? unitVectors(rows.length, count) : undefined;
    for (let j = 0; j < count; j++) {
      if (units) device.write(vector, units.vector(j));
      else device.gather(vector, this.#vectors[j]!, rows);
      multiply(x, places);
      const first = j === 0 && (exact || count === 1);
      device.dots(vector, product, first ? out : sums);
      if (first) continue;
      if (exact) device.affine(out, [out, sums], Float64Array.of(1, 1, 0));
      else
        device.scatter(
          out,
          sums,
          rows.map((_, i) => i * count + j),
        );
    }
  }

  #workspace(rows: number): Workspace | undefined {
    const { bind, commands } = this.#derivative;
    const known = this.#workspaces.get(rows);
    if (known || !(bind ?? commands)) return known;
    const { device } = this.#flow;
    const [largest] = this.#workspaces.values();
    const elements = this.widths[0]!;
    const make = (kind: Precision, like?: Elements) =>
      like && like.length >= rows * elements
        ? device.rows(like, elements, 0, rows)
        : device.allocate(rows * elements, kind);
    const vector = make('single', largest?.vector);
    const product = make(commands ? 'double' : 'single', largest?.product);
    const state = commands ? undefined : make('single', largest?.state);
    const enqueue = state && bind?.(device, state, vector, this.#flow.output(rows), product);
    const workspace: Workspace = {
      ...(state && { state }),
      ...{ vector, product, sums: device.allocate(rows, 'double') },
      multiply(x, { levels, labels }) {
        if (state) device.copy(state, x);
        enqueue?.(levels, labels);
        commands?.jvp(device, x, vector, product, levels, labels);
      },
    };
    this.#workspaces.set(rows, workspace);
    return workspace;
  }

  /** The same on ordinary arrays. */
  async #await(x: Elements, places: Places, rows: Int32Array, out: Elements): Promise<void> {
    const { device, signal } = this.#flow;
    const points = { x: (await device.read(x)) as Float64Array, ...places, signal };
    const traces = new Float64Array(out.length);
    const output = await this.#traces(points, rows, traces);
    device.write(this.#flow.output(rows.length), output);
    device.write(out, traces);
  }

  async #traces(points: Points, rows: Int32Array, out: Float64Array): Promise<State> {
    if (this.#trace !== 'exact') return this.#derivative.products(points, this.probes(rows), out);
    if (this.#derivative.trace) return this.#derivative.trace(points, out);
    const dimension = this.widths[0]!;
    const products = new Float64Array(rows.length * dimension);
    const output = await this.#derivative.products(points, unitVectors(rows.length, dimension), products);
    for (let i = 0; i < rows.length; i++) {
      let sum = 0;
      for (let j = i * dimension; j < (i + 1) * dimension; j++) sum += products[j]!;
      out[i] = sum;
    }
    return output;
  }

  /** The vectors of the samples under way; of all of them where no rows are given. */
  probes(rows?: Int32Array): Probes {
    if (this.#trace === 'exact') return unitVectors(rows!.length, this.widths[0]!);
    const vectors = rows ? this.#select(this.#trace, rows) : this.#trace;
    return { count: vectors.length, vector: (j) => vectors[j]! };
  }

  #select(all: readonly Float32Array[], rows: Int32Array): readonly Float32Array[] {
    if (this.#rows === rows) return this.#selected;
    this.#rows = rows;
    const d = this.widths[0]!;
    this.#selected = all.map((vectors) => {
      if (vectors.length === rows.length * d) return vectors;
      const own = new Float32Array(rows.length * d);
      rows.forEach((row, i) => {
        own.set(vectors.subarray(row * d, (row + 1) * d), i * d);
      });
      return own;
    });
    return this.#selected;
  }
}

function unitVectors(rows: number, dimension: number): Probes {
  const vector = new Float32Array(rows * dimension);
  return {
    count: dimension,
    vector(j) {
      vector.fill(0);
      for (let i = 0; i < rows; i++) vector[i * dimension + j] = 1;
      return vector;
    },
  };
}
