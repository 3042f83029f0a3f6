import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DataError } from '../errors.js';
import { isFolder } from '../io/atomic.js';
import { planes, readImage } from '../io/image.js';
import { decodeNpy, type NdArray } from '../io/npy.js';
import { decodeNpz } from '../io/npz.js';
import { decodeCifar10 } from './cifar10.js';
import type { Dataset } from './dataset.js';
import { decodeIdx } from './idx.js';
import { mnist, type Split } from './mnist.js';

export interface LoadDataOptions {
  /** Height and width to which pictures are scaled, covering it, and cropped at both sides. Default: their own. */
  readonly size?: readonly [number, number];
  /** Channels to which pictures are converted. Default: grey where the first picture is grey, else RGB. */
  readonly channels?: 1 | 3;
  /** Which part of a data set given by name. Default `test`. */
  readonly split?: Split;
}

/**
 * Reads a data set: `mnist`, or a path, by its ending
 *
 * - a folder: the pictures in it, in the order of their names;
 * - `.npy`, `.npz`: bytes are images, floats values in the model's own space. In an .npz file the array `samples`, `x`,
 *   `images`, `data` or `arr_0`, or else the only one, and the classes `labels` or `y` if there;
 * - `.bin`: a CIFAR-10 batch of the binary version;
 * - else an IDX file, plain or `.gz`.
 *
 * Bytes of shape [count, height, width] get a channel axis, and [count, height, width, 1 or 3] are put in channel order.
 *
 * @throws DataError for what cannot be read.
 */
export async function loadData(source: string, options: LoadDataOptions = {}): Promise<Dataset> {
  if (source === 'mnist') return mnist(options.split);
  if (await isFolder(source)) return pictureFolder(source, options);
  const bytes = await readFile(source).catch((cause: unknown) => {
    throw new DataError(`Cannot read ${source}: ${(cause as Error).message}.`, {
      option: 'data',
      value: source,
      cause,
    });
  });
  switch (extname(source).toLowerCase()) {
    case '.npy':
      return imageSet(decodeNpy(bytes, source), source);
    case '.npz':
      return archive(decodeNpz(bytes, source), source);
    case '.bin':
      return decodeCifar10(bytes, source);
    default:
      return imageSet(decodeIdx(bytes, source), source);
  }
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
  return labelKey === undefined ? set : { ...set, labels: Int32Array.from(arrays[labelKey]!.data, Number) };
}

function imageSet({ data, shape }: NdArray, name: string): Dataset {
  if (shape.length < 2)
    throw new DataError(`${name} has shape [${shape.join(', ')}]; [count, ...shape] expected.`);
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

const pictureEndings = ['.png', '.jpg', '.jpeg', '.webp', '.tif', '.tiff', '.avif', '.gif', '.bmp'];

async function pictureFolder(folder: string, { size, channels }: LoadDataOptions): Promise<Dataset> {
  const names = (await readdir(folder))
    .filter((name) => pictureEndings.includes(extname(name).toLowerCase()))
    .sort();
  if (names.length === 0) {
    throw new DataError(`${folder} holds no pictures (${pictureEndings.join(', ')}).`, {
      option: 'data',
      value: folder,
    });
  }
  const first = await readImage(join(folder, names[0]!), {
    ...(size && { size }),
    ...(channels && { channels }),
  });
  const { height, width } = first;
  const data = new Uint8Array(names.length * first.data.length);
  for (const [n, name] of names.entries()) {
    const picture = await readImage(join(folder, name), { ...(size && { size }), channels: first.channels });
    if (picture.height !== height || picture.width !== width) {
      throw new DataError(
        `${join(folder, name)} is ${picture.width} x ${picture.height} pixels, ${names[0]!} ${width} x ${height}. ` +
          'Give a size to which all are scaled and cropped (--resize).',
        { option: 'size' },
      );
    }
    data.set(planes(picture), n * first.data.length);
  }
  return { data, shape: [names.length, first.channels, height, width] };
}
