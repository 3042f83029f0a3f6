import { DataError } from '../errors.js';
import { gunzipped } from '../io/gzip.js';
import type { NdArray, NumericArray } from '../io/npy.js';
import { elementCount } from '../shape.js';

const readers: Readonly<
  Record<number, [size: number, read: (bytes: Buffer, count: number) => NumericArray]>
> = {
  0x08: [1, (bytes) => Uint8Array.from(bytes)],
  0x09: [1, (bytes) => Int8Array.from(bytes)],
  0x0b: [2, (bytes, count) => Int16Array.from({ length: count }, (_, i) => bytes.readInt16BE(2 * i))],
  0x0c: [4, (bytes, count) => Int32Array.from({ length: count }, (_, i) => bytes.readInt32BE(4 * i))],
  0x0d: [4, (bytes, count) => Float32Array.from({ length: count }, (_, i) => bytes.readFloatBE(4 * i))],
  0x0e: [8, (bytes, count) => Float64Array.from({ length: count }, (_, i) => bytes.readDoubleBE(8 * i))],
};

/**
 * Reads an IDX file, the format of MNIST, plain or compressed with gzip: two zero bytes, a type, the number of axes, the
 * extents, the data, all big-endian.
 *
 * @param name How errors call the file.
 * @throws DataError where the bytes are not an IDX file or are cut short.
 */
export function decodeIdx(file: Uint8Array, name = 'The IDX file'): NdArray {
  const bytes = gunzipped(file, name);
  const [, , type = 0, axes = 0] = bytes;
  const reader = readers[type];
  if (bytes.length < 4 + 4 * axes || bytes.readUInt16BE(0) !== 0 || !reader) {
    throw new DataError(`${name} is not an IDX file.`);
  }
  const shape = Array.from({ length: axes }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const count = elementCount(shape);
  const [size, read] = reader;
  const data = bytes.subarray(4 + 4 * axes);
  if (data.length !== count * size) {
    throw new DataError(`${name} should hold ${count * size} bytes of data, and holds ${data.length}.`);
  }
  return { data: read(data, count), shape };
}
