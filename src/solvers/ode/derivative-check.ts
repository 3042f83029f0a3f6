import type { Elements } from '../../device/device.js';
import type { ScoreDerivative } from '../../score/derivative.js';
import { spacedTimes } from '../../sde/grid.js';
import type { DenseOutput } from './dense-output.js';
import type { LogDensityFlow } from './log-density-ode.js';
import type { ProbabilityFlow } from './probability-flow-ode.js';

/** Times at which the error of the derivative is measured, even in lambda. */
const CHECKS = 8;

/** Integrates along the trajectory by how much the products with the Jacobian may be off, by the trapezoidal rule. */
export class DerivativeCheck implements DenseOutput {
  readonly times: Float64Array;
  /** Bound on the error of the log-density, in nats. */
  readonly error: Float64Array;
  evaluations = 0;
  readonly #ode: LogDensityFlow;
  readonly #flow: ProbabilityFlow;
  readonly #derivative: ScoreDerivative;
  readonly #rows: Int32Array;

  constructor(
    ode: LogDensityFlow,
    flow: ProbabilityFlow,
    derivative: ScoreDerivative,
    epsilon: number,
    samples: number,
  ) {
    this.times = spacedTimes(flow.model.sde, { steps: CHECKS, grid: 'uniform-lambda', epsilon }).reverse();
    this.error = new Float64Array(samples);
    this.#ode = ode;
    this.#flow = flow;
    this.#derivative = derivative;
    this.#rows = Int32Array.from({ length: samples }, (_, i) => i);
  }

  async visit(k: number, x: Elements): Promise<void> {
    const { sde } = this.#flow.model;
    const t = this.times[k]!;
    const places = this.#flow.places(new Float64Array(this.#rows.length).fill(t), this.#rows);
    const state = (await this.#flow.device.read(x)) as Float64Array;
    const points = { x: state, ...places, signal: this.#flow.signal };
    const probes = this.#ode.probes(this.#rows);
    const off = await this.#derivative.discrepancy!(points, probes);
    this.evaluations += 4 * probes.count;
    const spacing = (sde.lambda(this.times[0]!) - sde.lambda(sde.T)) / CHECKS;
    const weight = k === 0 || k === CHECKS ? spacing / 2 : spacing;
    // g^2 / 2 dt = sigma^2 |d lambda|; of several random vectors the density takes the mean.
    const estimates = this.#ode.widths[1]!;
    const level = points.levels[0]!;
    const { output } = this.#flow.model.coefficients(level);
    const scale = (weight * level.sigma ** 2 * Math.abs(output)) / estimates;
    off.forEach((value, i) => (this.error[i]! += scale * value));
  }
}
