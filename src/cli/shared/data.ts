import { type Command, Option } from 'commander';
import type { Dataset } from '../../data/dataset.js';
import { DataError, OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import type { ScoreModel } from '../../score/model.js';
import { isImageShape } from '../../shape.js';
import { addOptions, choice, integer, known } from './arguments.js';
import { addSection } from './help.js';
import type { Opened } from './report.js';

/** Flags that say where data lie. */
export interface SourceFlags {
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly dataLabels?: string;
  readonly skipCorrupted?: true;
}

/** Flags that say which data a command takes for a model. */
export interface DataFlags extends SourceFlags {
  readonly data: string;
  readonly resize?: true;
  readonly class?: number;
}

/** Data that have a name. */
export const namedData: readonly string[] = [
  'mnist',
  'swiss-roll',
  'two-moons',
  'checkerboard',
  'eight-gaussians',
];

/**
 * Adds the flags of {@link SourceFlags}, and others after them.
 *
 * @param split What the help calls the default.
 * @param mandatory Whether data have to be given by a flag.
 */
export function addSourceOptions(
  command: Command,
  { split, mandatory }: { split: 'train' | 'test'; mandatory: boolean },
  others: readonly Option[],
): void {
  addOptions(command, 'Data:', [
    known(
      new Option('--data <source>', 'mnist, a toy, a folder or archive of pictures, or a file, see below'),
      namedData,
    ).makeOptionMandatory(mandatory),
    choice('--split <name>', 'which part, where the data have these', ['train', 'test'], split),
    new Option('--data-labels <file>', 'a .npy or IDX file with the class of every sample'),
    new Option('--skip-corrupted', 'leave out pictures that cannot be read, and count them'),
    ...others,
  ]);
  addSection(command, 'Data, by --data:', [
    ['mnist', 'the standard files, in the folder FASTSDE_DATA or the cache'],
    [
      'swiss-roll',
      `points of the plane, and so ${namedData.slice(2).join(', ')}: 200000 to train, 10000 to test`,
    ],
    [
      'digits/',
      'the pictures below a folder by name, as grey or RGB as the model; sub-folders are classes, train/ and test/ above them splits',
    ],
    ['digits.tar.gz', 'the same in a tar archive, plain or .gz'],
    [
      'x.npy, x.npz',
      "bytes are images [count, (channels,) height, width] or with the channels last; floats are values in the model's own space",
    ],
    ['x.bin', 'CIFAR-10, binary version'],
    ['else', 'IDX, the format of MNIST, plain or .gz'],
  ]);
}

/** Adds the flags of {@link DataFlags} and, where a command takes a run of samples, those of {@link RangeFlags}. */
export function addDataOptions(command: Command, { range }: { range: boolean }): void {
  addSourceOptions(command, { split: 'test', mandatory: true }, [
    new Option('--resize', "scale pictures to cover the model's size and crop them evenly"),
    ...(range
      ? [
          integer('--count <n>', 'number of samples (default: all)'),
          integer('--first <index>', 'index of the first sample in the data (default: 0)'),
        ]
      : []),
    integer(
      '--class <n>',
      `class of all samples, for a model with a class input${range ? " (default: the data's own)" : ''}`,
    ),
  ]);
}

/**
 * The data that the flags ask for, as they lie in the source.
 *
 * @throws DataError for what cannot be read or has another shape than the model's samples.
 */
export async function openData(
  flags: DataFlags,
  { model, doubt }: Pick<Opened, 'model' | 'doubt'>,
  signal: AbortSignal,
): Promise<Dataset> {
  const { loadData } = await import('../../data/load.js');
  const { checkSampleShape } = await import('../../data/dataset.js');
  const image = isImageShape(model.shape) ? model.shape : undefined;
  const { split, dataLabels, skipCorrupted } = flags;
  const set = await loadData(flags.data, {
    ...(image && { channels: image[0] }),
    ...(image && flags.resize && { size: [image[1], image[2]] }),
    ...defined({ split, labels: dataLabels }),
    ...(skipCorrupted && { onCorrupted: () => undefined }),
    signal,
  });
  doubt(set.warnings ?? []);
  try {
    checkSampleShape(set, model);
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    const hint = 'Give other --data, pictures with --resize, or another model.';
    throw new DataError(`${flags.data}: ${cause.message} ${hint}`, { option: 'data', cause });
  }
  return set;
}

/** Flags that choose a run of samples. */
export interface RangeFlags {
  readonly count?: number;
  readonly first?: number;
}

/** @throws OptionError where the data do not hold the samples that the flags ask for. */
export async function chosen(set: Dataset, { count, first = 0 }: RangeFlags): Promise<Dataset> {
  const { slice } = await import('../../data/dataset.js');
  const total = set.shape[0]!;
  if (first < 0 || first >= total)
    throw new OptionError('first', first, `from 0 to ${total - 1}, as the data have it`);
  if (count !== undefined && (count < 1 || count > total - first)) {
    throw new OptionError('count', count, `from 1 to ${total - first}, what the data hold from --first on`);
  }
  return slice(set, first, count ?? total - first);
}

/** The classes that a model with a class input is given: that of the flags, or else the data's own. */
export function classesOf(
  { labels }: Pick<Dataset, 'labels'>,
  { class: given }: Pick<DataFlags, 'class'>,
  model: ScoreModel,
): { classLabel?: number | Int32Array } {
  if (given !== undefined) return { classLabel: given };
  return model.classes !== undefined && labels ? { classLabel: labels } : {};
}
