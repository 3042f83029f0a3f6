import type { Measurement } from '../../control/measurement.js';
import type { RestoreResult } from '../../control/restore.js';
import type { RestoreOptions } from '../../control/restore-options.js';
import type { RestoreShardsResult } from '../../control/restore-shards.js';
import { OptionError } from '../../errors.js';
import { checkFits } from '../../memory.js';
import { checkInteger, defined, jsonSeed } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import { elementCount } from '../../shape.js';
import type { Part } from '../../shards/parts.js';
import type { SolverChoice } from '../../solvers/choice.js';
import { classesOf } from '../shared/data.js';
import { counted, showingSteps, withModel, type Opened, type Report } from '../shared/report.js';
import { fillFrom, folderOf } from '../shared/shard.js';
import { solverChoice, type SolverFlags } from '../shared/solver.js';
import type { RestorationFlags } from './flags.js';
import type { Measured, Measuring } from './measured.js';
import { shownRows } from './rows.js';

/** Samples to draw, for each of the pictures in turn. */
export interface Drawing {
  readonly known: Measured;
  readonly pictures: number;
  readonly count: number;
  readonly measurement: Measurement;
  readonly options: RestoreOptions;
}

/** The body of a command that draws samples given what is measured. */
export async function restoreTo(
  measuring: Measuring,
  path: string | undefined,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<void> {
  const folder = await folderOf(flags);
  if (folder !== undefined && flags.trajectory !== undefined)
    throw new OptionError('output', folder, 'a .npz or .webp file where a trajectory is kept');
  await withModel(path, flags, (opened) =>
    folder === undefined
      ? restoreToFile(measuring, opened, flags, signal)
      : restoreToFolder(measuring, opened, flags, signal),
  );
}

async function restoreToFile(
  measuring: Measuring,
  opened: Opened,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<Report> {
  const { prepareRestore, restore } = await import('../../control/restore.js');
  const { checkCapacity, resolveOutput, writeRows } = await import('../shared/outputs.js');
  const { model, follow } = opened;
  const output = await resolveOutput(flags.output, {
    shape: model.shape,
    stem: 'restored',
    trajectory: flags.trajectory !== undefined,
  });
  const drawing = await drawingOf(measuring, opened, flags, signal);
  const { known, pictures, count, measurement } = drawing;
  const options = { ...drawing.options, ...defined({ trajectory: flags.trajectory }) };
  checkFits('count', count, 4 * pictures * elementCount(model.shape), PART_BY_PART);
  const { previews, unseen } = await prepareRestore(model, measurement, options);
  if (unseen !== undefined && output.form === 'animation')
    throw new OptionError('output', output.path, `another than an animation: ${unseen}`);
  const trajectory =
    previews.trajectory ?? (output.form === 'animation' ? Math.ceil(previews.steps / 60) : undefined);
  const frames = trajectory === undefined ? 0 : Math.ceil(previews.steps / trajectory);
  checkCapacity(output, model.shape, pictures * (count + 2), frames);
  const result = await follow('Restoring', 'sample', (show) =>
    restore(model, measurement, { ...options, ...defined({ trajectory }), ...showingSteps(show) }),
  );
  const shape = [pictures, count, ...model.shape];
  const { columns, inRows } = shownRows(model, known, count);
  await writeRows(output, { ...result, shape, columns, inRows }, model.sde);
  return reportOf(result, drawing, output.path);
}

async function restoreToFolder(
  measuring: Measuring,
  opened: Opened,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<Report> {
  const drawing = await drawingOf(measuring, opened, flags, signal);
  const result = await restoreInto(opened, drawing, flags, signal);
  return reportOf(result, drawing, flags.output!, flags.shard);
}

const PART_BY_PART = 'the data part by part with --first and --limit';

/** What the flags ask for of a model, with the data read and measured. */
export async function drawingOf(
  measuring: Measuring,
  opened: Opened,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<Drawing> {
  const { model } = opened;
  const count = checkInteger('count', flags.count ?? 4, 1);
  const known = await measuring.measured(opened, flags, signal);
  const { operator, values, labels } = known;
  if (labels && flags.class === undefined && model.classes !== undefined) {
    const { checkClasses } = await import('../../data/dataset.js');
    // Also the one that stands for none.
    checkClasses({ labels }, Math.max(model.classes, (model.nullClass ?? -1) + 1));
  }
  const m = elementCount(operator.measuredShape);
  const pictures = values.length / m;
  checkFits('count', count, 4 * values.length, PART_BY_PART);
  return {
    ...{ known, pictures, count },
    measurement: { operator, values: repeated(values, m, count), ...defined({ noise: flags.noise }) },
    options: {
      ...restoreOptions(flags, model, labels && repeatedLabels(labels, count)),
      first: (flags.first ?? 0) * count,
      signal,
    },
  };
}

/** Draws what is missing in the folder of --output, or of that one of several shares of the batches. */
export async function restoreInto(
  opened: Opened,
  { measurement, options: given }: Drawing,
  flags: RestorationFlags,
  signal: AbortSignal,
  share?: Part,
): Promise<RestoreShardsResult> {
  const { prepareRestore } = await import('../../control/restore.js');
  const { restoreShards } = await import('../../control/restore-shards.js');
  const { batchesOf } = await import('../../shards/parts.js');
  const { model } = opened;
  const options = { ...given, signal };
  let batches: readonly number[] | undefined;
  if (share) {
    const { count, most } = await prepareRestore(model, measurement, options);
    batches = batchesOf({ first: 0, count }, most, share).map(({ first }) => first / most);
  }
  return fillFrom(opened, flags.output!, 'Restoring', flags, signal, (origin, show) =>
    restoreShards(model, measurement, flags.output!, {
      ...options,
      ...defined({ shard: flags.shard, batches }),
      ...showingSteps(show),
      origin,
    }),
  );
}

/** What there is to say about samples, or about a part of them, which need not end with the last one of a picture. */
export function reportOf(
  result: Omit<RestoreResult, 'samples'>,
  { pictures, count }: Drawing,
  output: string,
  part?: Part,
): Report {
  const { counts, seconds, options, effectiveSampleSize, logEvidence } = result;
  const [drawn, ...sample] = result.shape as [number, ...number[]];
  const seed = jsonSeed(options['seed'] as bigint);
  const evaluations = counts.score + counts.denoise + counts.jvp + counts.vjp;
  const least = effectiveSampleSize?.reduce((a, b) => Math.min(a, b), Infinity).toPrecision(3);
  const samples = part
    ? `part ${part.index}/${part.of}: ${counted(drawn, 'sample')}`
    : `${counted(pictures, 'measurement')}, ${counted(count, 'sample')} of each`;
  return {
    record: {
      ...{ counts, seed, shape: part ? result.shape : [pictures, count, ...sample], output, seconds },
      ...(logEvidence && {
        logEvidence: Array.from(logEvidence),
        effectiveSampleSize: Array.from(effectiveSampleSize!),
      }),
    },
    options: { ...options, seed, output },
    summary:
      `${samples} by ${String(options['method'])}, ${evaluations} evaluations a sample, ${seconds.toFixed(1)} s: ${output}` +
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
    // Of pictures whose class nobody tells.
    ...(model.guidance === undefined && model.nullClass !== undefined && { classLabel: model.nullClass }),
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
