import { extname } from 'node:path';
import { Option, type Command } from 'commander';
import type { Measurement } from '../../control/measurement.js';
import type { Operator } from '../../control/operator.js';
import { replacementLevels, restorationMethods, type RestorationMethod } from '../../control/names.js';
import type { RestoreResult } from '../../control/restore.js';
import type { RestoreOptions } from '../../control/restore-options.js';
import { DataError, OptionError } from '../../errors.js';
import { checkFits } from '../../memory.js';
import { defined, jsonSeed } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import { elementCount } from '../../shape.js';
import type { SolverChoice } from '../../solvers/choice.js';
import { addOptions, bigInteger, choice, integer, real } from './arguments.js';
import { addSourceOptions, classesOf, openData, type DataFlags } from './data.js';
import { addGuidanceOptions } from './guidance.js';
import { addSection, addUsual } from './help.js';
import { shownRows, type Measured } from './measured.js';
import { addModelOptions, type ModelFlags } from './model.js';
import {
  counted,
  modelArgument,
  reportOptions,
  withModel,
  type Opened,
  type ReportFlags,
  type Show,
} from './report.js';
import { addSolverOptions, solverChoice, type SolverFlags } from './solver.js';

/** Flags of every command that draws samples given a measurement. */
export interface RestorationFlags extends ModelFlags, DataFlags, SolverFlags, ReportFlags {
  readonly count?: number;
  readonly limit?: number;
  readonly first?: number;
  readonly seed?: bigint;
  readonly noise?: number;
  readonly method?: RestorationMethod;
  readonly replaceAt?: (typeof replacementLevels)[number];
  readonly particles?: number;
  readonly essThreshold?: number;
  readonly iterations?: number;
  readonly zeta?: number;
  readonly jumpLength?: number;
  readonly resamples?: number;
  readonly trajectory?: number;
  readonly output?: string;
}

/** Adds the flags of {@link RestorationFlags}, and those that say what is measured. */
export function addRestorationOptions(command: Command, measured: readonly Option[]): void {
  command.addArgument(modelArgument());
  addSourceOptions(command, { split: 'test', mandatory: true }, [
    new Option('--resize', "scale pictures to cover the model's size and crop them evenly"),
    integer('--limit <n>', 'how many of the data (default: 8)'),
    integer('--first <index>', 'index of the first of them in the data (default: 0)'),
    integer('--class <n>', "class of all, for a model with a class input (default: the data's own)"),
  ]);
  addOptions(command, 'Measurement:', [
    ...measured,
    real('--noise <std>', "standard deviation of its noise, in the model's own space (default: 0)"),
  ]);
  addOptions(command, 'Method:', [
    choice(
      '--method <name>',
      'how samples are drawn given the measurement',
      restorationMethods,
      'replacement for inpaint and colorize, else mmps',
    ),
    integer('--count <n>', 'samples for each measurement (default: 4)'),
    integer('--batch <n>', 'states that go through the network at once (default: at most 64)'),
    bigInteger('--seed <n>', 'seed of all noise, 0 to 2^64 - 1 (default: 0)'),
    choice(
      '--replace-at <level>',
      'replacement, repaint: of a move, where what is known is put',
      replacementLevels,
      'arrived',
    ),
    integer('--particles <k>', 'smc: particles of every sample (default: 32)'),
    real(
      '--ess-threshold <share>',
      'smc: effective share of particles below which they are drawn anew (default: 0.5)',
    ),
    integer('--iterations <n>', 'mmps: products with the Jacobian at every evaluation (default: 3)'),
    integer('--jump-length <n>', 'repaint: steps that are gone back over at once (default: 10)'),
    integer('--resamples <n>', 'repaint: how often each step is made (default: 10)'),
    real('--zeta <length>', 'dps: step down the gradient of the norm of the residual (default: 1)'),
  ]);
  addSolverOptions(command, { noise: false });
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <path>', 'where the samples go, see below (default: restored.png)'),
    integer('--trajectory <k>', 'keep the state at every k-th step, for .npz, .webp and scatter pictures'),
    ...reportOptions(),
  ]);
  addUsual(command, [
    ...[
      '--data',
      '--limit',
      '--resize',
      ...measured.map(({ long }) => long!),
      '--noise',
      '--method',
      '--count',
    ],
    ...['--seed', '--steps', '--output', '--json', '--quiet'],
  ]);
  addSection(command, 'Output, by the ending of --output:', [
    ['restored.png', 'a row for each picture: itself, what is known of it, and samples'],
    ['restored.npy', "float32 [pictures, count, ...shape], in the model's own space"],
    [
      'restored.npz',
      'the same as "samples"; with --trajectory also "trajectory" [frames, pictures, count, ...shape], "times" and "steps"',
    ],
    ['restored.webp', 'the rows as they come about, by default in at most 60 frames; not by method smc'],
    [
      'restored/',
      'a folder with a .npy file per batch, a manifest, and for pictures a PNG per sample, at the size of the model; a run that was ' +
        'stopped goes on when it is started again, and "fastsde merge" joins the files',
    ],
  ]);
}

