import { Command, Option } from 'commander';
import type { ScoreModel } from '../../score/model.js';
import type { SampleOptions, SampleResult } from '../../sampling/sample.js';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { addOptions, bigInteger, integer } from '../shared/arguments.js';
import { addModelOptions, openModel, type ModelFlags, type OpenModel } from '../shared/model.js';
import type { Output } from '../shared/outputs.js';
import { jsonSeed, warn } from '../shared/report.js';
import { shardOption, type Part } from '../shared/shard.js';
import { run } from '../shared/run.js';
import { addSolverOptions, solverChoice, type SolverFlags } from '../shared/solver.js';

interface SampleFlags extends ModelFlags, SolverFlags {
  readonly count?: number;
  readonly seed?: bigint;
  readonly first?: number;
  readonly class?: number;
  readonly output?: string;
  readonly shard?: Part;
  readonly trajectory?: number;
  readonly json?: true;
  readonly quiet?: true;
}

/** `fastsde sample`: draws samples from a score network or a Gaussian mixture and writes them to a file. */
export function sampleCommand(): Command {
  const command = new Command('sample')
    .summary('draw samples from a score network or a Gaussian mixture')
    .description(
      'Draws samples by the methods of Song et al. 2021 from a score network in an ONNX file or from a Gaussian ' +
        'mixture. Sample i depends on the model, the options, the seed and i, not on its batch.',
    )
    .argument(
      '[model]',
      'ONNX file of a score network; without one, the embedded MNIST model (--sde vp or ve)',
    );
  addOptions(command, 'Samples:', [
    integer('--count <n>', 'number of samples (default: 16)'),
    integer('--batch <n>', 'samples that go through the network at once (default: count, at most 64)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    integer('--first <index>', 'index of the first sample, to continue a sequence (default: 0)'),
    integer('--class <n>', 'class of the samples, for a model with a class input'),
  ]);
  addSolverOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <path>', 'where the samples go, see below (default: samples.png)'),
    shardOption(),
    integer('--trajectory <k>', 'keep the state at every k-th step, for .npz, .webp and scatter pictures'),
    new Option('--json', 'print one JSON object about the run on stdout'),
    new Option('--quiet', 'no progress, warnings or summary on stderr'),
  ]);
  return command
    .addHelpText('after', outputHelp)
    .action((model: string | undefined, flags: SampleFlags) =>
      run((signal) => sampleTo(model, flags, signal), flagNames),
    );
}

const outputHelp = `
Output, by the ending of --output (an old file stays until the new one is complete):
  samples.png    a grid of images; a scatter picture of points of the plane
  samples.npy    float32 [count, ...shape], in the model's own space
  samples.npz    the same as "samples"; with --trajectory also "trajectory"
                 [frames, count, ...shape], "times" and "steps"
  samples.webp   an animation of the trajectory (by default at most 60 frames)
  samples/       a folder with a .npy file per batch, a manifest, and for images a
                 PNG per sample; a run that was stopped goes on when it is started
                 again, "fastsde merge" joins the files

Examples:
  $ fastsde sample --corrector langevin --snr 0.16
  $ fastsde sample --sde ve --count 64 --seed 7 --output digits.webp
  $ fastsde sample model.onnx --predictor ancestral --output samples.npy --json
  $ fastsde sample model.onnx --solver rk45 --rtol 1e-5 --atol 1e-5
  $ fastsde sample unet.onnx --sde vp --parameterization eps --labels index
  $ fastsde sample --mixture mixture.json --count 5000 --trajectory 50
  $ fastsde sample --count 50000 --output digits/ --shard $SLURM_ARRAY_TASK_ID/8
`;

/** Flags by the names of the library's options, where these differ. */
const flagNames = { epsilon: '--eps', classLabel: '--class', constants: '--sde-constants' };

