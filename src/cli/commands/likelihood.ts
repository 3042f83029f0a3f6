import { Command, Option } from 'commander';
import { defined } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import type { LikelihoodOptions } from '../../likelihood/job.js';
import { addOptions, bigInteger, choice, integer, list, real } from '../shared/arguments.js';
import {
  addDataOptions,
  chosen,
  classesOf,
  dataHelp,
  openData,
  type DataFlags,
  type RangeFlags,
} from '../shared/data.js';
import type { Scored } from '../shared/likelihood-results.js';
import { addModelOptions, openModel, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, flagNames, odeOptions, reached, type OdeFlags } from '../shared/ode.js';
import { jsonSeed, warn } from '../shared/report.js';
import { run } from '../shared/run.js';

interface LikelihoodFlags extends ModelFlags, DataFlags, RangeFlags, OdeFlags {
  readonly trace?: 'rademacher' | 'gaussian' | 'exact';
  readonly probes?: number;
  readonly repeats?: number;
  readonly seed?: bigint;
  readonly derivative?: 'closed-form' | 'vjp' | 'central-difference';
  readonly bins?: number;
  readonly elbo?: number;
  readonly output?: string[];
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde likelihood`: log-densities and bits/dim of data under a score model. */
export function likelihoodCommand(): Command {
  const command = new Command('likelihood')
    .summary('log-density and bits/dim of data under a score model')
    .description(
      'Computes the log-density of data under the probability-flow ODE of a score model (Song et al. 2021, section ' +
        '4.3), in nats and in bits/dim, with standard errors. Bytes are dequantised by uniform noise.',
    )
    .argument(
      '[model]',
      'ONNX file of a score network; without one, the embedded MNIST model (--sde vp or ve)',
    );
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
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    list('--output <file>', 'where results go, see below; may be repeated (default: CSV on stdout)'),
    new Option('--json', 'print one JSON object about the run on stdout'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  return command
    .addHelpText('after', help)
    .action((model: string | undefined, flags: LikelihoodFlags) =>
      run((signal) => scoreData(model, flags, signal), { ...flagNames, elboDraws: '--elbo' }),
    );
}

const help = `${dataHelp}
Output, by the ending of --output:
  results.csv    a line per sample: index, label where the data have classes,
                 log_density (nats), bits_per_dim, standard_error, evaluations
  results.npz    the same columns as arrays
  results.png    a histogram of bits/dim

Examples:
  $ fastsde likelihood --data mnist --count 100 --probes 2
  $ fastsde likelihood model.onnx --data digits/ --resize --output results.csv
  $ fastsde likelihood --data mnist --count 1000 --repeats 5 --elbo 20 \\
      --output results.csv --output histogram.png --json
  $ fastsde likelihood --mixture mixture.json --data points.npy --rtol 1e-9 --atol 1e-9
`;

async function scoreData(
  path: string | undefined,
  flags: LikelihoodFlags,
  signal: AbortSignal,
): Promise<void> {
  const { likelihood } = await import('../../likelihood/likelihood.js');
  const results = await import('../shared/likelihood-results.js');
  const { assertWritable } = await import('../../io/atomic.js');
  const { ProgressBar } = await import('../../io/progress.js');
  const { output = [], quiet } = flags;
  for (const file of output) {
    results.checkResultPath(file);
    await assertWritable(file);
  }
  const { model, options, warnings } = await openModel(path, flags);
  try {
    if (!quiet) warn(warnings);
    const { data, labels } = await chosen(await openData(flags, model), flags);
    const bar = quiet ? undefined : new ProgressBar('Scoring', 'samples');
    const result = await likelihood(model, data, {
      ...likelihoodOptions(flags, model, labels),
      signal,
      onProgress: ({ fraction, count, time }) => {
        bar?.update(fraction, count, reached(time));
      },
    }).finally(() => {
      bar?.clear();
    });
    const scored = { result, first: flags.first ?? 0, ...(labels && { labels }) };
    if (!quiet) warn(result.warnings);
    for (const file of output) await results.writeResults(file, scored);
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify(record(scored, [...warnings, ...result.warnings], { ...options, output }))}\n`,
      );
    else if (output.length === 0) {
      const { encodeCsv } = await import('../../io/csv.js');
      process.stdout.write(encodeCsv(results.resultColumns(scored)));
    }
    if (!quiet) process.stderr.write(`${[results.summaryOf(result), ...output].join('\n')}\n`);
  } finally {
    await model.close();
  }
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

/** The object that --json prints. */
function record(
  { result, first, labels }: Scored,
  warnings: readonly string[],
  modelOptions: Readonly<Record<string, unknown>>,
): object {
  const { derivative, elbo, options, evaluations, logDensity, bitsPerDim, standardError, ...rest } = result;
  const seed = jsonSeed(options['seed'] as bigint);
  return {
    mean: rest.mean,
    ...(elbo && { elbo: { ...elbo.mean } }),
    offset: rest.offset,
    epsilon: rest.epsilon,
    trace: rest.trace,
    derivative: { ...derivative, ...(derivative.error && { error: Array.from(derivative.error) }) },
    counts: rest.counts,
    seed,
    first,
    count: logDensity.length,
    seconds: rest.seconds,
    samples: {
      ...(labels && { label: Array.from(labels) }),
      logDensity: Array.from(logDensity),
      bitsPerDim: Array.from(bitsPerDim),
      ...(standardError && { standardError: Array.from(standardError) }),
      evaluations: Array.from(evaluations),
    },
    warnings,
    options: { ...modelOptions, ...options, seed },
  };
}
