import { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { gridCosts } from '../../sde/names.js';
import type { GridCost } from '../../sampling/find-grid.js';
import { addOptions, bigInteger, choice, integer, real } from '../shared/arguments.js';
import { addRecipes, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { modelArgument, reportOptions, withModel, type Opened, type ReportFlags } from '../shared/report.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

interface GridFlags extends ModelFlags, ReportFlags {
  readonly evaluations?: number;
  readonly steps?: number;
  readonly count?: number;
  readonly cost?: GridCost;
  readonly gamma?: number;
  readonly epsilon?: number;
  readonly seed?: bigint;
}

/** `fastsde grid`: finds the times that suit a model for a few steps. */
export function gridCommand(): Command {
  const command = new Command('grid')
    .summary('find the times that suit a model for a few steps')
    .description(
      'Looks at fine trajectories of a model and picks, of all grids of so many steps over their times, the one whose steps ' +
        'stray least (Chen et al. 2024). The grid is kept beside the model, in MODEL.grids.json, where "--grid auto" of ' +
        '"fastsde sample" finds it.',
    )
    .addArgument(modelArgument());
  addOptions(command, 'Grid:', [
    integer('--evaluations <n>', 'network calls per sample: a step each, and one that denoises at the end'),
    integer('--steps <n>', 'the same as one step less than --evaluations'),
    choice(
      '--cost <name>',
      'what straying means',
      gridCosts,
      'deviation, from the straight line; l2, from the path',
    ),
    real('--gamma <factor>', 'weight of a step over that before it (default: 1.15)'),
    integer('--count <n>', 'trajectories that are looked at (default: 32)'),
    integer('--class <n>', 'their class, for a model with classes'),
    bigInteger('--seed <n>', 'seed of their starting points (default: 0)'),
    real('--eps, --epsilon <t>', 'time to stop at (default: as for "fastsde sample")'),
  ]);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', reportOptions());
  addUsual(command, ['--evaluations', '--steps', '--seed', '--class', '--json', '--quiet']);
  return addRecipes(command, [
    ['fastsde grid --evaluations 8', 'seven steps and a denoising, for the digits'],
    ['fastsde grid model.onnx --evaluations 8', 'of a network; kept beside it'],
    ['fastsde grid model.onnx --evaluations 8 --class 3 --json', 'for one class'],
  ]).action((model: string | undefined, flags: GridFlags) =>
    run((signal) => withModel(model, flags, (opened) => find(opened, flags, signal))),
  );
}

async function find(opened: Opened, flags: GridFlags, signal: AbortSignal) {
  const { gridOf } = await import('../shared/grids.js');
  const { count, cost, gamma, epsilon, seed, class: classLabel, json } = flags;
  const search = { steps: stepsOf(flags), count, cost, gamma, epsilon, seed, classLabel };
  const { times, file, kept } = await gridOf(opened, { ...search, signal }, true);
  const { sde } = opened.model;
  const levels = times.map((t) => Math.exp(-sde.lambda(t)));
  if (!json) {
    const rows = times.map((t, i) => `${t.toPrecision(6).padEnd(12)}${levels[i]!.toPrecision(6)}\n`);
    print(`t           sigma / alpha\n${rows.join('')}`);
  }
  // Who asked for a file has none.
  if (!kept) process.exitCode = 1;
  return {
    record: { steps: search.steps, times, levels, ...(kept && { file }) },
    options: { ...search, seed: String(seed ?? 0) },
    summary: kept ? `kept in ${file}` : `not kept: ${file} cannot be written`,
  };
}

function stepsOf({ evaluations, steps }: GridFlags): number {
  if (evaluations !== undefined && steps !== undefined)
    throw new OptionError('steps', steps, 'left out where evaluations is given');
  if (steps !== undefined) return steps;
  if (evaluations === undefined || evaluations < 2)
    throw new OptionError('evaluations', evaluations, 'at least 2: a step, and one that denoises');
  return evaluations - 1;
}
