import { Command, Option } from 'commander';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { addOptions, integer, real } from '../shared/arguments.js';
import { classesOf } from '../shared/data.js';
import { addModelOptions, openModel, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, flagNames, odeOptions, reached, type OdeFlags } from '../shared/ode.js';
import { counted, evaluationRange, warn } from '../shared/report.js';
import { run } from '../shared/run.js';

interface DecodeFlags extends ModelFlags, OdeFlags {
  readonly latents: string;
  readonly temperature?: number;
  readonly class?: number;
  readonly output?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde decode`: samples from latent codes. */
export function decodeCommand(): Command {
  const command = new Command('decode')
    .summary('samples from latent codes')
    .description(
      'Carries latent codes along the probability-flow ODE to data: the inverse of fastsde encode, with the same ' +
        'model, tolerances and --eps.',
    )
    .argument(
      '[model]',
      'ONNX file of a score network; without one, the embedded MNIST model (--sde vp or ve)',
    );
  addOptions(command, 'Codes:', [
    new Option(
      '--latents <file>',
      'codes in the unit of the prior: .npz of encode, or .npy',
    ).makeOptionMandatory(),
    real('--temperature <factor>', 'factor on the codes; below 1 samples are more typical (default: 1)'),
    integer('--class <n>', "class of all samples, for a model with a class input (default: the codes' own)"),
  ]);
  addOdeOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option(
      '--output <path>',
      'where the samples go: .png, .npy, .npz or a folder/ (default: samples.png)',
    ),
    new Option('--json', 'print one JSON object about the run on stdout'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  return command
    .addHelpText('after', help)
    .action((model: string | undefined, flags: DecodeFlags) =>
      run((signal) => decodeTo(model, flags, signal), flagNames),
    );
}

const help = `
Examples:
  $ fastsde encode --data mnist --count 16 --output latents.npz
  $ fastsde decode --latents latents.npz --output again.png
  $ fastsde decode --latents latents.npz --temperature 0.8 --output typical.png
`;

async function decodeTo(path: string | undefined, flags: DecodeFlags, signal: AbortSignal): Promise<void> {
  const { decode } = await import('../../likelihood/latent.js');
  const { readLatents } = await import('../shared/latents.js');
  const { resolveOutput, writeSamples } = await import('../shared/outputs.js');
  const { assertWritable } = await import('../../io/atomic.js');
  const { ProgressBar } = await import('../../io/progress.js');
  const { quiet } = flags;
  const { model, options, warnings } = await openModel(path, flags);
  try {
    if (!quiet) warn(warnings);
    const output = await resolveOutput(flags.output, model.shape, false);
    if (output.form === 'animation') {
      throw new OptionError('output', output.path, 'a .png, .npy or .npz file, or a folder ending in /');
    }
    await assertWritable(output.path);
    const latents = await readLatents(flags.latents, model.shape);
    const bar = quiet ? undefined : new ProgressBar('Decoding', 'samples');
    const result = await decode(model, latents.values, {
      ...odeOptions(flags),
      ...defined({ temperature: flags.temperature }),
      ...classesOf(latents, flags, model),
      signal,
      onProgress: ({ fraction, count, time }) => {
        bar?.update(fraction, count, reached(time));
      },
    }).finally(() => {
      bar?.clear();
    });
    if (!quiet) warn(result.warnings);
    const { values, shape, evaluations, seconds } = result;
    await writeSamples(output, { samples: Float32Array.from(values), shape, first: 0 }, model.sde);
    if (flags.json) {
      const record = {
        count: shape[0],
        shape,
        evaluations: Array.from(evaluations),
        output: output.path,
        seconds,
        warnings: [...warnings, ...result.warnings],
        options: { ...options, ...result.options, latents: flags.latents, output: output.path },
      };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    }
    if (!quiet) {
      process.stderr.write(
        `${counted(shape[0]!, 'sample')}, ${evaluationRange(evaluations)} score evaluations each, ` +
          `${seconds.toFixed(1)} s: ${output.path}\n`,
      );
    }
  } finally {
    await model.close();
  }
}
