import type { Elements } from '../device/device.js';
import { turn } from '../device/turn.js';
import { checkChoice, checkInteger, checkKnown, checkNumber, checkSeed, checkSignal } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { timeGrid } from '../sde/grid.js';
import { levelAt } from '../sde/level.js';
import { gridCosts } from '../sde/names.js';
import { shortestGrid } from '../sde/shortest-grid.js';
import { elementCount } from '../shape.js';
import { Batch } from '../solvers/batch.js';
import { dpmpp3M } from '../solvers/predictors/dpm-solver-multistep.js';
import { predictorCorrector } from '../solvers/predictor-corrector.js';

/** What an Euler step between two points of a fine trajectory costs. */
export type GridCost = (typeof gridCosts)[number];

/** How a grid is found for a model. */
export interface FindGridOptions {
  /** Steps of the grid. A sampler of one evaluation a step makes as many, and one more where it denoises at the end. */
  readonly steps: number;
  /** Trajectories that are looked at. Default 32. */
  readonly count?: number | undefined;
  /** Steps of each, from whose times those of the grid are taken. Default 60, or as many as a ladder has, where a network takes its levels alone. */
  readonly fineSteps?: number | undefined;
  /**
   * `deviation` (default): how much farther from the straight line between start and end the step leads than the trajectory.
   * `l2`: how far from the trajectory it leads.
   */
  readonly cost?: GridCost | undefined;
  /** Weight of a step over that before it: above 1 there are more steps where there is little noise. Default 1.15. */
  readonly gamma?: number | undefined;
  /** Where sampling stops; default `sde.epsilon`. */
  readonly epsilon?: number | undefined;
  /** Class of every trajectory, or one each, for a model with a class input. */
  readonly classLabel?: number | Int32Array | undefined;
  /** Unsigned 64-bit seed of the starting points. Default 0. */
  readonly seed?: bigint | number | undefined;
  /** Stops the search with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every step of the trajectories, with the share that is done, from 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

const optionNames = Object.keys({
  ...{ steps: 1, count: 1, fineSteps: 1, cost: 1, gamma: 1, epsilon: 1, classLabel: 1, seed: 1 },
  ...{ signal: 1, onProgress: 1 },
} satisfies Record<keyof FindGridOptions, 1>);

/** Room for the points of the trajectories that are looked at together. */
const MOST_BYTES = 2 ** 28;

/**
 * The times that suit a model best for few steps: of all grids of so many steps over the times of fine trajectories, the one whose
 * Euler steps in sigma / alpha (DDIM) cost least, summed over the steps (Chen et al. 2024, "On the trajectory regularity of
 * ODE-based diffusion sampling"). Costs count x fineSteps evaluations, once for a model and a number of steps.
 *
 * @returns `steps` + 1 times, descending: a `grid` for `sample`.
 * @throws OptionError for options that cannot be used.
 */
export async function findGrid(model: ScoreModel, options: FindGridOptions): Promise<number[]> {
  checkKnown(options, optionNames);
  const { cost = 'deviation', epsilon, signal, onProgress } = options;
  const { ladder } = model.sde;
  // Between trained levels there is nowhere to step.
  const most = ladder?.nearest ? ladder.levels - 1 : 1000;
  const fineSteps = checkInteger('fineSteps', options.fineSteps ?? Math.min(60, most), 1, most);
  const steps = checkInteger('steps', options.steps, 1, fineSteps);
  const count = checkInteger('count', options.count ?? 32, 1, 100_000);
  const gamma = checkNumber('gamma', options.gamma ?? 1.15, 0);
  checkChoice('cost', cost, gridCosts);
  const seed = checkSeed(options.seed ?? 0);
  checkSignal(signal);
  const { samples } = model.inputs ?? {};
  const given = checkConditions(model, options.classLabel, samples ?? count);
  const labels =
    given && samples !== undefined
      ? Int32Array.from({ length: count }, (_, i) => given[i % samples]!)
      : given;
  const fine = timeGrid(model.sde, { steps: fineSteps, grid: 'karras', epsilon });
  const times = [...fine.map(({ from }) => from.t), fine.at(-1)!.to.t];
  const solver = predictorCorrector({
    predictor: dpmpp3M(),
    corrector: 'none',
    grid: times,
    denoise: 'none',
  });
  const plan = solver.plan(model);
  const nodes = times.length;
  const elements = elementCount(model.shape);
  const together = Math.min(count, 64, Math.max(1, Math.floor(MOST_BYTES / (8 * nodes * elements))));
  const costs = new Float64Array(nodes * nodes);
  for (let first = 0; first < count; first += together) {
    const size = Math.min(together, count - first);
    const batch = new Batch(model, { size, first, seed, offset: first, count, labels, signal });
    const path: Point[] = [];
    let estimate: Elements | undefined;
    try {
      batch.drawPrior();
      await plan.run(batch, {
        async evaluated(_, { alpha, sigma }) {
          batch.estimate((estimate ??= batch.like()));
          const [x, x0] = await Promise.all([batch.read(), batch.read(estimate)]);
          path.push({ x, x0, alpha, rho: sigma / alpha });
        },
        stepped(step) {
          onProgress?.((first + (size * (step + 1)) / fineSteps) / count);
        },
      });
      const { alpha, sigma } = levelAt(model, times[fineSteps]!);
      path.push({ x: await batch.read(), x0: new Float32Array(0), alpha, rho: sigma / alpha });
    } finally {
      await batch.close();
    }
    for (let row = 0; row < size; row++) await addCosts(costs, path, row * elements, elements, cost);
  }
  return shortestGrid(costs, nodes, steps, gamma).map((node) => times[node]!);
}

/** A point of the trajectories of a batch: the states, and the estimates of x_0 there. */
interface Point {
  readonly x: ArrayLike<number>;
  readonly x0: ArrayLike<number>;
  readonly alpha: number;
  readonly rho: number;
}

/** Adds what the Euler step from each point of one trajectory to each later one costs. */
async function addCosts(
  costs: Float64Array,
  path: readonly Point[],
  offset: number,
  elements: number,
  cost: GridCost,
): Promise<void> {
  const states = path.map(({ x, alpha }) =>
    Float64Array.from({ length: elements }, (_, e) => x[offset + e]! / alpha),
  );
  const end = states.at(-1)!;
  const chord = cost === 'deviation' ? chordOf(states[0]!, end) : undefined;
  const jump = new Float64Array(elements);
  for (const [i, { x0, rho }] of path.slice(0, -1).entries()) {
    const from = states[i]!;
    for (let j = i + 1; j < path.length; j++) {
      const share = path[j]!.rho / rho;
      for (let e = 0; e < elements; e++) jump[e] = share * from[e]! + (1 - share) * x0[offset + e]!;
      const to = states[j]!;
      costs[i * path.length + j]! += chord
        ? distanceToLine(jump, end, chord) - distanceToLine(to, end, chord)
        : distance(jump, to);
    }
    await turn();
  }
}

/** The direction of the straight line from one point to another. */
function chordOf(start: Float64Array, end: Float64Array): Float64Array {
  const length = distance(start, end);
  return end.map((value, e) => (value - start[e]!) / length);
}

function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let e = 0; e < a.length; e++) sum += (a[e]! - b[e]!) ** 2;
  return Math.sqrt(sum);
}

/** How far a point is from the line through `end` with this direction. */
function distanceToLine(x: Float64Array, end: Float64Array, direction: Float64Array): number {
  let squares = 0;
  let along = 0;
  for (let e = 0; e < x.length; e++) {
    const difference = end[e]! - x[e]!;
    squares += difference ** 2;
    along += difference * direction[e]!;
  }
  return Math.sqrt(Math.max(0, squares - along ** 2));
}
