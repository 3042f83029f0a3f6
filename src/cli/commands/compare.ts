import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Sampler } from '../../evaluation/cells.js';
import type { DistanceName, ReferenceData } from '../../evaluation/distances.js';
import { FastsdeError, OptionError } from '../../errors.js';
import { isLive } from '../../io/progress.js';
import { defined, jsonSeed } from '../../options.js';
import { addOptions, bigInteger, choice, integer, list, numbers, real } from '../shared/arguments.js';
import { readFeatures, featuresOption, openFeatures } from '../shared/features.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import {
  counted,
  modelArgument,
  reportOptions,
  withModel,
  type Opened,
  type ReportFlags,
} from '../shared/report.js';
import { run } from '../shared/run.js';
import { originOf } from '../shared/shard.js';
import { tell } from '../shared/terminal.js';

interface CompareFlags extends ModelFlags, ReportFlags {
  readonly samplers?: string[];
  readonly evaluations?: number[];
  readonly distances?: DistanceName[];
  readonly tolerance?: number;
  readonly count?: number;
  readonly seed?: bigint;
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly features?: string;
  readonly cache?: string;
  readonly output?: string;
  readonly chart?: string;
  readonly csv?: string;
}

/** `fastsde compare`: which sampler at how many evaluations. */
export function compareCommand(): Command {
  const command = new Command('compare')
    .summary('samplers at several numbers of evaluations: how far from the ODE, the law and the data')
    .description(
      'Draws samples by several samplers, each at several numbers of network evaluations, and prints how far they are from ' +
        'a fine solution of the probability-flow ODE, from the exact law of a mixture, and from data, with standard errors. Below the line of the table stands what can be ' +
        'reached: exact samples, held-out data and the ODE itself, each with as many samples.',
    )
    .addArgument(modelArgument());
  addOptions(command, 'Samplers:', [
    list(
      '--samplers <list>',
      'names, patterns, and options after a colon, see below (default: ddim,dpmpp-2m,unipc,edm-heun,dpmpp-2m-sde,ancestral)',
    ),
    numbers('--evaluations <list>', 'evaluations that a sample may take, all included (default: 10,20,40)'),
  ]);
  addOptions(command, 'Samples:', [
    integer('--count <n>', 'samples of each sampler (default: 200, of a mixture 2000)'),
    integer('--batch <n>', 'samples at a time (default: count, at most 64, of a mixture 1024)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    integer('--class <n>', 'class of the samples, for a model with classes'),
  ]);
  addOptions(command, 'Distances:', [
    new Option('--distances <list>', 'which ones, see below (default: all that there can be)').argParser(
      (value: string) => {
        const names = value.split(',').map((name) => name.trim());
        if (names.includes('')) throw new InvalidArgumentError('Expected names with commas between them.');
        return names;
      },
    ),
    real('--tolerance <x>', 'of the fine ODE solution (default: 1e-5, of a mixture 1e-9)'),
    new Option('--data <source>', 'mnist, a toy, a folder of pictures or a file, as in "fastsde evaluate"'),
    choice('--split <name>', 'which part of the data, where they have these', ['train', 'test'], 'train'),
    featuresOption(),
    new Option(
      '--cache <folder>',
      'where features of the data are kept (default: features/ in --output, else none)',
    ),
  ]);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <folder>', 'keeps samples, table and charts; a comparison that was stopped goes on'),
    new Option('--chart <file>', 'a PNG file: distances over evaluations and over seconds'),
    new Option('--csv <file>', 'a CSV file: the table with all digits'),
    ...reportOptions(),
  ]);
  addUsual(command, [
    '--samplers',
    '--evaluations',
    '--distances',
    '--count',
    '--data',
    '--seed',
    '--output',
    '--json',
    '--quiet',
  ]);
  addSection(command, 'Samplers, with commas between them:', [
    ['heun', 'a method of "fastsde sample --solver"'],
    ["'dpmpp-*'", 'every method that the pattern matches'],
    ['unipc:order=3,grid=karras', 'with options of "fastsde sample"'],
    ['rk45:rtol=1e-3,atol=1e-3', 'what has steps of its own is drawn once'],
    ['predictor-corrector:snr=0.1', 'with predictor=, corrector= and their options'],
  ]);
  addSection(command, 'Distances, by name:', [
    [
      'ode-rms',
      "root mean square of an element's difference to a fine solution of the probability-flow ODE from the same starting points; " +
        'only of samplers without noise',
    ],
    [
      'ode-wasserstein',
      'squared sliced Wasserstein distance to samples of that solution from other starting points; of every sampler',
    ],
    ['law-wasserstein', 'the same to exact samples of a mixture'],
    ['law-frechet', 'squared Frechet distance to the exact moments of a mixture'],
    ['frechet, kernel', 'to the data, by features, as "fastsde evaluate" has them'],
  ]);
  return addRecipes(command, [
    ['fastsde compare', 'the usual samplers, on the embedded digits'],
    ["fastsde compare model.onnx --samplers 'unipc,dpmpp-*'", 'of your network'],
    ['fastsde compare --mixture m.json --samplers euler,heun', 'by the exact law'],
  ]).action((model: string | undefined, flags: CompareFlags) =>
    run((signal) => compareSamplers(model, flags, signal), { dataRange: '--data-range' }),
  );
}