/** Flags by the options of a measurement. */
export const measurementFlags = {
  rows: '--operator',
  'measurement.noise': '--noise',
  'measurement.operator': '--operator',
};

/** Data that are originals: what would be measured of them. */
export async function measureData(
  operator: Operator,
  flags: RestorationFlags,
  opened: Opened,
  signal: AbortSignal,
): Promise<Measured> {
  const { modelValues } = await import('../../data/dataset.js');
  const { measure } = await import('../../control/measurement.js');
  const { noise, seed, first } = flags;
  const set = await limited(await openData(flags, opened, signal), flags);
  const originals = modelValues(set, opened.model);
  return {
    operator,
    values: await measure(operator, originals, defined({ noise, seed, first })),
    originals,
    labels: set.labels,
  };
}

/** The part of a set that the flags ask for. */
export async function limited<T extends Parameters<typeof import('../../data/dataset.js').slice>[0]>(
  set: T,
  { limit, first = 0 }: Pick<RestorationFlags, 'limit' | 'first'>,
): Promise<T> {
  const { slice } = await import('../../data/dataset.js');
  const total = set.shape[0]!;
  if (first < 0 || first >= total)
    throw new OptionError('first', first, `from 0 to ${total - 1}, as the data have it`);
  if (limit !== undefined && (limit < 1 || limit > total - first))
    throw new OptionError('limit', limit, `from 1 to ${total - first}, what the data hold from --first on`);
  return { ...set, ...slice(set, first, limit ?? Math.min(8, total - first)) };
}

/** The body of a command that draws samples given what `measuredBy` says is known. */
export async function restoreTo(
  path: string | undefined,
  flags: RestorationFlags,
  signal: AbortSignal,
  measuredBy: (opened: Opened) => Promise<Measured>,
): Promise<void> {
  const { checkCapacity, namesFolder, resolveOutput, writeRows } = await import('./outputs.js');
  const folder = flags.output !== undefined && (await namesFolder(flags.output)) ? flags.output : undefined;
  if (folder !== undefined && flags.trajectory !== undefined)
    throw new OptionError('output', folder, 'a .npz or .webp file where a trajectory is kept');
  await withModel(path, flags, async (opened) => {
    const { model, follow } = opened;
    const output = folder
      ? undefined
      : await resolveOutput(flags.output, {
          shape: model.shape,
          stem: 'restored',
          trajectory: flags.trajectory !== undefined,
        });
    const known = await measuredBy(opened);
    const { operator, values, labels } = known;
    if (labels && flags.class === undefined && model.classes !== undefined) {
      const { checkClasses } = await import('../../data/dataset.js');
      // Also the one that stands for none.
      checkClasses({ labels }, Math.max(model.classes, (model.nullClass ?? -1) + 1));
    }
    const count = flags.count ?? 4;
    if (!Number.isSafeInteger(count) || count < 1)
      throw new OptionError('count', count, 'an integer of at least 1');
    const m = elementCount(operator.measuredShape);
    const pictures = values.length / m;
    checkFits(
      'count',
      count,
      4 * pictures * (m + (folder === undefined ? elementCount(model.shape) : 0)),
      'the data part by part with --first and --limit',
    );
    const measurement = { operator, values: repeated(values, m, count), ...defined({ noise: flags.noise }) };
    const shape = [pictures, count, ...model.shape];
    const options: RestoreOptions = {
      ...restoreOptions(flags, model, labels && repeatedLabels(labels, count)),
      first: (flags.first ?? 0) * count,
      signal,
      ...defined({ trajectory: flags.trajectory }),
    };
    const progress = (show: Show): Pick<RestoreOptions, 'onProgress'> => ({
      onProgress: ({ fraction, count, step, steps }) => {
        show(fraction, count, `step ${step}/${steps}`);
      },
    });
    if (folder) {
      const result = await restoreInto(folder, opened, measurement, options, progress, flags, signal);
      return reportOf(result, shape, folder);
    }
    const { prepareRestore, restore } = await import('../../control/restore.js');
    const { previews, unseen } = await prepareRestore(model, measurement, options);
    if (unseen !== undefined && output!.form === 'animation')
      throw new OptionError('output', output!.path, `another than an animation: ${unseen}`);
    const trajectory =
      previews.trajectory ?? (output!.form === 'animation' ? Math.ceil(previews.steps / 60) : undefined);
    const frames = trajectory === undefined ? 0 : Math.ceil(previews.steps / trajectory);
    checkCapacity(output!, model.shape, pictures * (count + 2), frames);
    const result = await follow('Restoring', 'sample', (show) =>
      restore(model, measurement, { ...options, ...defined({ trajectory }), ...progress(show) }),
    );
    const { columns, inRows } = shownRows(model, known, count);
    await writeRows(output!, { ...result, shape, columns, inRows }, model.sde);
    return reportOf(result, shape, output!.path);
  });
}

