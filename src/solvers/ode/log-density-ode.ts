import type { State } from '../../device/binding.js';
import type { DerivativeCost, Points, Probes, ScoreDerivative } from '../../score/derivative.js';
import type { Blocks, Ode } from './ode.js';
import type { ProbabilityFlow } from './probability-flow-ode.js';

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
  #rows: Int32Array | undefined;
  #selected: readonly Float32Array[] = [];

  constructor(flow: ProbabilityFlow, derivative: ScoreDerivative, trace: Trace) {
    const dimension = flow.widths[0]!;
    this.#flow = flow;
    this.#derivative = derivative;
    this.#trace = trace;
    this.widths = [dimension, trace === 'exact' ? 1 : trace.length];
    const probes = trace !== 'exact' ? trace.length : derivative.trace ? 0 : dimension;
    this.cost = derivative.cost(probes);
  }

  async derivative(t: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): Promise<void> {
    const [dimension, width] = this.widths as [number, number];
    const points = this.#flow.points(t, y[0]!, rows);
    const traces = out[1] as Float64Array;
    const output = await this.#flow.evaluate(points, rows, (at) => this.#traces(at, rows, traces));
    this.#flow.drift(points, output, out[0]!);
    const { model } = this.#flow;
    points.levels.forEach((level, i) => {
      const half = model.sde.diffusion(level.t) ** 2 / 2;
      const score = model.coefficients(level);
      for (let j = i * width; j < (i + 1) * width; j++) {
        traces[j] = -half * (score.state + (score.output * traces[j]!) / dimension);
      }
    });
  }

  /** F, and its divergence or the estimates of it. */
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
