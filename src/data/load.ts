import { extname } from 'node:path';
import { DataError, OptionError } from '../errors.js';
import { isFolder } from '../io/atomic.js';
import { planes } from '../io/image.js';
import { decodeNpy, type NdArray } from '../io/npy.js';
import { decodeNpz } from '../io/npz.js';
import { isAbsent, readBytes } from '../io/read.js';
import { checkChoice, checkInteger, checkKnown, checkSignal, isList, nearest } from '../options.js';
import { pathOf, type FilePath } from '../io/path.js';
import { decodeCifar10 } from './cifar10.js';
import { checkValues, classesFrom, type Dataset } from './dataset.js';
import { decodeIdx } from './idx.js';
import { mnist, splits } from './mnist.js';
import { pictureArchive, pictureFolder, type PictureOptions } from './pictures.js';
import { isToy, toys } from './toys.js';

/** Which part of data is read, and how. */
export interface LoadDataOptions extends PictureOptions {
  /** A .npy or IDX file with one class per sample, in place of the classes of the source. */
  readonly labels?: FilePath;
}

const optionNames = Object.keys({
  labels: true,
  split: true,
  size: true,
  channels: true,
  onCorrupted: true,
  signal: true,
} satisfies Record<keyof LoadDataOptions, true>);

/** Points of a toy that make its training and its test set; the test set follows in the sequence of seed 0. */
const toyPoints = { train: { first: 0, count: 200_000 }, test: { first: 200_000, count: 10_000 } } as const;

/**
 * Reads a data set: `mnist`; a two-dimensional toy (`swiss-roll`, `two-moons`, `checkerboard`, `eight-gaussians`); or a
 * path, by its ending
 *
 * - a folder, `.tar`, `.tar.gz` or `.tgz`: the pictures in it, in the order of their paths, whose sub-folder names the class;
 * - `.npy`, `.npz`: bytes are images, floats values in the model's own space. In an .npz file the array `samples`, `x`,
 *   `images`, `data` or `arr_0`, or else the only one, and the classes `labels` or `y` if there;
 * - `.bin`: a CIFAR-10 batch of the binary version;
 * - else an IDX file, plain or `.gz`.
 *
 * Bytes of shape [count, height, width] get a channel axis, and [count, height, width, 1 or 3] are put in channel order. Of
 * booleans, true is 255.
 *
 * @throws DataError for what cannot be read, holds no samples, or holds a float that is NaN or infinite; the reason of
 *   `signal` once it is aborted.
 */
export async function loadData(place: FilePath, options: LoadDataOptions = {}): Promise<Dataset> {
  const source = pathOf('data', place);
  checkKnown(options, optionNames);
  if (options.split !== undefined) checkChoice('split', options.split, splits);
  if (options.channels !== undefined && ![1, 3].includes(options.channels))
    throw new OptionError('channels', options.channels, '1 (grey) or 3 (RGB)');
  if (options.size !== undefined) checkSize(options.size);
  checkSignal(options.signal);
  const set = await open(source, options);
  checkValues(set, source);
  const labels = options.labels === undefined ? undefined : pathOf('labels', options.labels);
  return {
    ...set,
    ...(labels !== undefined && { labels: classesFrom(await labelFile(labels), set.shape[0]!, labels) }),
    ...(hasBitsAlone(set) && {
      warnings: [
        ...(set.warnings ?? []),
        `${source} holds bytes that are only 0 and 1, which are almost black: 255 is the upper end of the data range. ` +
          'Save truth values as booleans, or multiply them by 255.',
      ],
    }),
  };
}

function checkSize(size: readonly number[]): void {
  if (!isList(size) || size.length !== 2) throw new OptionError('size', size, '[height, width]');
  size.forEach((extent, i) => checkInteger(`size[${i}]`, extent, 1));
}