/** Draws into a folder, or goes on with that. */
async function restoreInto(
  folder: string,
  { model, options: modelOptions, follow }: Opened,
  measurement: Measurement,
  options: RestoreOptions,
  progress: (show: Show) => Pick<RestoreOptions, 'onProgress'>,
  { quiet }: RestorationFlags,
  signal: AbortSignal,
): Promise<Omit<RestoreResult, 'samples' | 'trajectory'>> {
  const { restoreShards } = await import('../../control/restore-shards.js');
  const { keeping, originOf, tellShared } = await import('./shard.js');
  const { assertWritable } = await import('../../io/atomic.js');
  await assertWritable(folder);
  const origin = await originOf(modelOptions);
  const { found, elsewhere, ...result } = await keeping(folder, signal, () =>
    follow('Restoring', 'sample', (show) =>
      restoreShards(model, measurement, folder, { ...options, ...progress(show), origin }),
    ),
  );
  if (!quiet) tellShared(found, elsewhere);
  return result;
}

function reportOf(result: Omit<RestoreResult, 'samples'>, shape: readonly number[], output: string) {
  const { counts, seconds, options, effectiveSampleSize, logEvidence } = result;
  const seed = jsonSeed(options['seed'] as bigint);
  const evaluations = counts.score + counts.denoise + counts.jvp + counts.vjp;
  const least = effectiveSampleSize?.reduce((a, b) => Math.min(a, b)).toPrecision(3);
  return {
    record: {
      ...{ counts, seed, shape, output, seconds },
      ...(logEvidence && {
        logEvidence: Array.from(logEvidence),
        effectiveSampleSize: Array.from(effectiveSampleSize!),
      }),
    },
    options: { ...options, seed, output },
    summary:
      `${counted(shape[0]!, 'measurement')}, ${counted(shape[1]!, 'sample')} of each by ${String(options['method'])}, ` +
      `${evaluations} evaluations a sample, ${seconds.toFixed(1)} s: ${output}` +
      (least === undefined ? '' : `\nthe least effective number of particles was ${least}`),
  };
}

function restoreOptions(
  flags: RestorationFlags,
  model: ScoreModel,
  labels: Int32Array | undefined,
): RestoreOptions {
  const { method, replaceAt, particles, essThreshold, iterations, zeta } = flags;
  const { jumpLength, resamples, batch, seed } = flags;
  return {
    ...choiceOf(flags),
    ...classesOf(defined({ labels }), flags, model),
    ...defined({ method, replaceAt, particles, essThreshold, iterations, zeta }),
    ...defined({ jumpLength, resamples, batch, seed }),
  };
}

/** The solver that the flags ask for; a predictor only where they name one, since methods have defaults of their own. */
function choiceOf(flags: RestorationFlags): SolverChoice {
  if (flags.grid === 'auto') throw new OptionError('grid', 'auto', 'a name, or times');
  const isNamed = flags.solver !== undefined || flags.predictor !== undefined;
  // The noise of the measurement is not that of a solver.
  const others: SolverFlags = { ...flags, ...{ noise: undefined } };
  if (isNamed) return defined(solverChoice(others));
  return defined({ ...solverChoice({ ...others, solver: 'predictor-corrector' }), predictor: undefined });
}

/** Every row of m values, `times` times in a row. */
function repeated(values: Float32Array, m: number, times: number): Float32Array {
  return Float32Array.from({ length: values.length * times }, (_, i) => {
    return values[Math.floor(i / (m * times)) * m + (i % m)]!;
  });
}

function repeatedLabels(labels: Int32Array, times: number): Int32Array {
  return Int32Array.from({ length: labels.length * times }, (_, i) => labels[Math.floor(i / times)]!);
}

/** A matrix from a .npy file, row by row. */
export async function readMatrix(path: string): Promise<Float64Array[]> {
  const { decodeNpy } = await import('../../io/npy.js');
  const { readBytes } = await import('../../io/read.js');
  const { data, shape } = decodeNpy(await readBytes(path), path);
  const [rows = 0, columns = 0] = shape;
  if (shape.length !== 2 || rows === 0 || columns === 0)
    throw new DataError(
      `${path}: a matrix has shape [rows, columns]; this array has [${shape.join(', ')}].`,
      { value: path },
    );
  const at = Array.from(data, Number).findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new DataError(
      `${path}: row ${Math.floor(at / columns)}, column ${at % columns} is ${String(data[at])}; finite numbers are expected.`,
      { value: path },
    );
  return Array.from({ length: rows }, (_, i) =>
    Float64Array.from({ length: columns }, (_, j) => Number(data[i * columns + j])),
  );
}

/** Whether a flag names a file of this kind. */
export function endsIn(path: string, ending: string): boolean {
  return extname(path).toLowerCase() === ending;
}
