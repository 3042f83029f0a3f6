import { Command, Option } from 'commander';
import type { SampleResult } from '../../sampling/sample.js';
import type { ShardsResult } from '../../sampling/shards.js';
import { OptionError } from '../../errors.js';
import type { Decoder } from '../../latent/autoencoder.js';
import { checkInteger, defined, jsonSeed } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import { isImageShape } from '../../shape.js';
import { addOptions, bigInteger, integer } from '../shared/arguments.js';
import { addDecoderOptions, decoderRecord, openDecoder, type DecoderFlags } from '../shared/autoencoder.js';
import { addGuidanceOptions } from '../shared/guidance.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import {
  counted,
  modelArgument,
  reportOptions,
  showingSteps,
  withModel,
  type Opened,
  type ReportFlags,
} from '../shared/report.js';
import { fillFrom, folderOf, hashOf, shardOption, type ShardFlag } from '../shared/shard.js';
import { run } from '../shared/run.js';
import { shellWord } from '../shared/terminal.js';
import { addSolverOptions, solverChoice, type SolverFlags } from '../shared/solver.js';

export interface SampleFlags extends ModelFlags, DecoderFlags, SolverFlags, ReportFlags {
  readonly count?: number;
  readonly seed?: bigint;
  readonly first?: number;
  readonly class?: number;
  readonly output?: string;
  readonly shard?: ShardFlag;
  readonly trajectory?: number;
}

