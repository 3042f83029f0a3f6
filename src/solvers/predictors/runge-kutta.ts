import type { Elements } from '../../device/device.js';
import type { ScoreModel } from '../../score/model.js';
import { levelAt, type Level } from '../../sde/level.js';
import type { Predictor } from '../predictor.js';

/** An explicit Runge-Kutta method. */
export interface Tableau {
  /** Stage s is taken at t + nodes[s] h. */
  readonly nodes: readonly number[];
  /** Weights of the earlier stages in the state of each stage. */
  readonly stages: readonly (readonly number[])[];
  /** Weights of the stages in the step. */
  readonly weights: readonly number[];
}

/** A stage at the end of a step overshoots where the steps are long for the noise that is left; this grid shortens them there. */
const SHORT_AT_THE_END = { steps: 100, grid: 'karras' } as const;

/** Euler's method on the probability-flow ODE: order 1, one evaluation a step. */
export function euler(): Predictor {
  return rungeKutta('euler', { nodes: [0], stages: [[]], weights: [1] });
}

/** The explicit midpoint method on the probability-flow ODE: order 2, two evaluations a step. */
export function midpoint(): Predictor {
  return rungeKutta('midpoint', { nodes: [0, 1 / 2], stages: [[], [1 / 2]], weights: [0, 1] });
}

/** Heun's method on the probability-flow ODE: order 2, two evaluations a step. */
export function heun(): Predictor {
  const method = rungeKutta('heun', { nodes: [0, 1], stages: [[], [1]], weights: [1 / 2, 1 / 2] });
  return { ...method, defaults: SHORT_AT_THE_END };
}

/** The classical Runge-Kutta method on the probability-flow ODE: order 4, four evaluations a step. */
export function rk4(): Predictor {
  const method = rungeKutta('rk4', {
    nodes: [0, 1 / 2, 1 / 2, 1],
    stages: [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
    weights: [1 / 6, 1 / 3, 1 / 3, 1 / 6],
  });
  return { ...method, defaults: SHORT_AT_THE_END };
}

/** A Runge-Kutta method on the probability-flow ODE (Song et al. 2021, equation 13), with its state in double precision. */
export function rungeKutta(name: string, { nodes, stages, weights }: Tableau): Predictor {
  return {
    name,
    continuous: true,
    precision: 'double',
    defaults: { steps: 100 },
    inner: () => nodes.length - 1,
    begin(batch) {
      const slopes = nodes.map(() => batch.like());
      const trial = batch.like();
      const slope = (out: Elements, state: Elements, level: Level): void => {
        batch.combine(out, [state, batch.output], flow(batch.model, level));
      };
      const advance = (out: Elements, row: readonly number[], h: number): void => {
        const used = row.flatMap((weight, s) => (weight === 0 ? [] : [s]));
        batch.combine(out, [batch.x, ...used.map((s) => slopes[s]!)], [1, ...used.map((s) => h * row[s]!)]);
      };
      return async ({ k, from, to }) => {
        const h = to.t - from.t;
        slope(slopes[0]!, batch.x, from);
        for (let s = 1; s < nodes.length; s++) {
          const level = nodes[s] === 1 ? to : levelAt(batch.model, from.t + nodes[s]! * h);
          advance(trial, stages[s]!, h);
          await batch.evaluate(level, k, { state: trial });
          slope(slopes[s]!, trial, level);
        }
        advance(batch.x, weights, h);
      };
    },
  };
}

/** dx/dt = f x - g^2 / 2 (p x + q F) as a row of scalars for x and F. */
function flow(model: ScoreModel, level: Level): [number, number] {
  const half = model.sde.diffusion(level.t) ** 2 / 2;
  const score = model.coefficients(level);
  return [model.sde.drift(level.t) - half * score.state, -half * score.output];
}
