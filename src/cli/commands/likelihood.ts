import { Command } from 'commander';
import { defined, jsonSeed } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import { OptionError } from '../../errors.js';
import type { Data } from '../../likelihood/data-space.js';
import type { LikelihoodOptions } from '../../likelihood/job.js';
import type { LikelihoodShardsOptions } from '../../likelihood/shards.js';
import type { LikelihoodResult } from '../../likelihood/summary.js';
import { addOptions, bigInteger, choice, integer, list, real } from '../shared/arguments.js';
import {
  addDataOptions,
  chosen,
  classesOf,
  openData,
  type DataFlags,
  type RangeFlags,
} from '../shared/data.js';
import type { Scored } from '../shared/likelihood-results.js';
import { addGuidanceOptions } from '../shared/guidance.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, odeOptions, type OdeFlags } from '../shared/ode.js';
import {
  modelArgument,
  reportOptions,
  showingTimes,
  withModel,
  type Opened,
  type ReportFlags,
} from '../shared/report.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

export interface LikelihoodFlags extends ModelFlags, DataFlags, RangeFlags, OdeFlags, ReportFlags {
  readonly trace?: 'rademacher' | 'gaussian' | 'exact';
  readonly probes?: number;
  readonly repeats?: number;
  readonly seed?: bigint;
  readonly derivative?: 'closed-form' | 'vjp' | 'central-difference';
  readonly bins?: number;
  readonly elbo?: number;
  readonly output?: string[];
}

/** `fastsde likelihood`: log-densities and bits/dim of data under a score model. */
export function likelihoodCommand(): Command {
  const command = new Command('likelihood')
    .summary('log-density and bits/dim of data under a score model')
    .description(
      'Computes the log-density of data under the probability-flow ODE of a score model (Song et al. 2021, section ' +
        '4.3), in nats and in bits/dim, with standard errors. Bytes are dequantised by uniform noise.',
    )
    .addArgument(modelArgument());
  addDataOptions(command, { range: true });
  addOptions(command, 'Estimate:', [
    choice(
      '--trace <how>',
      "Hutchinson's estimate of the divergence from random vectors, or one product per dimension",
      ['rademacher', 'gaussian', 'exact'],
      'exact up to 16 dimensions without --probes, else rademacher',
    ),
    integer('--probes <k>', 'random vectors; 2 or more give a standard error (default: 1)'),
    integer('--repeats <n>', 'passes with other random vectors and dequantisation, averaged (default: 1)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    choice(
      '--derivative <how>',
      'how the score is differentiated',
      ['closed-form', 'vjp', 'central-difference'],
      'the best that the model has',
    ),
    real('--bins <n>', 'equal parts of the data range that bits/dim count (default: 256 for images)'),
    integer('--elbo <draws>', 'add the bound of the reverse-time SDE from so many times, an even number'),
  ]);
  addOdeOptions(command);
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    list('--output <file>', 'where results go, see below; may be repeated (default: CSV on stdout)'),
    ...reportOptions(),
  ]);
  addUsual(command, [
    '--data',
    '--count',
    '--first',
    '--resize',
    '--probes',
    '--repeats',
    '--seed',
    '--output',
    '--json',
    '--quiet',
  ]);
  addSection(command, 'Output, by the ending of --output:', [
    [
      'results.csv',
      'a line per sample: index, label where the data have classes, log_density (nats), bits_per_dim, standard_error, evaluations',
    ],
    ['results.npz', 'the same columns as arrays'],
    ['results.png', 'a histogram of bits/dim'],
    [
      'results/',
      'a folder with a file per batch: a run that was stopped goes on when it is started again, and several processes may do one ' +
        'run; with it, other outputs are written at the end',
    ],
  ]);
  return addRecipes(command, [
    ['fastsde likelihood --data mnist --count 100 --probes 2', 'with errors'],
    ['fastsde likelihood m.onnx --data photos/ --resize --output nll.csv', 'a table'],
    ['fastsde likelihood --mixture m.json --data x.npy', 'of an exact law'],
  ]).action((model: string | undefined, flags: LikelihoodFlags) =>
    run((signal) => scoreData(model, flags, signal)),
  );
}