async function compareSamplers(
  path: string | undefined,
  flags: CompareFlags,
  signal: AbortSignal,
): Promise<void> {
  checkFlags(flags);
  const { assertWritable, inFolder } = await import('../../io/atomic.js');
  const { output, chart = output && join(output, 'comparison.png'), csv } = flags;
  for (const file of [output, flags.chart, csv]) if (file !== undefined) await assertWritable(file);
  if (chart !== undefined) await (await import('../../io/sharp.js')).loadSharp();
  const work = () => withModel(path, flags, (opened) => compareOpened(opened, chart, flags, signal));
  await (output === undefined ? work() : inFolder(output, work));
}

async function compareOpened(
  opened: Opened,
  chart: string | undefined,
  flags: CompareFlags,
  signal: AbortSignal,
) {
  const { output, csv } = flags;
  const { comparisonTable } = await import('../shared/comparison-table.js');
  const { writeComparison, writeComparisonCsv } = await import('../../evaluation/comparison-files.js');
  const data = flags.data === undefined ? undefined : await openData(flags.data, opened, flags, signal);
  try {
    const comparison = await compareWith(opened, data, flags, signal);
    if (chart !== undefined) await writeComparison(chart, comparison);
    for (const file of [csv, output && join(output, 'comparison.csv')])
      if (file !== undefined) await writeComparisonCsv(file, comparison);
    const { rows, found, count, references } = comparison;
    const files = [output ?? chart, csv].filter((file) => file !== undefined);
    const kept = found > 0 ? `, ${counted(found, 'set')} of which were there already` : '';
    return {
      record: { rows, references, count, found },
      options: {
        ...comparison.options,
        seed: jsonSeed(flags.seed ?? 0n),
        ...(flags.data !== undefined && { data: flags.data, ...data?.facts }),
        output,
      },
      text: comparisonTable(comparison),
      summary: `${counted(rows.length, 'set')} of ${counted(count, 'sample')}${kept}${files.length > 0 ? `: ${files.join(', ')}` : ''}`,
    };
  } finally {
    await data?.reference.network?.release();
  }
}

function checkFlags(flags: CompareFlags): void {
  const { data, mixture } = flags;
  if (data !== undefined && mixture !== undefined)
    throw new OptionError(
      'data',
      data,
      'left out with --mixture, whose samples are compared with its exact law',
    );
  for (const name of ['split', 'features', 'cache'] as const)
    if (data === undefined && flags[name] !== undefined)
      throw new OptionError(name, flags[name], 'left out without --data');
}

