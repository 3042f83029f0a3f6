import { stat } from 'node:fs/promises';
import { DataError } from '../errors.js';

/** A few megabytes can unpack to many gigabytes: what does not lie on the disk at that size may not take more memory than this. */
const mostUnpacked = 2 ** 30;

/**
 * The files of a tar archive (ustar, pax or GNU), plain or compressed with gzip, that `wanted` accepts by their path.
 * Links and special files are left out.
 *
 * @throws DataError where the archive cannot be read, is damaged or is cut short, or where these files unpack to more than 1 GiB.
 */
export async function readTar(
  archive: string,
  wanted: (path: string) => boolean,
): Promise<Map<string, Uint8Array>> {
  const { list } = await import('tar');
  const files = new Map<string, Uint8Array>();
  const reading: Promise<void>[] = [];
  let most = mostUnpacked;
  let size = 0;
  try {
    most = Math.max(most, (await stat(archive)).size);
    await list({
      file: archive,
      strict: true,
      onReadEntry: (entry) => {
        const path = entry.path.replace(/^\.\//, '');
        if (!['File', 'OldFile', 'ContiguousFile'].includes(entry.type) || !wanted(path)) return;
        size += entry.size;
        if (size > most) return;
        reading.push(entry.concat().then((bytes) => void files.set(path, bytes)));
      },
    });
    await Promise.all(reading);
  } catch (cause) {
    if (size > most) throw tooLarge(archive);
    throw new DataError(`Cannot read ${archive} as a tar archive: ${(cause as Error).message}.`, {
      option: 'data',
      value: archive,
      cause,
    });
  }
  if (size > most) throw tooLarge(archive);
  return files;
}

function tooLarge(archive: string): DataError {
  return new DataError(`${archive} unpacks to more than 1 GiB: unpack it first (gunzip).`, {
    option: 'data',
    value: archive,
  });
}
