import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Evaluation, MetricName } from '../../evaluation/evaluate.js';
import type { Extracted } from '../../evaluation/extract.js';
import type { FeatureNetwork } from '../../evaluation/feature-network.js';
import type { Samples } from '../../evaluation/samples.js';
import { DataError, OptionError } from '../../errors.js';
import { defined, jsonSeed } from '../../options.js';
import { addOptions, bigInteger, choice, integer, numbers } from '../shared/arguments.js';
import { readFeatures, featuresOption, following, openFeatures } from '../shared/features.js';
import { figuresOf } from '../shared/figures.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { providerOption } from '../shared/model.js';
import { reportOptions, type ReportFlags } from '../shared/report.js';
import { run } from '../shared/run.js';
import { print, warn } from '../shared/terminal.js';

interface EvaluateFlags extends ReportFlags {
  readonly samples: string;
  readonly data: string;
  readonly split?: 'train' | 'test';
  readonly heldOut?: string;
  readonly dataRange?: [number, number];
  readonly features?: string;
  readonly metrics?: MetricName[];
  readonly subset?: number;
  readonly seed?: bigint;
  readonly cache?: string;
  readonly threads?: number;
  readonly provider?: 'cpu' | 'cuda';
  readonly neighbours?: string;
}

/** `fastsde evaluate`: how far samples are from data. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .summary('how far samples are from data, with standard errors')
    .description(
      'Compares samples with data by their features: Frechet and kernel distance, precision, recall, density, coverage, ' +
        'inception score, sliced Wasserstein distance, and whether samples are copies of training data. Features of other networks, and of ' +
        'other numbers of samples, are not comparable.',
    );
  addOptions(command, 'Data:', [
    new Option(
      '--samples <source>',
      'a folder of "fastsde sample", a file or a folder of pictures',
    ).makeOptionMandatory(),
    new Option(
      '--data <source>',
      'mnist, a toy, or what --samples takes: the reference',
    ).makeOptionMandatory(),
    choice('--split <name>', 'which part of the reference, where it has these', ['train', 'test'], 'train'),
    new Option(
      '--held-out <source>',
      'data of the same law that no model saw, for memorisation (default for mnist: its test digits)',
    ),
    numbers(
      '--data-range <list>',
      'values that are black and white in arrays of floats, such as -1,1 (default: what a folder of "fastsde sample" says)',
    ),
  ]);
  addOptions(command, 'Features:', [
    featuresOption(),
    new Option(
      '--cache <folder>',
      'where features are kept, by hash; a run that was stopped goes on (default: features/ in a folder of "fastsde sample", ' +
        'else none)',
    ),
    integer('--threads <n>', 'threads of the network (default: one per core)'),
    providerOption(),
  ]);
  addOptions(command, 'Metrics:', [
    new Option('--metrics <list>', 'which ones, see below (default: all but what lacks its data)').argParser(
      (value: string) => {
        const names = value.split(',').map((name) => name.trim());
        if (names.includes('')) throw new InvalidArgumentError('Expected names with commas between them.');
        return names;
      },
    ),
    integer('--subset <n>', 'samples of each set at most for neighbours and projections (default: 10000)'),
    bigInteger('--seed <n>', 'seed of the random directions of sliced-wasserstein (default: 0)'),
  ]);
  addOptions(command, 'Output:', [
    new Option(
      '--neighbours <file>',
      'a PNG file: the samples closest to the reference, each beside its neighbour',
    ),
    ...reportOptions(),
  ]);
  addUsual(command, ['--samples', '--data', '--features', '--metrics', '--neighbours', '--json', '--quiet']);
  addSection(command, 'Metrics, by name:', [
    [
      'frechet',
      'Frechet distance (FID with Inception features), its standard error, its bias at these numbers of samples, and what it ' +
        'extrapolates to for infinitely many',
    ],
    ['kernel', 'kernel distance (KID) over all pairs; unbiased'],
    ['manifold', 'precision, recall, density, coverage'],
    ['inception-score', 'of a network with logits'],
    ['sliced-wasserstein', 'squared distance of one-dimensional projections'],
    [
      'memorisation',
      'distances of samples to the nearest reference sample, over those of held-out data: near 0 where samples are copies',
    ],
  ]);
  return addRecipes(command, [
    ['fastsde evaluate --samples digits/ --data mnist', 'all distances, with errors'],
    ['fastsde evaluate --samples s/ --data mnist --neighbours n.png', 'copies?'],
    ['fastsde evaluate --samples s/ --data photos/ --features f.onnx', 'FID'],
  ]).action((flags: EvaluateFlags) => run((signal) => evaluateSamples(flags, signal), flagNames));
}

/** The library's names of what these flags give. */
const flagNames = { generated: '--samples', reference: '--data' };

