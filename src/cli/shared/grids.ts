import { isDeepStrictEqual } from 'node:util';
import { FastsdeError } from '../../errors.js';
import { isList, isRecord } from '../../options.js';
import type { FindGridOptions } from '../../sampling/find-grid.js';
import type { SolverChoice } from '../../solvers/choice.js';
import type { Opened } from './report.js';
import { originOf } from './shard.js';
import type { SolverFlags } from './solver.js';
import { tell } from './terminal.js';

/** What a grid was found with; the class is that of the model's other flags. */
export type GridSearch = Pick<FindGridOptions, 'steps' | 'cost' | 'gamma' | 'epsilon' | 'classLabel'> & {
  readonly count?: number | undefined;
  readonly seed?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** A grid with what it belongs to, as the file beside a model keeps it. */
interface KeptGrid {
  readonly of: Readonly<Record<string, unknown>>;
  readonly times: readonly number[];
}

/** A grid that was found for a model, now or before, and the file that keeps it, where it could be written. */
export interface FoundGrid {
  readonly times: readonly number[];
  readonly file: string;
  readonly kept: boolean;
}

/**
 * The grid that suits the model of a command, from the file beside the model where it was found before with the same options.
 * It belongs to the hash of the model, so that another model under the same name gets its own.
 */
export async function gridOf(opened: Opened, search: GridSearch, quiet: boolean): Promise<FoundGrid> {
  const { steps, cost, gamma, epsilon, count, seed, classLabel } = search;
  const { findGrid } = await import('../../sampling/find-grid.js');
  const { writeAtomically } = await import('../../io/atomic.js');
  const path = opened.options['model'] ?? opened.options['mixture'];
  const file = `${String(path)}.grids.json`;
  const origin = await originOf(opened.options);
  const options = { steps, cost, gamma, epsilon, count, seed: seed && String(seed), classLabel };
  const of = JSON.parse(JSON.stringify({ ...origin, ...options })) as KeptGrid['of'];
  const grids = await keptGrids(file);
  const known = grids.find((grid) => isDeepStrictEqual(grid.of, of));
  if (known) return { times: known.times, file, kept: true };
  const { times } = await opened.follow('Finding a grid', 'path', async (show) => ({
    times: await findGrid(opened.model, {
      ...search,
      onProgress: (fraction) => {
        show(fraction, count ?? 32, `for ${steps} steps`);
      },
    }),
    warnings: [],
  }));
  try {
    await writeAtomically(file, `${JSON.stringify([...grids, { of, times }], undefined, 1)}\n`);
    if (!quiet) tell(`The grid is kept in ${file}.`);
    return { times, file, kept: true };
  } catch (cause) {
    if (!(cause instanceof FastsdeError)) throw cause;
    if (!quiet) tell(`The grid is not kept: ${cause.message}`);
    return { times, file, kept: false };
  }
}

/** What a file keeps; a file that is missing, damaged or of another kind keeps nothing. */
async function keptGrids(file: string): Promise<readonly KeptGrid[]> {
  const { readJson } = await import('../../io/read.js');
  const found: unknown = await readJson(file).catch(() => []);
  if (!isList(found)) return [];
  return found.filter(
    (grid): grid is KeptGrid =>
      isRecord(grid) && isRecord(grid['of']) && isTimes(grid['times'], grid['of']['steps']),
  );
}

/** Whether these are the ends of so many steps, descending. */
function isTimes(times: unknown, steps: unknown): boolean {
  if (!isList(times) || typeof steps !== 'number' || times.length !== steps + 1) return false;
  return times.every((t, i) => typeof t === 'number' && t > 0 && (i === 0 || t < Number(times[i - 1])));
}

/** The options of a sampler that flags stand for, with the grid `auto` found for the model. */
export async function withGridFound(
  opened: Opened,
  choice: SolverChoice,
  { grid, class: classLabel, quiet }: Pick<SolverFlags, 'grid'> & { class?: number; quiet?: true },
  signal: AbortSignal,
): Promise<SolverChoice> {
  if (grid !== 'auto') return choice;
  const { planOf } = await import('../../sampling/sample.js');
  // Of the same options on a grid of another name, for the number of steps.
  const { steps } = planOf(opened.model, { ...choice, grid: 'karras' });
  const { epsilon, ...rest } = choice;
  const found = await gridOf(opened, { steps, epsilon, classLabel, signal }, quiet ?? false);
  return { ...rest, steps: undefined, evaluations: undefined, grid: found.times };
}
