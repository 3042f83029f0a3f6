import type { SampleOptions } from '../sampling/sample.js';
import type { ScoreModel } from '../score/model.js';
import type { Cell } from './cells.js';
import { fineSolver } from './fine-solution.js';

/** Samples that are to be drawn. */
export interface SampleSet {
  readonly key: string;
  readonly name: string;
  /** Name of the file that keeps it. */
  readonly stem: string;
  readonly options: SampleOptions;
  /** Evaluations of a sample, as far as they are known before. */
  readonly weight: number;
}

/** A fine solution from the starting points of the samplers, and another from points that are independent of these. */
export interface Fine {
  readonly name: string;
  readonly own: SampleSet;
  readonly other: SampleSet;
}

export interface Sets {
  /** By cell. */
  readonly ofCells: ReadonlyMap<Cell, SampleSet>;
  /** Empty where no solution is wanted. */
  readonly fine: ReadonlyMap<Cell, Fine>;
}

export interface SetOptions {
  readonly count: number;
  readonly tolerance: number;
  /** Whether samplers are compared with fine solutions of the ODE. */
  readonly solves: boolean;
}

/** Evaluations of a fine solution, about. */
const FINE = 150;

/** The sets of samples of all cells, and the fine solutions that they are compared with: one for each way to end. */
export function setsOf(
  model: ScoreModel,
  cells: readonly Cell[],
  { count, tolerance, solves }: SetOptions,
): Sets {
  const ofCells = new Map<Cell, SampleSet>();
  const fine = new Map<Cell, Fine>();
  const byEnd = new Map<string, Fine>();
  for (const cell of cells) {
    ofCells.set(cell, setOf(cell));
    if (!solves) continue;
    const { label: end, solver } = fineSolver(model, cell.plan, tolerance);
    const solution = (first: number, name: string): SampleSet => ({
      key: JSON.stringify({ end, first }),
      name,
      stem: first === 0 ? 'ode-1' : 'ode-2',
      options: { solver, first },
      weight: FINE,
    });
    const found = byEnd.get(end) ?? {
      name: end,
      own: solution(0, 'the fine solution'),
      other: solution(count, 'a second fine solution'),
    };
    byEnd.set(end, found);
    fine.set(cell, found);
  }
  return { ofCells, fine };
}

function setOf({ label, budget, options, plan }: Cell): SampleSet {
  const stem = label.replace(/[^\w-]+/g, '-').slice(0, 80);
  return {
    key: JSON.stringify({ label, options: plan.options }),
    name: budget === undefined ? label : `${label} at ${budget}`,
    stem: budget === undefined ? stem : `${stem}-${budget}`,
    options,
    weight: plan.evaluations ?? FINE,
  };
}