async function scoreData(
  path: string | undefined,
  flags: LikelihoodFlags,
  signal: AbortSignal,
): Promise<void> {
  const { checkResultPath, resultColumns, summaryOf, writeResults } =
    await import('../shared/likelihood-results.js');
  const { output = [] } = flags;
  const { folder, files } = await placesOf(output);
  for (const file of files) await checkResultPath(file);
  await withModel(path, flags, async (opened) => {
    const scored = await score(opened, await dataOf(opened, flags, signal), flags, signal, folder);
    for (const file of files) await writeResults(file, scored);
    if (!flags.json && output.length === 0) {
      const { encodeCsv } = await import('../../io/csv.js');
      print(encodeCsv(resultColumns(scored)));
    }
    const { result } = scored;
    const seed = jsonSeed(result.options['seed'] as bigint);
    return {
      record: { ...recordOf(scored), seed },
      options: { ...result.options, seed, output },
      summary: [summaryOf(result), ...output].join('\n'),
    };
  });
}

/** Samples, and their classes where they have some. */
interface Labelled {
  readonly data: Data;
  readonly labels?: Int32Array | undefined;
}

/** The data that the flags choose. */
export async function dataOf(opened: Opened, flags: LikelihoodFlags, signal: AbortSignal): Promise<Labelled> {
  return chosen(await openData(flags, opened, signal), flags);
}

/** Scores data: in a folder what is missing there, or of that so many batches. */
export async function score(
  opened: Opened,
  { data, labels }: Labelled,
  flags: LikelihoodFlags,
  signal: AbortSignal,
  folder?: string,
  batches?: readonly number[],
): Promise<Scored> {
  const options = { ...likelihoodOptions(flags, opened.model, labels), signal };
  const result = await (folder === undefined
    ? inMemory(opened, data, options)
    : inFolder(folder, opened, data, { ...options, ...defined({ batches }) }, flags));
  return { result, first: flags.first ?? 0, ...(labels && { labels }) };
}

/** Where results go: files, and at most one folder. */
export async function placesOf(
  output: readonly string[],
): Promise<{ readonly folder: string | undefined; readonly files: readonly string[] }> {
  const { namesFolder } = await import('../shared/outputs.js');
  const folders: string[] = [];
  const files: string[] = [];
  for (const path of output) ((await namesFolder(path)) ? folders : files).push(path);
  if (folders.length > 1) throw new OptionError('output', folders.join(' '), 'one folder at most');
  return { folder: folders[0], files };
}

async function inMemory(
  { model, follow }: Opened,
  data: Data,
  options: LikelihoodOptions,
): Promise<LikelihoodResult> {
  const { likelihood } = await import('../../likelihood/likelihood.js');
  return follow('Scoring', 'sample', (show) =>
    likelihood(model, data, { ...options, ...showingTimes(show) }),
  );
}

async function inFolder(
  folder: string,
  opened: Opened,
  data: Data,
  options: LikelihoodShardsOptions & { readonly signal: AbortSignal },
  flags: LikelihoodFlags,
): Promise<LikelihoodResult> {
  const { likelihoodShards } = await import('../../likelihood/shards.js');
  const { fillFrom } = await import('../shared/shard.js');
  return fillFrom(opened, folder, 'Scoring', flags, options.signal, (origin, show) =>
    likelihoodShards(opened.model, data, folder, { ...options, origin, ...showingTimes(show) }),
  );
}

function likelihoodOptions(
  flags: LikelihoodFlags,
  model: ScoreModel,
  labels: Int32Array | undefined,
): LikelihoodOptions {
  const { trace, probes, repeats, seed, first, derivative, bins, elbo } = flags;
  return {
    ...odeOptions(flags),
    ...classesOf({ ...(labels && { labels }) }, flags, model),
    ...defined({ trace, probes, repeats, seed, first, derivative, bins, elboDraws: elbo }),
  };
}

/** What --json prints of a result. */
export function recordOf({ result, first, labels }: Scored): object {
  const { derivative, elbo, evaluations, logDensity, bitsPerDim, standardError } = result;
  const { mean, offset, epsilon, trace, counts, seconds } = result;
  return {
    mean,
    ...(elbo && { elbo: { ...elbo.mean } }),
    ...{ offset, epsilon, trace },
    derivative: { ...derivative, ...(derivative.error && { error: Array.from(derivative.error) }) },
    ...{ counts, first, count: logDensity.length, seconds },
    samples: {
      ...(labels && { label: Array.from(labels) }),
      logDensity: Array.from(logDensity),
      bitsPerDim: Array.from(bitsPerDim),
      ...(standardError && { standardError: Array.from(standardError) }),
      evaluations: Array.from(evaluations),
    },
  };
}
