import { DataError } from '../errors.js';

/**
 * The files of a tar archive (ustar, pax or GNU), plain or compressed with gzip, that `wanted` accepts by their path.
 * Links and special files are left out.
 *
 * @throws DataError where the archive cannot be read, is damaged or is cut short.
 */
export async function readTar(
  archive: string,
  wanted: (path: string) => boolean,
): Promise<Map<string, Uint8Array>> {
  const { list } = await import('tar');
  const files = new Map<string, Uint8Array>();
  const reading: Promise<void>[] = [];
  try {
    await list({
      file: archive,
      strict: true,
      onReadEntry: (entry) => {
        const path = entry.path.replace(/^\.\//, '');
        if (!['File', 'OldFile', 'ContiguousFile'].includes(entry.type) || !wanted(path)) return;
        reading.push(entry.concat().then((bytes) => void files.set(path, bytes)));
      },
    });
    await Promise.all(reading);
  } catch (cause) {
    throw new DataError(`Cannot read ${archive} as a tar archive: ${(cause as Error).message}.`, {
      option: 'data',
      value: archive,
      cause,
    });
  }
  return files;
}
