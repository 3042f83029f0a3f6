import { crc32, inflateRawSync } from 'node:zlib';
import { DataError } from '../errors.js';
import { MOST_UNPACKED } from './gzip.js';
import { decodeNpy, encodeNpy, type NdArray } from './npy.js';

/** Arrays by name. */
export type NamedArrays = Readonly<Record<string, NdArray>>;

const localHeader = 0x04034b50;
const centralHeader = 0x02014b50;
const endOfDirectory = 0x06054b50;

/** Arrays by name as the bytes of an .npz file: a zip archive of .npy files, stored without compression. */
export function encodeNpz(arrays: NamedArrays): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [key, array] of Object.entries(arrays)) {
    const name = Buffer.from(`${key}.npy`);
    const data = encodeNpy(array);
    // Version needed, flags (bit 11: names in UTF-8), method, time, date (1980-01-01), checksum, two lengths.
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(1 << 11, 2);
    fields.writeUInt16LE(0x21, 8);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    parts.push(uint32(localHeader), fields, name, data);
    const attributes = Buffer.alloc(14);
    attributes.writeUInt32LE(offset, 10);
    directory.push(uint32(centralHeader), Buffer.from([20, 0]), fields, attributes, name);
    offset += 30 + name.length + data.length;
  }
  if (offset + byteLength(directory) >= 2 ** 32)
    throw new DataError('The arrays need more than the 4 GiB of an .npz file; write each as .npy.');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(endOfDirectory, 0);
  end.writeUInt16LE(Object.keys(arrays).length, 8);
  end.writeUInt16LE(Object.keys(arrays).length, 10);
  end.writeUInt32LE(byteLength(directory), 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/**
 * Reads the arrays of an .npz file, stored or deflated (`numpy.savez` and `numpy.savez_compressed`).
 *
 * @param name How errors call the file.
 * @throws DataError where the bytes are not an .npz file, are damaged, an entry does not match its checksum, or they
 *   unpack to more than 1 GiB.
 */
export function decodeNpz(bytes: Uint8Array, name = 'The .npz file'): Record<string, NdArray> {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = zip.lastIndexOf(uint32(endOfDirectory));
  if (end < 0 || end + 22 > zip.length) {
    throw new DataError(`${name} is not a complete zip archive: the end of its directory is missing.`);
  }
  const arrays = new Map<string, NdArray>();
  let room = Math.max(MOST_UNPACKED, zip.length);
  try {
    let entry = zip.readUInt32LE(end + 16);
    for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
      const nameLength = zip.readUInt16LE(entry + 28);
      const path = zip.toString('utf8', entry + 46, entry + 46 + nameLength);
      const local = zip.readUInt32LE(entry + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(start, start + zip.readUInt32LE(entry + 20));
      const deflated = zip.readUInt16LE(entry + 10) === 8;
      const length = deflated ? zip.readUInt32LE(entry + 24) : packed.length;
      // Stored entries count as well: several may name the same bytes.
      if ((room -= length) < 0) {
        throw new DataError(`${name} unpacks to more than 1 GiB. Save it without compression (numpy.savez).`);
      }
      // An entry longer than it says fails here.
      const data = deflated ? inflateRawSync(packed, { maxOutputLength: Math.max(1, length) }) : packed;
      if (crc32(data) !== zip.readUInt32LE(entry + 16)) throw new RangeError(`checksum of ${path}`);
      arrays.set(path.replace(/\.npy$/, ''), decodeNpy(data, `${path} in ${name}`));
      entry += 46 + nameLength + zip.readUInt16LE(entry + 30) + zip.readUInt16LE(entry + 32);
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${name} is damaged (${(cause as Error).message}).`, { cause });
  }
  return Object.fromEntries(arrays);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function byteLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