/** `fastsde sample`: draws samples from a score network or a Gaussian mixture and writes them to a file. */
export function sampleCommand(): Command {
  const command = new Command('sample')
    .summary('draw samples from a score network or a Gaussian mixture')
    .description(
      'Draws samples by the methods of Song et al. 2021 from a score network in an ONNX file or from a Gaussian ' +
        'mixture. Sample i depends on the model, the options, the seed and i, not on its batch.',
    )
    .addArgument(modelArgument());
  addOptions(command, 'Samples:', [
    integer('--count <n>', 'number of samples (default: 16; with --prompt 1)'),
    integer('--batch <n>', 'samples that go through the network at once (default: count, at most 64)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    integer('--first <index>', 'index of the first sample, to continue a sequence (default: 0)'),
    integer(
      '--class <n>',
      'class of the samples, for a model with classes; without a file: a digit, or 10 for any',
    ),
  ]);
  addSolverOptions(command);
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addDecoderOptions(command);
  addOptions(command, 'Output:', [
    new Option('--output <path>', 'where the samples go, see below (default: samples.png)'),
    shardOption(),
    integer('--trajectory <k>', 'keep the state at every k-th step, for .npz, .webp and scatter pictures'),
    ...reportOptions(),
  ]);
  addUsual(command, [
    ...['--count', '--seed', '--class', '--solver', '--steps', '--evaluations', '--guidance', '--sde'],
    ...['--output', '--json', '--quiet'],
  ]);
  addSection(
    command,
    'Output, by the ending of --output (an old file stays until the new one is complete):',
    [
      ['samples.png', 'a grid of images; a scatter picture of points of the plane'],
      ['samples.npy', "float32 [count, ...shape], in the model's own space"],
      [
        'samples.npz',
        'the same as "samples"; with --trajectory also "trajectory" [frames, count, ...shape], "times" and "steps"; with --decoder ' +
          '"samples" are the pictures, and "latents" what they are made of',
      ],
      ['samples.webp', 'an animation of the trajectory, by default of at most 60 frames'],
      [
        'samples/',
        'a folder with a .npy file per batch, a manifest, and for images a PNG per sample; a run that was stopped goes on when it is ' +
          'started again, and "fastsde merge" joins the files',
      ],
    ],
  );
  return addRecipes(command, [
    ['fastsde sample --class 3 --guidance 2', 'sixteen clear threes: samples.png'],
    ['fastsde sample model.onnx --solver unipc --steps 10', 'any network, fast'],
    ['fastsde sample --count 50000 --output digits/', 'a long run, which resumes'],
  ]).action((model: string | undefined, flags: SampleFlags) =>
    run(
      (signal) => sampleTo(model, flags, signal),
      flags.predictor === undefined ? { predictor: '--solver' } : {},
    ),
  );
}

async function sampleTo(path: string | undefined, flags: SampleFlags, signal: AbortSignal): Promise<void> {
  const folder = await folderOf(flags);
  await withModel(path, flags, async (opened) => {
    const decoder = await openDecoder(path, flags, opened.model.shape);
    const drawn = (folder === undefined ? toFile : toFolder)(opened, decoder, flags, signal);
    const { output, ...result } = await drawn.finally(() => decoder?.close());
    const { counts, shape, seconds, options } = result;
    const { first } = options;
    const seed = jsonSeed(options['seed'] as bigint);
    const evaluations = counts.score + counts.rejected + counts.denoise;
    return {
      record: { counts, seed, first, count: shape[0], shape, output, seconds },
      options: {
        ...options,
        ...(decoder && decoderRecord(decoder)),
        ...(await networksOf(path, flags)),
        seed,
        output,
      },
      summary: `${counted(shape[0]!, 'sample')}, ${evaluations} score evaluations each, ${seconds.toFixed(1)} s: ${output}`,
      next: decoder ? undefined : nextOf(path, flags, opened.model, output),
    };
  });
}

/** What suits who has just drawn these samples. */
function nextOf(
  path: string | undefined,
  { mixture, output: given, trajectory, class: label, sde, guidance, corrector, solver }: SampleFlags,
  { shape }: ScoreModel,
  output: string,
): string | undefined {
  if (/[/\\]$/.test(output)) return `fastsde merge ${shellWord(output)} --output all.npy`;
  if (shape.length === 1 && shape[0] === 2 && trajectory === undefined && output.endsWith('.png'))
    return 'the same with --trajectory 50, which draws their paths';
  if (given !== undefined || !isImageShape(shape)) return undefined;
  const isPlain = [path, mixture, label, sde, guidance, corrector, solver].every(
    (flag) => flag === undefined,
  );
  return isPlain
    ? 'fastsde sample --class 3 --guidance 2'
    : 'the same with --output samples.webp, which shows how they come about';
}

type Sampled = Pick<SampleResult, 'counts' | 'shape' | 'seconds' | 'options'> & {
  readonly output: string;
};

async function toFile(
  opened: Opened,
  decoder: Decoder | undefined,
  flags: SampleFlags,
  signal: AbortSignal,
): Promise<Sampled> {
  const { model, follow } = opened;
  const { planOf, sample } = await import('../../sampling/sample.js');
  const { withGridFound } = await import('../shared/grids.js');
  const { checkCapacity, resolveOutput, writeSamples } = await import('../shared/outputs.js');
  const shape = decoder ? await decoder.pictureShape(model.shape) : model.shape;
  const output = await resolveOutput(flags.output, {
    shape,
    trajectory: flags.trajectory !== undefined,
    animation: decoder === undefined,
  });
  if (flags.trajectory !== undefined) checkInteger('trajectory', flags.trajectory, 1);
  const solver = await withGridFound(opened, solverChoice(flags), flags, signal);
  const { steps } = planOf(model, solver);
  const trajectory = flags.trajectory ?? (output.form === 'animation' ? Math.ceil(steps / 60) : undefined);
  const frames = trajectory === undefined ? 0 : Math.ceil(steps / trajectory);
  checkCapacity(output, shape, countToDraw(flags) ?? 16, frames);
  const result = await follow('Sampling', 'sample', (show) =>
    sample(model, {
      ...solver,
      ...runOptions(flags),
      ...defined({ trajectory }),
      signal,
      ...showingSteps(show),
    }),
  );
  const pictures = await decoder?.decode(result.samples, result.shape, { signal });
  const first = Number(result.options['first']);
  await writeSamples(output, { ...result, first, pictures }, model.sde);
  return { ...result, ...(pictures && { shape: pictures.shape }), output: output.path };
}

async function toFolder(
  opened: Opened,
  decoder: Decoder | undefined,
  flags: SampleFlags,
  signal: AbortSignal,
): Promise<Sampled> {
  return { ...(await drawInto(opened, decoder, flags, signal)), output: flags.output! };
}

/** Draws what is missing in the folder of --output, or of that so many batches. */
export async function drawInto(
  opened: Opened,
  decoder: Decoder | undefined,
  flags: SampleFlags,
  signal: AbortSignal,
  batches?: readonly number[],
): Promise<ShardsResult> {
  const { sampleShards } = await import('../../sampling/shards.js');
  const { withGridFound } = await import('../shared/grids.js');
  const { trajectory, shard } = flags;
  const output = flags.output!;
  if (trajectory !== undefined)
    throw new OptionError('output', output, 'a .npz or .webp file where a trajectory is kept');
  const solver = await withGridFound(opened, solverChoice(flags), flags, signal);
  const decoded = decoder && { ...decoderRecord(decoder), decoder: await hashOf(decoder.source) };
  return fillFrom(opened, output, 'Sampling', flags, signal, (origin, show) =>
    sampleShards(opened.model, output, {
      ...solver,
      ...runOptions(flags),
      ...defined({ shard, decoder, batches }),
      origin: { ...origin, ...decoded },
      signal,
      ...showingSteps(show),
    }),
  );
}

/** The options of `sample` that say which samples are drawn. */
function runOptions(flags: SampleFlags) {
  const { batch, seed, first, class: classLabel } = flags;
  return defined({ count: countToDraw(flags), batch, seed, first, classLabel });
}

/** The hash of the networks in a folder, for the record of a run. */
async function networksOf(path: string | undefined, { json }: SampleFlags): Promise<{ sha256?: string }> {
  const { isFolder } = await import('../../io/atomic.js');
  if (path === undefined || !json || !(await isFolder(path))) return {};
  return { sha256: await hashOf(path) };
}

/** One picture of a text, unless more are asked for. */
export function countToDraw({ count, prompt }: SampleFlags): number | undefined {
  return count ?? (prompt === undefined ? undefined : 1);
}
