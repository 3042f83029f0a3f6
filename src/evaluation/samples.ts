import { createHash } from 'node:crypto';
import type { Dataset } from '../data/dataset.js';
import { loadData, type LoadDataOptions } from '../data/load.js';
import { DataError } from '../errors.js';
import { decodePixels, encodePixels } from '../io/image.js';
import { isFolder } from '../io/atomic.js';
import { decodeNpy } from '../io/npy.js';
import { locateShards } from '../sampling/merge.js';
import { readManifests, readShard } from '../shards/manifest.js';
import { isList } from '../options.js';
import { elementCount } from '../shape.js';
import { pathOf, type FilePath } from '../io/path.js';

/** Samples in pieces, of which one is in memory at a time where they lie in shards. */
export interface Samples {
  /** Samples in all pieces. */
  readonly count: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** Whether they are bytes of pictures, 0..255; else they are floats. */
  readonly bytes: boolean;
  /** What is black and white of floats, where it is known. */
  readonly range?: readonly [number, number];
  /** The pieces, in the order of their samples. */
  readonly pieces: readonly Piece[];
  /** Whether the pieces are the shards of a folder. */
  readonly sharded: boolean;
  /** Doubts about how they were read, in plain words. */
  readonly warnings: readonly string[];
}

/** Consecutive samples. */
export interface Piece {
  /** Samples of the piece. */
  readonly count: number;
  /** SHA-256 of their bytes, in hexadecimal. */
  hash(): Promise<string>;
  /** `[count, ...shape]`: bytes of pictures, or values. */
  read(): Promise<Uint8Array | Float32Array>;
}

/** Samples of a piece of a data set. */
const pieceCount = 1024;

/**
 * Opens samples: a folder of `sampleShards`, of which every shard is checked when it is read, or what `loadData` reads.
 *
 * @throws DataError for what cannot be read, and for shards that are missing or damaged.
 */
export async function openSamples(place: FilePath, options: LoadDataOptions = {}): Promise<Samples> {
  const source = pathOf('data', place);
  if ((await isFolder(source)) && (await readManifests(source)).size > 0) return shardedSamples(source);
  return samplesOf(await loadData(source, options));
}

/** The samples of a data set. */
export function samplesOf({ data, shape, warnings = [] }: Dataset): Samples {
  const [count, ...sample] = shape;
  const elements = elementCount(sample);
  const pieces = Array.from({ length: Math.ceil(count! / pieceCount) }, (_, i) => {
    const values = data.subarray(i * pieceCount * elements, (i + 1) * pieceCount * elements);
    return {
      count: values.length / elements,
      hash: () =>
        Promise.resolve(
          createHash('sha256')
            .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
            .digest('hex'),
        ),
      read: () => Promise.resolve(values),
    };
  });
  return {
    count: count!,
    shape: sample,
    bytes: data instanceof Uint8Array,
    pieces,
    sharded: false,
    warnings,
  };
}

async function shardedSamples(folder: string): Promise<Samples> {
  const { run, shards } = await locateShards([folder]);
  const elements = elementCount(run.shape);
  const pieces = shards.map((shard) => ({
    count: shard.count,
    hash: () => Promise.resolve(shard.sha256),
    read: async () => {
      const { data } = decodeNpy(await readShard(shard.folder, shard), shard.file);
      if (data instanceof Float32Array && data.length === shard.count * elements) return data;
      throw new DataError(`${shard.file} in ${folder} does not hold ${shard.count} samples of the run.`);
    },
  }));
  const range = rangeIn(run.origin);
  return {
    count: run.count,
    shape: run.shape,
    bytes: false,
    pieces,
    sharded: true,
    warnings: [],
    ...(range && { range }),
  };
}

/** The data range that the command line writes into the manifest of a run. */
function rangeIn({ dataRange }: Readonly<Record<string, unknown>>): readonly [number, number] | undefined {
  const [low, high] = isList(dataRange) ? dataRange : [];
  return typeof low === 'number' && typeof high === 'number' ? [low, high] : undefined;
}

/** The bytes of pictures, rounded to nearest and clipped where they are values. */
export function picturesOf(
  values: Uint8Array | Float32Array,
  range: readonly [number, number] | undefined,
): Uint8Array {
  if (values instanceof Uint8Array) return values;
  if (range === undefined)
    throw new DataError(
      'The samples are floats, and nothing says which of them are black and white. Give dataRange (--data-range), such as -1,1 of a ' +
        'VP model or 0,1 of a VE model.',
      { option: 'dataRange' },
    );
  return encodePixels(values, range);
}

/** The values of samples, with bytes at their places in the range. */
export function valuesOf(values: Uint8Array | Float32Array, range: readonly [number, number]): Float32Array {
  return values instanceof Float32Array ? values : decodePixels(values, range);
}

/** The bytes of pictures of these indices, in their order: [indices.length, ...shape]. */
export async function pickPictures(samples: Samples, indices: ArrayLike<number>): Promise<Uint8Array> {
  const elements = elementCount(samples.shape);
  const picked = new Uint8Array(indices.length * elements);
  let first = 0;
  for (const piece of samples.pieces) {
    const wanted = Array.from(indices, (index, at) => ({ index: index - first, at })).filter(
      ({ index }) => index >= 0 && index < piece.count,
    );
    first += piece.count;
    if (wanted.length === 0) continue;
    const pictures = picturesOf(await piece.read(), samples.range);
    for (const { index, at } of wanted)
      picked.set(pictures.subarray(index * elements, (index + 1) * elements), at * elements);
  }
  return picked;
}