async function evaluateSamples(flags: EvaluateFlags, signal: AbortSignal): Promise<void> {
  const { evaluate } = await import('../../evaluation/evaluate.js');
  const { openSamples } = await import('../../evaluation/samples.js');
  const warnings: string[] = [];
  const doubt = (found: readonly string[]): void => {
    warnings.push(...found);
    if (!flags.quiet) warn(found);
  };
  const network = await openFeatures(flags);
  if (network === undefined && flags.provider === 'cuda') {
    const expected =
      'cpu where no feature network runs: these samples are compared as they are (--features FILE names one)';
    throw new OptionError('provider', flags.provider, expected);
  }
  try {
    const channels = network?.shape[0];
    const open = async (source: string, split: 'train' | 'test'): Promise<Samples> => {
      const samples = await openSamples(source, { split, signal, ...(channels === 3 && { channels }) });
      doubt(samples.warnings);
      return samples.bytes || flags.dataRange === undefined
        ? samples
        : { ...samples, range: flags.dataRange };
    };
    const { split = 'train', heldOut = flags.data === 'mnist' && split === 'train' ? 'mnist' : undefined } =
      flags;
    const generated = await open(flags.samples, 'test');
    const reference = await open(flags.data, split);
    const unseen = heldOut === undefined ? undefined : await open(heldOut, 'test');
    if (network === undefined) checkShapes(generated, reference, unseen);

    const cache = flags.cache ?? (generated.sharded ? join(flags.samples, 'features') : undefined);
    const extract = async (label: string, samples: Samples): Promise<Extracted> =>
      readFeatures(samples, {
        network,
        range: generated.range ?? reference.range,
        cache,
        label,
        quiet: flags.quiet,
        signal,
      });
    const own = await extract('Features of the samples:', generated);
    const other = await extract('Features of the data:', reference);
    const held = unseen && (await extract('Features of the held-out data:', unseen));

    const { metrics, subset, seed } = flags;
    const result = await following('Comparing', flags.quiet, own.features.count, (onProgress) =>
      evaluate(own.features, other.features, {
        ...defined({ metrics, subset, seed, logits: own.logits, heldOut: held?.features }),
        signal,
        onProgress,
      }),
    );
    doubt(result.warnings);
    if (flags.neighbours !== undefined) {
      const { nearestNeighbours } = await import('../../evaluation/nearest.js');
      const { writeNeighbours } = await import('../../evaluation/neighbours-picture.js');
      const pairs =
        result.neighbours ??
        (await nearestNeighbours(own.features, other.features, { ...defined({ subset }), signal }));
      await writeNeighbours(flags.neighbours, generated, reference, pairs);
    }
    report(flags, result, network, warnings);
  } finally {
    await network?.release();
  }
}

function checkShapes(generated: Samples, ...others: readonly (Samples | undefined)[]): void {
  for (const other of others)
    if (other !== undefined && other.shape.join() !== generated.shape.join())
      throw new DataError(
        `The samples have the shape [${generated.shape.join(', ')}] and the data [${other.shape.join(', ')}]; without a feature ` +
          'network, which scales pictures, they have to be the same.',
        { option: 'data', value: other.shape },
      );
}

function report(
  flags: EvaluateFlags,
  result: Evaluation,
  network: FeatureNetwork | undefined,
  warnings: readonly string[],
): void {
  if (!flags.json) {
    print(figuresOf(result));
    return;
  }
  const { samples, data, features, seed, neighbours } = flags;
  const record = {
    ...result,
    ...(result.frechet && { frechet: { ...result.frechet, warnings: undefined } }),
    neighbours: undefined,
    warnings,
    options: {
      ...{ samples, data },
      features: network === undefined ? 'raw' : (features ?? 'embedded'),
      ...(network && { sha256: network.hash, resize: network.resize }),
      ...(seed !== undefined && { seed: jsonSeed(seed) }),
      ...(neighbours !== undefined && { neighbours }),
    },
  };
  print(`${JSON.stringify(record)}\n`);
}
