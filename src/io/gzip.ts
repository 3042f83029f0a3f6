import { gunzipSync } from 'node:zlib';
import { DataError } from '../errors.js';

/** A few megabytes can unpack to many gigabytes: no file unpacks to more than this, unless it is that large itself. */
export const MOST_UNPACKED: number = 2 ** 30;

/** By its first two bytes. */
export function isGzip([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b;
}

/**
 * The bytes themselves, or what gzip made them from.
 *
 * @param name How errors call the file.
 * @throws DataError for damage, or for more than 1 GiB.
 */
export function gunzipped(file: Uint8Array, name: string): Buffer {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_UNPACKED });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new DataError(`${name} unpacks to more than 1 GiB: unpack it first (gunzip).`, { cause });
    throw new DataError(`${name} is damaged: ${(cause as Error).message}.`, { cause });
  }
}