async function compareWith(opened: Opened, data: Data | undefined, flags: CompareFlags, signal: AbortSignal) {
  const { compare } = await import('../../evaluation/compare.js');
  const { model, law, options: modelOptions, follow } = opened;
  const samplers = flags.samplers && (await samplersOf(opened, flags, signal));
  const { evaluations, distances, tolerance, count, batch, seed, output, quiet } = flags;
  const origin = output === undefined ? {} : { ...(await originOf(modelOptions)), ...data?.facts };
  try {
    return await follow('Comparing', 'set', async (show) => {
      const comparing = compare(model, {
        ...defined({ samplers, evaluations, distances, tolerance, count, batch, seed, law }),
        ...defined({ classLabel: flags.class, data: data?.reference, folder: output }),
        origin,
        signal,
        onProgress: ({ fraction, sets, name }) => {
          show(fraction, sets, name);
        },
      });
      // A terminal has the bar.
      if (!quiet && !isLive(process.stderr))
        for await (const { name, evaluations, seconds } of comparing)
          if (evaluations !== undefined)
            tell(`${name}: ${Number(evaluations.toFixed(1))} evaluations, ${seconds!.toFixed(1)} s`);
      return comparing;
    });
  } catch (cause) {
    if (!signal.aborted || output === undefined) throw cause;
    const kept = `Sets that are complete stay in ${output}; the same command goes on from there.`;
    throw new FastsdeError('ERR_FASTSDE_INTERRUPTED', `Interrupted. ${kept}`, { cause });
  }
}

/** The samplers of the flag, those on the grid `auto` with the times that are found for the model and each number of steps. */
async function samplersOf(
  opened: Opened,
  { samplers = [], evaluations = [10, 20, 40], class: classLabel, quiet }: CompareFlags,
  signal: AbortSignal,
): Promise<Sampler[]> {
  const { samplersIn } = await import('../../solvers/described.js');
  const { stepsAt } = await import('../../evaluation/cells.js');
  const { gridOf } = await import('../shared/grids.js');
  const resolved: Sampler[] = [];
  for (const text of samplers) {
    const described = samplersIn(text);
    if (!described.some(({ choice }) => choice.grid === ('auto' as string))) {
      resolved.push(text);
      continue;
    }
    for (const { label, choice } of described) {
      const { grid, epsilon, ...rest } = choice;
      if (grid !== ('auto' as string)) {
        resolved.push({ label, ...choice });
        continue;
      }
      const found = new Map<number, readonly number[]>();
      for (const steps of stepsAt(opened.model, choice, evaluations)) {
        const { times } = await gridOf(opened, { steps, epsilon, classLabel, signal }, quiet ?? false);
        found.set(steps, times);
      }
      resolved.push({ label, ...rest, gridOf: (steps) => found.get(steps)! });
    }
  }
  return resolved;
}

interface Data {
  readonly reference: ReferenceData;
  /** What they are, for records. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** The features of the data, and those of the test digits beside the training digits of MNIST. */
async function openData(
  source: string,
  { model, doubt }: Opened,
  flags: CompareFlags,
  signal: AbortSignal,
): Promise<Data> {
  const { openSamples } = await import('../../evaluation/samples.js');
  const { split = 'train', output, quiet, features: named } = flags;
  const network = await openFeatures(flags);
  try {
    const cache = flags.cache ?? (output === undefined ? undefined : join(output, 'features'));
    const featuresIn = async (label: string, part: 'train' | 'test') => {
      const channels = network?.shape[0];
      const samples = await openSamples(source, { split: part, signal, ...(channels === 3 && { channels }) });
      doubt(samples.warnings);
      if (network === undefined && samples.shape.join() !== model.shape.join()) {
        const expected = `data of the shape [${model.shape.join(', ')}] of the model; these have [${samples.shape.join(', ')}], and no feature network scales them`;
        throw new OptionError('data', source, expected);
      }
      const range = model.sde.dataRange;
      const placed = samples.bytes ? samples : { ...samples, range: samples.range ?? range };
      return (await readFeatures(placed, { network, range, cache, label, quiet, signal })).features;
    };
    const features = await featuresIn('Features of the data:', split);
    const heldOut =
      source === 'mnist' && split === 'train'
        ? await featuresIn('Features of the held-out data:', 'test')
        : undefined;
    return {
      reference: { features, ...(network && { network }), ...(heldOut && { heldOut }) },
      facts: {
        data: source,
        split,
        features: network === undefined ? 'raw' : (named ?? 'embedded'),
        ...(network && { featuresSha256: network.hash }),
        count: features.count,
      },
    };
  } catch (cause) {
    await network?.release();
    throw cause;
  }
}
