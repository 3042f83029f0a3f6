import { Command, Option } from 'commander';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { addOptions, bigInteger, choice, constants, integer, numbers, real } from '../shared/arguments.js';
import { addSourceOptions, dataHelp, type SourceFlags } from '../shared/data.js';
import { run } from '../shared/run.js';
import type { TrainConfig } from '../train/config.js';

interface TrainFlags extends SourceFlags {
  readonly config?: string;
  readonly resize?: number[];
  readonly holdOut?: number;
  readonly flip?: true;
  readonly model?: string;
  readonly graph?: string;
  readonly network?: string;
  readonly conditional?: true;
  readonly sde?: string;
  readonly sdeConstants?: Readonly<Record<string, number>>;
  readonly parameterization?: string;
  readonly labels?: string;
  readonly dropout?: number;
  readonly objective?: string;
  readonly weighting?: string;
  readonly times?: string;
  readonly dropLabels?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly warmup?: number;
  readonly decay?: string;
  readonly ema?: number[];
  readonly clip?: number;
  readonly weightDecay?: number;
  readonly accumulation?: number;
  readonly seed?: bigint;
  readonly workers?: number;
  readonly output?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  readonly sampleEvery?: number;
  readonly sampleCount?: number;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde train`: trains a score network or a classifier of noisy data. */
export function trainCommand(): Command {
  const command = new Command('train')
    .summary('train a score network or a noise-conditional classifier')
    .description(
      'Trains a network on data by denoising score matching (Song et al. 2021) or another objective, and writes it as an ' +
        'ONNX file that "fastsde sample" takes as it is. A run that was stopped goes on when it is started again.',
    )
    .option('--config <file>', 'a JSON file with the entries of the run; flags are laid over it');
  addSourceOptions(command, { split: 'train', mandatory: false }, [
    numbers('--resize <h,w>', 'scale pictures to cover this size and crop them evenly'),
    real('--hold-out <share>', 'share on which the loss is measured (default: 0.05, at most 1000 samples)'),
    new Option('--flip', 'mirror pictures left to right at random'),
  ]);
  addOptions(command, 'Network:', [
    choice('--network <kind>', 'a new network', ['mlp', 'unet', 'classifier'], 'unet for pictures, else mlp'),
    new Option('--model <file>', 'an ONNX file to train, in place of a new network').conflicts('network'),
    new Option('--graph <file>', 'a training graph of that file made elsewhere'),
    new Option('--conditional', 'give the network a class input, for the classes of the data'),
    choice('--sde <name>', 'forward SDE', ['vp', 'subvp', 've', 'edm'], 'vp'),
    constants('--sde-constants <list>', 'its constants, where not the defaults: sigmaMin=0.01,sigmaMax=50'),
    choice(
      '--parameterization <kind>',
      "meaning of the network's output",
      ['score', 'eps', 'v', 'x0', 'edm'],
      'eps; score for ve, edm for edm',
    ),
    new Option(
      '--labels <rule>',
      'number fed as time: t, t*999, sigma, log-sigma, c-noise, dpm-solver, index',
    ),
  ]);
  addOptions(command, 'Objective:', [
    choice(
      '--objective <kind>',
      'what is minimised',
      ['denoising', 'implicit', 'sliced', 'classifier'],
      'denoising; classifier for such a network',
    ),
    choice(
      '--weighting <name>',
      'how errors at different times count',
      ['sigma2', 'likelihood', 'edm', 'min-snr', 'soft-min-snr'],
      'sigma2; edm for points',
    ),
    choice(
      '--times <law>',
      'at which times',
      ['uniform', 'importance', 'log-normal'],
      'uniform; log-normal for points and for edm',
    ),
    real('--drop-labels <p>', 'share of classes left out, for classifier-free guidance (default: 0)'),
  ]);
  addOptions(command, 'Optimization:', [
    integer('--steps <n>', 'steps of the optimizer (default: 10000; 2500 for points)'),
    integer('--batch <n>', 'samples of a step (default: 128; 512 for points)'),
    real('--learning-rate <rate>', 'largest learning rate of AdamW (default: 5e-4; 2e-3 for points)'),
    integer('--warmup <n>', 'steps in which it rises from 0 (default: 200)'),
    choice('--decay <shape>', 'what it does then', ['constant', 'cosine', 'inverse-sqrt'], 'cosine'),
    numbers('--ema <list>', 'decays of averages of the weights, the first for the result (default: 0.9999)'),
    real('--clip <norm>', 'largest norm of the gradient (default: 1)'),
    real('--weight-decay <rate>', 'decoupled weight decay (default: 0)'),
    integer('--accumulation <n>', 'parts of a batch, one after the other, for less memory (default: 1)'),
    bigInteger('--seed <n>', 'seed of the weights, the order of the data and all noise (default: 0)'),
    integer('--workers <n>', 'threads that train (default: one per core)'),
  ]);
  addOptions(command, 'Output:', [
    new Option('--output <folder>', 'where all files go, see below (default: training/)'),
    integer(
      '--checkpoint-every <n>',
      'steps between checkpoints (default: a tenth of the steps, 100 to 1000)',
    ),
    integer('--keep <n>', 'checkpoints kept beside the best one (default: 2)'),
    integer('--sample-every <n>', 'steps between pictures of samples (default: a tenth of the steps)'),
    integer('--sample-count <n>', 'samples in a picture (default: 36; 4000 for points)'),
    new Option('--json', 'print a JSON object per line on stdout: start, progress, samples, end'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  return command
    .addHelpText('after', help)
    .action((flags: TrainFlags) => run((signal) => train(flags, signal), flagNames));
}

const help = `${dataHelp}
Output, in the folder --output:
  model.onnx            the network with averaged weights and all metadata
  checkpoints/          the state of the run; the same command goes on from there
  samples-001000.png    samples of the averaged weights at a step
  density.png           for points of the plane: density and score field at the end
  loss.csv              the loss by step and by time, with loss.png, loss-by-time.png
  train.json            every entry of the run, for --config

Examples:
  $ fastsde train --data swiss-roll
  $ fastsde train --data mnist --output digits/
  $ fastsde train --data pictures/ --resize 32,32 --flip --conditional --drop-labels 0.1
  $ fastsde train --data mnist --network classifier --output classifier/
  $ fastsde train --config train.json --steps 20000
`;

/** Flags by the names of the library's options, where these differ. */
const flagNames = {
  'checkpoints.every': '--checkpoint-every',
  'checkpoints.keep': '--keep',
  'network.kind': '--network',
  'network.sde': '--sde',
  'network.parameterization': '--parameterization',
  'network.labels': '--labels',
  'network.dropout': '--dropout',
  'objective.kind': '--objective',
  'objective.weighting': '--weighting',
  'objective.times': '--times',
  'objective.dropLabels': '--drop-labels',
};

/** The flags that are entries of a configuration under their own names. */
const entries = [
  'data',
  'split',
  'dataLabels',
  'skipCorrupted',
  'resize',
  'holdOut',
  'flip',
  'model',
  'graph',
  'conditional',
  'steps',
  'batch',
  'learningRate',
  'warmup',
  'decay',
  'ema',
  'clip',
  'weightDecay',
  'accumulation',
  'workers',
  'output',
  'checkpointEvery',
  'keep',
  'sampleEvery',
  'sampleCount',
] as const satisfies readonly (keyof TrainFlags & keyof TrainConfig)[];

/** A configuration with the flags laid over it. */
async function configOf(base: TrainConfig, flags: TrainFlags): Promise<TrainConfig> {
  const { checkConfig } = await import('../train/config.js');
  const { network: kind, sde, sdeConstants, parameterization, labels, dropout } = flags;
  const { objective, weighting, times, dropLabels, seed } = flags;
  const description = defined({ kind, sde, constants: sdeConstants, parameterization, labels, dropout });
  const aims = defined({ kind: objective, weighting, times, dropLabels });
  return checkConfig({
    ...base,
    ...defined(Object.fromEntries(entries.map((name) => [name, flags[name]]))),
    ...(seed !== undefined && { seed: String(seed) }),
    network: { ...base.network, ...description },
    objective: { ...base.objective, ...aims },
  });
}

async function train(flags: TrainFlags, signal: AbortSignal): Promise<void> {
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