async function open(source: string, options: LoadDataOptions): Promise<Dataset> {
  if (await isFolder(source)) return pictureFolder(source, options);
  if (/\.(tar|tgz|tar\.gz)$/i.test(source)) return pictureArchive(source, options);
  if (options.size !== undefined) {
    const expected = 'left out: pictures in a folder or an archive are scaled, arrays are taken as they are';
    throw new OptionError('size', options.size, expected);
  }
  if (source === 'mnist') return mnist(options.split);
  if (isToy(source)) {
    const { first, count } = toyPoints[options.split ?? 'test'];
    return toys[source].sample(count, { first });
  }
  const bytes = await fileOf(source);
  switch (extname(source).toLowerCase()) {
    case '.npy':
      return imageSet(decodeNpy(bytes, source), source);
    case '.npz':
      return archive(decodeNpz(bytes, source), source);
    case '.bin':
      return decodeCifar10(bytes, source);
    default:
      if (!isIdx(bytes))
        throw new DataError(
          `${source} holds no data that are known here: a folder or .tar archive of pictures, .npy, .npz, IDX, or CIFAR-10 (.bin).`,
          { option: 'data', value: source },
        );
      return imageSet(decodeIdx(bytes, source), source);
  }
}

async function fileOf(path: string): Promise<Buffer> {
  return readBytes(path).catch((cause: unknown) => {
    const hint = isAbsent(cause) && !/[./\\]/.test(path) ? ` ${namesLike(path)}` : '';
    throw new DataError(`${(cause as Error).message}${hint}`, { option: 'data', value: path, cause });
  });
}

/** What a word that is no file may have meant. */
function namesLike(word: string): string {
  const names = ['mnist', ...Object.keys(toys)];
  const near = nearest(word, names);
  return near === undefined
    ? `Data are a file, a folder, or one of ${names.join(', ')}.`
    : `Did you mean ${near}?`;
}

/** Whether bytes look like truth values rather than pixels. */
function hasBitsAlone({ data }: Dataset): boolean {
  return data instanceof Uint8Array && data.includes(1) && data.every((value) => value <= 1);
}

/** By its first bytes, those of gzip included. */
function isIdx([first, second]: Uint8Array): boolean {
  return (first === 0 && second === 0) || (first === 0x1f && second === 0x8b);
}

async function labelFile(path: string): Promise<NdArray> {
  const bytes = await readBytes(path);
  return extname(path).toLowerCase() === '.npy' ? decodeNpy(bytes, path) : decodeIdx(bytes, path);
}

const sampleKeys = ['samples', 'x', 'images', 'data', 'arr_0'];
const labelKeys = ['labels', 'y'];

function archive(arrays: Readonly<Record<string, NdArray>>, name: string): Dataset {
  const keys = Object.keys(arrays);
  const key =
    sampleKeys.find((candidate) => candidate in arrays) ?? (keys.length === 1 ? keys[0]! : undefined);
  if (key === undefined) {
    throw new DataError(
      `${name} holds ${keys.join(', ')}; the samples are looked for in ${sampleKeys.join(', ')}.`,
    );
  }
  const labelKey = labelKeys.find((candidate) => candidate in arrays);
  const set = imageSet(arrays[key]!, `${key} in ${name}`);
  if (labelKey === undefined) return set;
  return { ...set, labels: classesFrom(arrays[labelKey]!, set.shape[0]!, `${labelKey} in ${name}`) };
}

function imageSet({ data: given, shape, boolean }: NdArray, name: string): Dataset {
  if (shape.length < 2)
    throw new DataError(`${name} has shape [${shape.join(', ')}]; [count, ...shape] expected.`);
  const data = boolean && given instanceof Uint8Array ? given.map((value) => 255 * value) : given;
  if (data instanceof Float64Array) return { data: Float32Array.from(data), shape };
  if (data instanceof Float32Array) return { data, shape };
  if (!(data instanceof Uint8Array)) {
    throw new DataError(
      `${name} holds integers other than bytes: save images as uint8, other data as float32.`,
    );
  }
  const [count, height, width] = shape;
  if (shape.length === 3) return { data, shape: [count!, 1, height!, width!] };
  // [count, height, width, channels], unless the second axis can be the channels.
  const channelsLast = shape.length === 4 && height !== 1 && height !== 3;
  const channels = ([1, 3] as const).find((number) => channelsLast && shape[3] === number);
  if (channels === undefined) return { data, shape };
  const ordered = new Uint8Array(data.length);
  const size = height! * width! * channels;
  for (let start = 0; start < data.length; start += size) {
    const picture = { data: data.subarray(start, start + size), height: height!, width: width!, channels };
    ordered.set(planes(picture), start);
  }
  return { data: ordered, shape: [count!, channels, height!, width!] };
}
