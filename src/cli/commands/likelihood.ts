import { Command } from 'commander';
import { defined, jsonSeed } from '../../options.js';
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
import { addGuidanceOptions } from '../shared/guidance.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, odeOptions, type OdeFlags } from '../shared/ode.js';
import { modelArgument, reached, reportOptions, withModel, type ReportFlags } from '../shared/report.js';
import { run } from '../shared/run.js';
import { print } from '../shared/terminal.js';

interface LikelihoodFlags extends ModelFlags, DataFlags, RangeFlags, OdeFlags, ReportFlags {
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
  return command
    .addHelpText('after', help)
    .action((model: string | undefined, flags: LikelihoodFlags) =>
      run((signal) => scoreData(model, flags, signal)),
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
  const { output = [] } = flags;
  for (const file of output) await results.checkResultPath(file);
  await withModel(path, flags, async (opened) => {
    const { model, follow } = opened;
    const { data, labels } = await chosen(await openData(flags, opened, signal), flags);
    const result = await follow('Scoring', 'sample', (show) =>
      likelihood(model, data, {
        ...likelihoodOptions(flags, model, labels),
        signal,
        onProgress: ({ fraction, count, time }) => {
          show(fraction, count, reached(time));
        },
      }),
    );
    const scored = { result, first: flags.first ?? 0, ...(labels && { labels }) };
    for (const file of output) await results.writeResults(file, scored);
    if (!flags.json && output.length === 0) {
      const { encodeCsv } = await import('../../io/csv.js');
      print(encodeCsv(results.resultColumns(scored)));
    }
    const seed = jsonSeed(result.options['seed'] as bigint);
    return {
      record: { ...recordOf(scored), seed },
      options: { ...result.options, seed, output },
      summary: [results.summaryOf(result), ...output].join('\n'),
    };
  });
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
function recordOf({ result, first, labels }: Scored): object {
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