async function sampleTo(path: string | undefined, flags: SampleFlags, signal: AbortSignal): Promise<void> {
  const { namesFolder } = await import('../shared/outputs.js');
  const inFolder = flags.output !== undefined && (await namesFolder(flags.output));
  if (!inFolder && flags.shard)
    throw new OptionError(
      'shard',
      flags.shard.text,
      'left out unless --output is a folder, such as samples/',
    );
  const opened = await openModel(path, flags);
  try {
    if (!flags.quiet) warn(opened.warnings);
    const { output, ...result } = await (inFolder ? toFolder : toFile)(opened, flags, signal);
    if (!flags.quiet) warn(result.warnings);
    if (flags.json) process.stdout.write(`${JSON.stringify(record(result, output, opened.options))}\n`);
    if (!flags.quiet) process.stderr.write(`${summary(result, output)}\n`);
  } finally {
    await opened.model.close();
  }
}

/** What there is to say about a run that is over. */
type Report = Pick<SampleResult, 'counts' | 'shape' | 'seconds' | 'options' | 'warnings'> & {
  output: string;
};

async function toFile({ model }: OpenModel, flags: SampleFlags, signal: AbortSignal): Promise<Report> {
  const { sample } = await import('../../sampling/sample.js');
  const { resolveOutput, writeSamples } = await import('../shared/outputs.js');
  const { assertWritable } = await import('../../io/atomic.js');
  const { ProgressBar } = await import('../../io/progress.js');
  const output = await resolveOutput(flags.output, model.shape, flags.trajectory !== undefined);
  await assertWritable(output.path);
  const bar = flags.quiet ? undefined : new ProgressBar('Sampling', 'samples');
  const sampling = sample(model, {
    ...(await sampleOptions(flags, output, model)),
    signal,
    onProgress: ({ fraction, count, step, steps }) => {
      bar?.update(fraction, count, `step ${step}/${steps}`);
    },
  });
  const result = await Promise.resolve(sampling).finally(() => {
    bar?.clear();
  });
  await writeSamples(output, { ...result, first: Number(result.options['first']) }, model.sde);
  return { ...result, output: output.path };
}

async function toFolder(
  { model, options: modelOptions }: OpenModel,
  flags: SampleFlags,
  signal: AbortSignal,
): Promise<Report> {
  const { sampleInto } = await import('../shared/shard.js');
  const { count, batch, seed, first, class: classLabel, trajectory, quiet } = flags;
  const output = flags.output!;
  if (trajectory !== undefined)
    throw new OptionError('output', output, 'a .npz or .webp file where a trajectory is kept');
  const options = {
    ...solverChoice(flags),
    ...defined({ count, batch, seed, first, classLabel, shard: flags.shard }),
    signal,
  };
  const result = await sampleInto(output, model, modelOptions, options, !quiet);
  return { ...result, output };
}

async function sampleOptions(flags: SampleFlags, output: Output, model: ScoreModel): Promise<SampleOptions> {
  const { count, batch, seed, first, class: classLabel } = flags;
  const { planOf } = await import('../../sampling/sample.js');
  const solver = solverChoice(flags);
  const frames = () => Math.ceil(planOf(model, solver).steps / 60);
  const trajectory = flags.trajectory ?? (output.form === 'animation' ? frames() : undefined);
  return {
    ...solver,
    ...defined({ count, batch, seed, first, classLabel, trajectory }),
  };
}

/** The object that --json prints. */
function record(
  result: Omit<Report, 'output'>,
  output: string,
  modelOptions: Readonly<Record<string, unknown>>,
): object {
  const { counts, shape, seconds, options, warnings } = result;
  const seed = jsonSeed(options['seed'] as bigint);
  const resolved = { ...modelOptions, ...options, seed, output };
  return {
    counts,
    seed,
    first: options['first'],
    count: shape[0],
    shape,
    output,
    seconds,
    warnings,
    options: resolved,
  };
}

function summary({ counts, shape, seconds }: Omit<Report, 'output'>, output: string): string {
  const what = shape[0] === 1 ? '1 sample' : `${shape[0]!} samples`;
  const evaluations = counts.score + counts.rejected + counts.denoise;
  return `${what}, ${evaluations} score evaluations each, ${seconds.toFixed(1)} s: ${output}`;
}
