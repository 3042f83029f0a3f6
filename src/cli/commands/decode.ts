import { Command, Option } from 'commander';
import { defined } from '../../options.js';
import { addOptions, integer, real } from '../shared/arguments.js';
import { classesOf } from '../shared/data.js';
import { addGuidanceOptions } from '../shared/guidance.js';
import { addRecipes, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, odeOptions, type OdeFlags } from '../shared/ode.js';
import {
  counted,
  evaluationRange,
  modelArgument,
  reportOptions,
  showingTimes,
  withModel,
  type ReportFlags,
} from '../shared/report.js';
import { run } from '../shared/run.js';

interface DecodeFlags extends ModelFlags, OdeFlags, ReportFlags {
  readonly latents: string;
  readonly temperature?: number;
  readonly class?: number;
  readonly output?: string;
}

/** `fastsde decode`: samples from latent codes. */
export function decodeCommand(): Command {
  const command = new Command('decode')
    .summary('samples from latent codes')
    .description(
      'Carries latent codes along the probability-flow ODE to data: the inverse of fastsde encode, with the same ' +
        'model, tolerances and --eps.',
    )
    .addArgument(modelArgument());
  addOptions(command, 'Codes:', [
    new Option(
      '--latents <file>',
      'codes in the unit of the prior: .npz of encode, or .npy',
    ).makeOptionMandatory(),
    real('--temperature <factor>', 'factor on the codes; below 1 samples are more typical (default: 1)'),
    integer('--class <n>', "class of all samples, for a model with a class input (default: the codes' own)"),
  ]);
  addOdeOptions(command);
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option(
      '--output <path>',
      'where the samples go: .png, .npy, .npz or a folder/ (default: samples.png)',
    ),
    ...reportOptions(),
  ]);
  addUsual(command, [
    '--latents',
    '--temperature',
    '--class',
    '--rtol',
    '--atol',
    '--output',
    '--json',
    '--quiet',
  ]);
  return addRecipes(command, [
    ['fastsde decode --latents latents.npz', 'what the codes are of: samples.png'],
    ['fastsde decode --latents latents.npz --temperature 0.8', 'more typical samples'],
    ['fastsde decode model.onnx --latents codes.npy --output x.npz', 'as numbers'],
  ]).action((model: string | undefined, flags: DecodeFlags) =>
    run((signal) => decodeTo(model, flags, signal)),
  );
}

async function decodeTo(path: string | undefined, flags: DecodeFlags, signal: AbortSignal): Promise<void> {
  const { decode } = await import('../../likelihood/latent.js');
  const { readLatents } = await import('../shared/latents.js');
  const { checkCapacity, resolveOutput, writeSamples } = await import('../shared/outputs.js');
  await withModel(path, flags, async ({ model, follow }) => {
    const output = await resolveOutput(flags.output, { shape: model.shape, animation: false });
    const latents = await readLatents(flags.latents, model.shape);
    checkCapacity(output, model.shape, latents.shape[0]!);
    const { values, shape, evaluations, seconds, options } = await follow('Decoding', 'sample', (show) =>
      decode(model, latents.values, {
        ...odeOptions(flags),
        ...defined({ temperature: flags.temperature }),
        ...classesOf(latents, flags, model),
        signal,
        ...showingTimes(show),
      }),
    );
    await writeSamples(output, { samples: Float32Array.from(values), shape, first: 0 }, model.sde);
    return {
      record: {
        count: shape[0],
        shape,
        evaluations: Array.from(evaluations),
        output: output.path,
        seconds,
      },
      options: { ...options, latents: flags.latents, output: output.path },
      summary:
        `${counted(shape[0]!, 'sample')}, ${evaluationRange(evaluations)} score evaluations each, ` +
        `${seconds.toFixed(1)} s: ${output.path}`,
    };
  });
}
