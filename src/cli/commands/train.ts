import { Command, Option } from 'commander';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import {
  addOptions,
  bigInteger,
  choice,
  constants,
  integer,
  list,
  numbers,
  real,
} from '../shared/arguments.js';
import { addSourceOptions, type SourceFlags } from '../shared/data.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { pairsOf } from '../shared/inputs.js';
import { run } from '../shared/run.js';
import type { OptionRule, OptionType } from '../../training/options.js';
import type { TrainConfig } from '../train/config.js';
import { entries, groups } from '../train/entries.js';

/** Flags of the entries of a configuration, beside those that are none. */
interface TrainFlags extends SourceFlags {
  readonly config?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** How the command line takes a value of a kind. */
const parsers: Readonly<Record<OptionType, (flags: string, description: string) => Option>> = {
  integer,
  number: real,
  numbers,
  averages: numbers,
  boolean: (flags, description) => new Option(flags, description),
  text: (flags, description) => new Option(flags, description),
  object: (flags, description) => new Option(flags, description),
  constants,
  inputs: list,
  seed: bigInteger,
};

function optionOf({ flag, help = '', type, standard }: OptionRule): Option | undefined {
  if (flag === undefined) return undefined;
  if (typeof type !== 'string') return choice(flag, help, type, standard);
  return parsers[type](flag, standard === undefined ? help : `${help} (default: ${standard})`);
}

/** The options of the command by the entries that they stand for. */
const options: ReadonlyMap<string, Option> = new Map(
  Object.entries(entries).flatMap(([path, rule]) => {
    const option = optionOf(rule);
    return option ? [[path, option] as const] : [];
  }),
);

/** `fastsde train`: trains a score network or a classifier of noisy data. */
export function trainCommand(): Command {
  const command = new Command('train')
    .summary('train a score network or a noise-conditional classifier')
    .description(
      'Trains a network on data by denoising score matching (Song et al. 2021) or another objective, and writes it as an ' +
        'ONNX file that "fastsde sample" takes as it is. A run that was stopped goes on when it is started again.',
    );
  addOptions(command, 'Configuration:', [
    new Option('--config <file>', 'a JSON file with the entries of the run; flags are laid over it'),
  ]);
  const { 'Data:': data = {}, ...others } = groups;
  const optionsOf = (rules: object): Option[] =>
    Object.keys(rules).flatMap((path) => options.get(path) ?? []);
  addSourceOptions(command, { split: 'train', mandatory: false }, optionsOf(data));
  for (const [heading, rules] of Object.entries(others)) addOptions(command, heading, optionsOf(rules));
  addOptions(command, 'Output:', [
    new Option('--json', 'print a JSON object per line on stdout: start, progress, samples, end'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  addUsual(command, [
    '--data',
    '--resize',
    '--network',
    '--model',
    '--conditional',
    '--sde',
    '--steps',
    '--batch',
    '--seed',
    '--output',
    '--json',
    '--quiet',
  ]);
  addSection(command, 'Output, in the folder --output:', [
    ['model.onnx', 'the network with averaged weights and all metadata'],
    ['checkpoints/', 'the state of the run; the same command goes on from there'],
    ['snapshots/', 'with --snapshot-every: averages, of which "fastsde average" makes others'],
    ['samples-001000.png', 'samples of the averaged weights at a step'],
    ['density.png', 'for points of the plane, from 250 steps on: density and score field at the end'],
    ['loss.csv', 'the loss by step and by time, with loss.png, loss-by-time.png'],
    ['train.json', 'every entry of the run, for --config'],
  ]);
  return addRecipes(command, [
    ['fastsde train --data swiss-roll', 'points of the plane'],
    ['fastsde train --data mnist --conditional --output trained/', 'with classes'],
    ['fastsde train --data photos/ --resize 32,32 --flip', 'pictures of your own'],
  ]).action((flags: TrainFlags) => run((signal) => trainFromFlags(flags, signal), flagNames));
}

/** Flags by the names of entries and of the library's options, where these differ. */
const flagNames: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...options].map(([path, { long }]) => [path, long!])),
  'checkpoints.every': '--checkpoint-every',
  'checkpoints.keep': '--keep',
  'snapshots.every': '--snapshot-every',
  kind: '--objective',
  shape: 'the shape of --data',
};

/** A configuration with the flags laid over it. */
async function configOf(base: TrainConfig, flags: TrainFlags): Promise<TrainConfig> {
  const { checkConfig } = await import('../train/config.js');
  const { data, split, dataLabels, skipCorrupted } = flags;
  const config: Record<string, unknown> = {
    ...base,
    ...defined({ data, split, dataLabels, skipCorrupted }),
    network: { ...base.network },
    objective: { ...base.objective },
  };
  for (const [path, option] of options) {
    const value = (flags as Readonly<Record<string, unknown>>)[option.attributeName()];
    if (value === undefined) continue;
    const [name = '', inner] = path.split('.');
    const target = inner === undefined ? config : (config[name] as Record<string, unknown>);
    target[inner ?? name] =
      typeof value === 'bigint'
        ? String(value)
        : path === 'inputs'
          ? pairsOf('inputs', value as readonly string[])
          : value;
  }
  return checkConfig(config);
}

async function trainFromFlags(flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const { config: path } = flags;
  if (path === undefined) return trainWith({}, flags, signal);
  const { entryError, readConfig } = await import('../train/config.js');
  const file = await readConfig(path);
  try {
    await trainWith(file, flags, signal);
  } catch (error) {
    throw error instanceof OptionError && isOfFile(error, file, flags) ? entryError(path, error) : error;
  }
}

/** Whether what an error names stands in the file, and no flag is laid over it. */
function isOfFile({ option }: OptionError, file: TrainConfig, flags: TrainFlags): boolean {
  const names = [/^\w+/, /\w+$/].flatMap((end) => end.exec(option)?.[0] ?? []);
  const has = (part: object): boolean => names.some((name) => Object.hasOwn(part, name));
  return !has(defined(flags)) && [file, file.network ?? {}, file.objective ?? {}].some(has);
}

async function trainWith(file: TrainConfig, flags: TrainFlags, signal: AbortSignal): Promise<void> {
  const config = await configOf(file, flags);
  if (config.data === undefined)
    throw new OptionError('data', undefined, 'given, on the command line or in the file of --config');
  const { trainTo } = await import('../train/run.js');
  await trainTo(config, signal, { json: flags.json ?? false, quiet: flags.quiet ?? false });
}
