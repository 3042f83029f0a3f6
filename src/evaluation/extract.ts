import { join } from 'node:path';
import { DataError } from '../errors.js';
import { ensureFolder, writeAtomically } from '../io/atomic.js';
import { decodeNpy, encodeNpy } from '../io/npy.js';
import { isAbsent, readBytes } from '../io/read.js';
import { elementCount } from '../shape.js';
import { pathOf, type FilePath } from '../io/path.js';
import type { FeatureNetwork } from './feature-network.js';
import { checkFinite, type Features, type PassOptions } from './features.js';
import { picturesOf, valuesOf, type Piece, type Samples } from './samples.js';

/** How features are computed. */
export interface ExtractOptions extends PassOptions {
  /**
   * A folder in which the features of every piece of the samples are kept, by the hashes of network and piece, so that an
   * extraction which was broken off goes on, and features are made once. Without it they are in memory.
   */
  readonly cache?: FilePath | undefined;
}

/** Features of samples, and the logits of a network that has such. */
export interface Extracted {
  /** `[count, width]` of the network, in the order of the samples. */
  readonly features: Features;
  /** `[count, classes]`; absent where the network has none. */
  readonly logits?: Features;
}

/**
 * The features of pictures by a network.
 *
 * @throws DataError for samples that are no pictures, and for values whose data range is not known.
 */
export async function extractFeatures(
  samples: Samples,
  network: FeatureNetwork,
  { cache: place, signal, onProgress }: ExtractOptions = {},
): Promise<Extracted> {
  const cache = place === undefined ? undefined : pathOf('cache', place);
  const { width, classes = 0 } = network;
  const columns = width + classes;
  const folder = cache === undefined ? undefined : join(cache, network.hash.slice(0, 16));
  if (cache !== undefined) {
    await ensureFolder(cache);
    await ensureFolder(folder!);
  }
  const stores: (() => Promise<Float32Array>)[] = [];
  let done = 0;
  for (const piece of samples.pieces) {
    signal?.throwIfAborted();
    const path = folder === undefined ? undefined : join(folder, `${await keyOf(piece, samples)}.npy`);
    const kept = path === undefined ? undefined : await readRows(path, piece.count, columns);
    const rows = kept ?? (await rowsOf(piece, done, samples, network, signal));
    if (path !== undefined && kept === undefined)
      await writeAtomically(path, encodeNpy({ data: rows, shape: [piece.count, columns] }));
    stores.push(
      path === undefined
        ? () => Promise.resolve(rows)
        : async () => (await readRows(path, piece.count, columns)) ?? lost(path),
    );
    done += piece.count;
    onProgress?.(done / samples.count);
  }
  const counts = samples.pieces.map(({ count }) => count);
  return {
    features: storedFeatures(stores, counts, columns, 0, width),
    ...(classes > 0 && { logits: storedFeatures(stores, counts, columns, width, classes) }),
  };
}

/** The values of samples as features, without a network; bytes are put into the range. */
export function rawFeatures(samples: Samples, range: readonly [number, number]): Features {
  const width = elementCount(samples.shape);
  const stores = samples.pieces.map((piece) => async () => valuesOf(await piece.read(), range));
  return storedFeatures(
    stores,
    samples.pieces.map(({ count }) => count),
    width,
    0,
    width,
  );
}

/** Values of other ranges become other pictures. */
async function keyOf(piece: Piece, { range, shape }: Samples): Promise<string> {
  const name = [(await piece.hash()).slice(0, 32), ...shape];
  return (range === undefined ? name : [...name, ...range]).join('_');
}

/** Features and logits side by side, of a piece whose first sample has the index `first`. */
async function rowsOf(
  piece: Piece,
  first: number,
  { range, shape }: Samples,
  network: FeatureNetwork,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const values = await piece.read();
  // Bytes would hide it.
  if (values instanceof Float32Array) checkFinite(values, elementCount(shape), first);
  const pictures = picturesOf(values, range);
  const { features, logits } = await network.run(pictures, [piece.count, ...shape], signal);
  const { width, classes = 0 } = network;
  const columns = width + classes;
  const rows = new Float32Array(piece.count * columns);
  for (let n = 0; n < piece.count; n++) {
    rows.set(features.subarray(n * width, (n + 1) * width), n * columns);
    if (logits) rows.set(logits.subarray(n * classes, (n + 1) * classes), n * columns + width);
  }
  checkFinite(rows, columns, first);
  return rows;
}

/** What was kept of a piece; undefined where nothing was, or it is damaged. */
async function readRows(path: string, count: number, columns: number): Promise<Float32Array | undefined> {
  try {
    const { data, shape } = decodeNpy(await readBytes(path), path);
    if (data instanceof Float32Array && shape.join() === [count, columns].join()) return data;
  } catch (cause) {
    // What lies there and is no such array has no cause of the system's.
    if (!(cause instanceof DataError) || (cause.cause !== undefined && !isAbsent(cause))) throw cause;
  }
  return undefined;
}

function lost(path: string): never {
  throw new DataError(`${path} was there, and is missing or damaged now.`, { value: path });
}

/** Columns of rows that lie in pieces; the piece that was read last stays in memory. */
function storedFeatures(
  stores: readonly (() => Promise<Float32Array>)[],
  counts: readonly number[],
  columns: number,
  column: number,
  width: number,
): Features {
  const starts: number[] = [];
  let count = 0;
  for (const own of counts) {
    starts.push(count);
    count += own;
  }
  let last: { readonly piece: number; readonly rows: Float32Array } | undefined;
  const rowsOfPiece = async (piece: number): Promise<Float32Array> => {
    if (last?.piece !== piece) last = { piece, rows: await stores[piece]!() };
    return last.rows;
  };
  return {
    count,
    width,
    async read(first, rows) {
      const out = new Float32Array(rows * width);
      let piece = pieceAt(starts, first);
      for (let i = 0; i < rows; i++) {
        while (piece + 1 < starts.length && starts[piece + 1]! <= first + i) piece++;
        const values = last?.piece === piece ? last.rows : await rowsOfPiece(piece);
        const from = (first + i - starts[piece]!) * columns + column;
        out.set(values.subarray(from, from + width), i * width);
      }
      return out;
    },
  };
}

/** The last piece that begins at or before an index. */
function pieceAt(starts: readonly number[], index: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
