import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { gunzipped } from '../io/gzip.js';
import { readBytes } from '../io/read.js';
import { checkChoice } from '../options.js';
import { pathOf, type FilePath } from '../io/path.js';
import type { Dataset } from './dataset.js';
import { decodeIdx } from './idx.js';

/** Which part of MNIST: 60,000 training images or 10,000 test images. */
export type Split = (typeof splits)[number];

export const splits = ['train', 'test'] as const;

interface File {
  readonly name: string;
  /** SHA-256 of the file without compression. */
  readonly sha256: string;
}

const files: Readonly<Record<Split, { images: File; labels: File }>> = {
  train: {
    images: {
      name: 'train-images-idx3-ubyte',
      sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    },
    labels: {
      name: 'train-labels-idx1-ubyte',
      sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    },
  },
  test: {
    images: {
      name: 't10k-images-idx3-ubyte',
      sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    },
    labels: {
      name: 't10k-labels-idx1-ubyte',
      sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
  },
};

/**
 * The folders in which data sets are looked for by name: FASTSDE_DATA, or else the user's cache folder
 * ($XDG_CACHE_HOME/fastsde, by default ~/.cache/fastsde).
 */
export function dataFolder(): string {
  const { FASTSDE_DATA, XDG_CACHE_HOME } = process.env;
  // An empty variable counts as unset.
  return FASTSDE_DATA || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'fastsde');
}

/**
 * MNIST from its four standard files, plain or compressed (`.gz`), in `folder` or in `mnist/` below it.
 *
 * @throws DataError where a file is absent, with where to get it and its checksum, or is another than the standard one.
 */
export async function mnist(split: Split = 'test', place: FilePath = dataFolder()): Promise<Dataset> {
  const folder = pathOf('folder', place);
  const { images, labels } = files[checkChoice('split', split, splits)];
  const { data, shape } = decodeIdx(await standardFile(images, folder));
  const classes = decodeIdx(await standardFile(labels, folder));
  return {
    data: data as Uint8Array,
    shape: [shape[0]!, 1, ...shape.slice(1)],
    labels: Int32Array.from(classes.data as Uint8Array),
  };
}

async function standardFile({ name, sha256 }: File, folder: string): Promise<Uint8Array> {
  const candidates = [join(folder, 'mnist'), folder].flatMap((place) => [
    join(place, name),
    join(place, `${name}.gz`),
  ]);
  for (const path of candidates) {
    const bytes = await readBytes(path).catch(() => undefined);
    if (!bytes) continue;
    const plain = gunzipped(bytes, path);
    const found = createHash('sha256').update(plain).digest('hex');
    if (found === sha256) return plain;
    throw new DataError(
      `${path} is not the standard file: its SHA-256 without compression is ${found}, not ${sha256}.`,
    );
  }
  throw new DataError(
    `MNIST is not in ${folder}: put ${name}.gz in ${join(folder, 'mnist')} (SHA-256 without compression ${sha256}), ` +
      'or say with the environment variable FASTSDE_DATA where it is. The files are at ' +
      'https://storage.googleapis.com/cvdf-datasets/mnist/ and https://ossci-datasets.s3.amazonaws.com/mnist/.',
    { option: 'data', value: 'mnist' },
  );
}
