import { Option, type Command } from 'commander';
import { replacementLevels, restorationMethods, type RestorationMethod } from '../../control/names.js';
import { addOptions, bigInteger, choice, integer, real } from '../shared/arguments.js';
import { addSourceOptions, type DataFlags } from '../shared/data.js';
import { addGuidanceOptions } from '../shared/guidance.js';
import { addSection, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { modelArgument, reportOptions, type ReportFlags } from '../shared/report.js';
import { shardOption, type ShardFlag } from '../shared/shard.js';
import { addSolverOptions, type SolverFlags } from '../shared/solver.js';

/** Flags of every command that draws samples given a measurement. */
export interface RestorationFlags extends ModelFlags, DataFlags, SolverFlags, ReportFlags {
  readonly count?: number;
  readonly limit?: number;
  readonly first?: number;
  readonly seed?: bigint;
  readonly noise?: number;
  readonly method?: RestorationMethod;
  readonly replaceAt?: (typeof replacementLevels)[number];
  readonly particles?: number;
  readonly essThreshold?: number;
  readonly iterations?: number;
  readonly zeta?: number;
  readonly jumpLength?: number;
  readonly resamples?: number;
  readonly trajectory?: number;
  readonly output?: string;
  readonly shard?: ShardFlag;
}

/** Adds the flags of {@link RestorationFlags}, and those that say what is measured. */
export function addRestorationOptions(command: Command, measured: readonly Option[]): void {
  command.addArgument(modelArgument());
  addSourceOptions(command, { split: 'test', mandatory: true }, [
    new Option('--resize', "scale pictures to cover the model's size and crop them evenly"),
    integer('--limit <n>', 'how many of the data (default: 8)'),
    integer('--first <index>', 'index of the first of them in the data (default: 0)'),
    integer(
      '--class <n>',
      "class of all, for a model with a class input (default: the data's own, else its label for none)",
    ),
  ]);
  addOptions(command, 'Measurement:', [
    ...measured,
    real('--noise <std>', "standard deviation of its noise, in the model's own space (default: 0)"),
  ]);
  addOptions(command, 'Method:', [
    choice(
      '--method <name>',
      'how samples are drawn given the measurement',
      restorationMethods,
      'replacement for inpaint and colorize, else mmps',
    ),
    integer('--count <n>', 'samples for each measurement (default: 4)'),
    integer('--batch <n>', 'states that go through the network at once (default: at most 64)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    choice(
      '--replace-at <level>',
      'replacement, repaint: of a move, where what is known is put',
      replacementLevels,
      'arrived',
    ),
    integer('--particles <k>', 'smc: particles of every sample (default: 32)'),
    real(
      '--ess-threshold <share>',
      'smc: effective share of particles below which they are drawn anew (default: 0.5)',
    ),
    integer('--iterations <n>', 'mmps: products with the Jacobian at every evaluation (default: 3)'),
    integer('--jump-length <n>', 'repaint: steps that are gone back over at once (default: 10)'),
    integer('--resamples <n>', 'repaint: how often each step is made (default: 10)'),
    real('--zeta <length>', 'dps: step down the gradient of the norm of the residual (default: 1)'),
  ]);
  addSolverOptions(command, { noise: false });
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <path>', 'where the samples go, see below (default: restored.png)'),
    shardOption(),
    integer('--trajectory <k>', 'keep the state at every k-th step, for .npz, .webp and scatter pictures'),
    ...reportOptions(),
  ]);
  addUsual(command, [
    ...[
      '--data',
      '--limit',
      '--resize',
      ...measured.map(({ long }) => long!),
      '--noise',
      '--method',
      '--count',
    ],
    ...['--seed', '--steps', '--output', '--json', '--quiet'],
  ]);
  addSection(command, 'Output, by the ending of --output:', [
    ['restored.png', 'a row for each picture: itself, what is known of it, and samples'],
    ['restored.npy', "float32 [pictures, count, ...shape], in the model's own space"],
    [
      'restored.npz',
      'the same as "samples"; with --trajectory also "trajectory" [frames, pictures, count, ...shape], "times" and "steps"',
    ],
    ['restored.webp', 'the rows as they come about, by default in at most 60 frames; not by method smc'],
    [
      'restored/',
      'a folder with a .npy file per batch, a manifest, and for pictures a PNG per sample, at the size of the model; a run that was ' +
        'stopped goes on when it is started again, and "fastsde merge" joins the files',
    ],
  ]);
}
