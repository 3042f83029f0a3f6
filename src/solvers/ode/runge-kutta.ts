import { advance, blocks, type Blocks, type Ode } from './ode.js';

/** An explicit Runge-Kutta method. */
export interface Tableau {
  /** Stage s is taken at t + nodes[s] h. */
  readonly nodes: readonly number[];
  /** Weights of the earlier stages in the state of each stage. */
  readonly stages: readonly (readonly number[])[];
  /** Weights of the stages in the step. */
  readonly weights: readonly number[];
}

export type RungeKuttaMethod = 'euler' | 'midpoint' | 'heun' | 'rk4';

/** Orders 1, 2, 2 and 4. */
export const tableaus: Readonly<Record<RungeKuttaMethod, Tableau>> = {
  euler: { nodes: [0], stages: [[]], weights: [1] },
  midpoint: { nodes: [0, 1 / 2], stages: [[], [1 / 2]], weights: [0, 1] },
  heun: { nodes: [0, 1], stages: [[], [1]], weights: [1 / 2, 1 / 2] },
  rk4: {
    nodes: [0, 1 / 2, 1 / 2, 1],
    stages: [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
    weights: [1 / 6, 1 / 3, 1 / 3, 1 / 6],
  },
};

/** What a caller sees of an integration on a grid. */
export interface GridObserver {
  /** The state at times[k] and its derivative in time, before step k. */
  evaluated?(k: number, y: Blocks, slope: Blocks): void;
  /** Step k is complete. */
  stepped?(k: number, y: Blocks): void;
}

/**
 * Integrates dy/dt = f(t, y) with one step between each two neighbouring times, at `nodes.length` evaluations a step.
 *
 * @param y the state at the first time; becomes the state at the last.
 */
export async function integrateOnGrid(
  ode: Ode,
  y: Blocks,
  times: ArrayLike<number>,
  { nodes, stages, weights }: Tableau,
  observer: GridObserver = {},
): Promise<void> {
  const samples = y[0]!.length / ode.widths[0]!;
  const rows = Int32Array.from({ length: samples }, (_, i) => i);
  const slopes = nodes.map(() => blocks(samples, ode.widths));
  const trial = blocks(samples, ode.widths);
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, next] = [times[k]!, times[k + 1]!];
    const h = new Float64Array(samples).fill(next - t);
    for (const [s, node] of nodes.entries()) {
      const state = s === 0 ? y : trial;
      if (s > 0) advance(trial, y, slopes, stages[s]!, h);
      const at = node === 1 ? next : t + node * (next - t);
      const pending = ode.derivative(new Float64Array(samples).fill(at), state, slopes[s]!, rows);
      if (pending) await pending;
      if (s === 0) observer.evaluated?.(k, y, slopes[0]!);
    }
    advance(y, y, slopes, weights, h);
    observer.stepped?.(k, y);
  }
}
