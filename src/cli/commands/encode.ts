import { Command, Option } from 'commander';
import { addOptions } from '../shared/arguments.js';
import {
  addDataOptions,
  chosen,
  classesOf,
  dataHelp,
  openData,
  type DataFlags,
  type RangeFlags,
} from '../shared/data.js';
import { addModelOptions, openModel, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, flagNames, odeOptions, reached, type OdeFlags } from '../shared/ode.js';
import { counted, evaluationRange, warn } from '../shared/report.js';
import { run } from '../shared/run.js';

interface EncodeFlags extends ModelFlags, DataFlags, RangeFlags, OdeFlags {
  readonly output: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde encode`: latent codes of data. */
export function encodeCommand(): Command {
  const command = new Command('encode')
    .summary('latent codes of data')
    .description(
      'Carries data along the probability-flow ODE to the prior and writes their latent codes x_T in the unit of the ' +
        'prior, so that they are standard normal where the model fits the data.',
    )
    .argument(
      '[model]',
      'ONNX file of a score network; without one, the embedded MNIST model (--sde vp or ve)',
    );
  addDataOptions(command, { range: true });
  addOdeOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <file>', 'where the codes go: .npz ("latents", "labels") or .npy').default(
      'latents.npz',
    ),
    new Option('--json', 'print one JSON object about the run on stdout'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  return command
    .addHelpText('after', help)
    .action((model: string | undefined, flags: EncodeFlags) =>
      run((signal) => encodeTo(model, flags, signal), flagNames),
    );
}

const help = `${dataHelp}
Examples:
  $ fastsde encode --data mnist --count 16
  $ fastsde encode model.onnx --data digits/ --resize --rtol 1e-7 --atol 1e-7 --output codes.npy
  $ fastsde decode --latents latents.npz --temperature 0.8
`;

async function encodeTo(path: string | undefined, flags: EncodeFlags, signal: AbortSignal): Promise<void> {
  const { encode } = await import('../../likelihood/latent.js');
  const { checkLatentsPath, writeLatents } = await import('../shared/latents.js');
  const { assertWritable } = await import('../../io/atomic.js');
  const { ProgressBar } = await import('../../io/progress.js');
  const { output, quiet } = flags;
  checkLatentsPath(output);
  await assertWritable(output);
  const { model, options, warnings } = await openModel(path, flags);
  try {
    if (!quiet) warn(warnings);
    const set = await chosen(await openData(flags, model), flags);
    const bar = quiet ? undefined : new ProgressBar('Encoding', 'samples');
    const result = await encode(model, set.data, {
      ...odeOptions(flags),
      ...classesOf(set, flags, model),
      signal,
      onProgress: ({ fraction, count, time }) => {
        bar?.update(fraction, count, reached(time));
      },
    }).finally(() => {
      bar?.clear();
    });
    if (!quiet) warn(result.warnings);
    await writeLatents(output, { ...result, ...(set.labels && { labels: set.labels }) });
    const { values, shape, evaluations, seconds } = result;
    const meanSquare = values.reduce((sum, z) => sum + z * z, 0) / values.length;
    if (flags.json) {
      const record = {
        first: flags.first ?? 0,
        count: shape[0],
        shape,
        meanSquare,
        evaluations: Array.from(evaluations),
        output,
        seconds,
        warnings: [...warnings, ...result.warnings],
        options: { ...options, ...result.options, output },
      };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    }
    if (!quiet) {
      process.stderr.write(
        `${counted(shape[0]!, 'code')} with mean square ${meanSquare.toPrecision(4)} (1 under the prior), ` +
          `${evaluationRange(evaluations)} score evaluations each, ${seconds.toFixed(1)} s: ${output}\n`,
      );
    }
  } finally {
    await model.close();
  }
}
