import { Command, Option } from 'commander';
import type { Dataset } from '../../data/dataset.js';
import { addOptions } from '../shared/arguments.js';
import {
  addDataOptions,
  chosen,
  classesOf,
  openData,
  type DataFlags,
  type RangeFlags,
} from '../shared/data.js';
import { addEncoderOptions, openEncoder, type EncoderFlags } from '../shared/autoencoder.js';
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
  type Opened,
  type ReportFlags,
} from '../shared/report.js';
import { run } from '../shared/run.js';
import { shellWord } from '../shared/terminal.js';

interface EncodeFlags extends ModelFlags, EncoderFlags, DataFlags, RangeFlags, OdeFlags, ReportFlags {
  readonly output: string;
}

/** `fastsde encode`: latent codes of data. */
export function encodeCommand(): Command {
  const command = new Command('encode')
    .summary('latent codes of data')
    .description(
      'Carries data along the probability-flow ODE to the prior and writes their latent codes x_T in the unit of the ' +
        'prior, so that they are standard normal where the model fits the data.',
    )
    .addArgument(modelArgument());
  addDataOptions(command, { range: true });
  addOdeOptions(command);
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addEncoderOptions(command);
  addOptions(command, 'Output:', [
    new Option('--output <file>', 'where the codes go: .npz ("latents", "labels") or .npy').default(
      'latents.npz',
    ),
    ...reportOptions(),
  ]);
  addUsual(command, [
    '--data',
    '--count',
    '--first',
    '--resize',
    '--rtol',
    '--atol',
    '--output',
    '--json',
    '--quiet',
  ]);
  return addRecipes(command, [
    ['fastsde encode --data mnist --count 16', 'codes of digits: latents.npz'],
    ['fastsde encode model.onnx --data photos/ --resize', 'of pictures of your own'],
    ['fastsde encode --data mnist --rtol 1e-7 --atol 1e-7', 'more exactly'],
  ]).action((model: string | undefined, flags: EncodeFlags) =>
    run((signal) => encodeTo(model, flags, signal)),
  );
}

/** The data, or of a latent model what its encoder makes of them. */
async function latentsIn(
  path: string | undefined,
  opened: Opened,
  flags: EncodeFlags,
  signal: AbortSignal,
): Promise<Pick<Dataset, 'data' | 'labels'>> {
  const { model, doubt } = opened;
  const opens = await openEncoder(path, flags, model.shape);
  if (!opens) return chosen(await openData(flags, opened, signal), flags);
  const { encoder, pictures } = opens;
  try {
    const source = { model: { ...model, shape: pictures }, doubt };
    const { data, shape, labels } = await chosen(await openData(flags, source, signal), flags);
    const values = data instanceof Float64Array ? Float32Array.from(data) : data;
    const latents = await encoder.encode(values, shape, { signal });
    return { data: latents.samples, ...(labels && { labels }) };
  } finally {
    await encoder.close();
  }
}

async function encodeTo(path: string | undefined, flags: EncodeFlags, signal: AbortSignal): Promise<void> {
  const { encode } = await import('../../likelihood/latent.js');
  const { checkLatentsPath, writeLatents } = await import('../shared/latents.js');
  const { output } = flags;
  await checkLatentsPath(output);
  await withModel(path, flags, async (opened) => {
    const { model, follow } = opened;
    const set = await latentsIn(path, opened, flags, signal);
    const { values, shape, evaluations, seconds, options } = await follow('Encoding', 'sample', (show) =>
      encode(model, set.data, {
        ...odeOptions(flags),
        ...classesOf(set, flags, model),
        signal,
        ...showingTimes(show),
      }),
    );
    await writeLatents(output, { values, shape, ...(set.labels && { labels: set.labels }) });
    const meanSquare = values.reduce((sum, z) => sum + z * z, 0) / values.length;
    return {
      record: {
        first: flags.first ?? 0,
        count: shape[0],
        shape,
        meanSquare,
        evaluations: Array.from(evaluations),
        output,
        seconds,
      },
      options: { ...options, output },
      next: `fastsde decode --latents ${shellWord(output)}, of the same model`,
      summary:
        `${counted(shape[0]!, 'code')} with mean square ${meanSquare.toPrecision(4)} (1 under the prior), ` +
        `${evaluationRange(evaluations)} score evaluations each, ${seconds.toFixed(1)} s: ${output}`,
    };
  });
}
