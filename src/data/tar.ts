import { once } from 'node:events';
import { pipeline } from 'node:stream';
import type { ReadEntry } from 'tar';
import { createGunzip } from 'node:zlib';
import { DataError } from '../errors.js';
import { isGzip, MOST_UNPACKED } from '../io/gzip.js';
import { openFile } from '../io/read.js';

/**
 * The files of a tar archive (ustar, pax or GNU), plain or compressed with gzip, that `wanted` accepts by their path.
 * Links and special files are left out.
 *
 * @throws DataError where the archive cannot be read, is damaged or is cut short, or where it unpacks to more than 1 GiB, the
 *   files that are not wanted included; the reason of a signal that stops it.
 */
export async function readTar(
  archive: string,
  wanted: (path: string) => boolean,
  signal?: AbortSignal,
): Promise<Map<string, Uint8Array>> {
  const { Parser } = await import('tar');
  const files = new Map<string, Uint8Array>();
  const reading: Promise<void>[] = [];
  const parser = new Parser({ strict: true, brotli: false, zstd: false });
  parser.on('entry', (entry: ReadEntry) => {
    const path = entry.path.replace(/^\.\//, '');
    if (!['File', 'OldFile', 'ContiguousFile'].includes(entry.type) || !wanted(path)) entry.resume();
    else reading.push(entry.concat().then((bytes) => void files.set(path, bytes)));
  });
  const ended = once(parser, 'end');
  ended.catch(ignore);
  try {
    const file = await openFile(archive);
    const most = Math.max(MOST_UNPACKED, (await file.stat()).size);
    const { buffer: start } = await file.read({ buffer: Buffer.alloc(2), position: 0 });
    const packed = file.createReadStream({ start: 0 });
    // An error of one stream ends the other, and the loop with it.
    const chunks: AsyncIterable<Buffer> = isGzip(start) ? pipeline(packed, createGunzip(), ignore) : packed;
    let unpacked = 0;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      // The parser would go on unpacking by itself, without a bound.
      if (unpacked === 0 && isGzip(chunk)) throw new TypeError('it is packed twice; unpack it first');
      unpacked += chunk.length;
      if (unpacked > most) throw new RangeError('it unpacks to more than 1 GiB; unpack it first (gunzip)');
      if (!parser.write(chunk)) await Promise.race([once(parser, 'drain'), ended]);
    }
    parser.end();
    await ended;
    await Promise.all(reading);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new DataError(`Cannot read ${archive} as a tar archive: ${(cause as Error).message}.`, {
      option: 'data',
      value: archive,
      cause,
    });
  }
  return files;
}

const ignore = (): void => undefined;
