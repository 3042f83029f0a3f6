import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { DataError } from '../errors.js';

/** Node reads no more into one buffer. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Opens a file. A device or a pipe, which need not end or may never begin, is refused.
 *
 * @throws DataError with the path and the reason.
 */
export async function openFile(path: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    // Opening a pipe would wait until somebody writes; Windows has no such flag, nor such pipes.
    const { O_RDONLY, O_NONBLOCK = 0 } = constants as Partial<typeof constants>;
    file = await open(path, O_RDONLY! | O_NONBLOCK);
    const found = await file.stat();
    if (found.isFile()) return file;
    throw new TypeError(`it is a ${found.isDirectory() ? 'folder' : 'device or a pipe'}, not a regular file`);
  } catch (cause) {
    await file?.close();
    throw readError(path, cause);
  }
}

/**
 * The bytes of a file, which has to be a regular one of at most 2 GiB.
 *
 * @throws DataError with the path and the reason.
 */
export async function readBytes(path: string): Promise<Buffer> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    if (size > MOST_BYTES) throw new RangeError(`it has ${size} bytes, more than 2 GiB`);
    return await file.readFile();
  } catch (cause) {
    throw readError(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * The names in a folder, in order.
 *
 * @throws DataError with the path and the reason.
 */
export async function readFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    throw readError(path, cause);
  }
}

/** What Python writes for numbers that JSON has not, and strings, in which the same may stand. */
const PYTHON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\b(?:Infinity|NaN)\b/g;

/** NaN and infinities, as Python writes them, are null. @throws DataError for a file that cannot be read or is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  const text = (await readBytes(path)).toString();
  try {
    return JSON.parse(
      text.replace(PYTHON_NUMBERS, (token) => (token.startsWith('"') ? token : 'null')),
    ) as unknown;
  } catch (cause) {
    throw new DataError(`${path} is not JSON: ${(cause as Error).message}.`, { value: path, cause });
  }
}

/** Whether a file could not be read because there is none. */
export function isAbsent(error: unknown): boolean {
  return error instanceof DataError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'it, or a part of its path, is not a folder',
  ENXIO: 'it is a socket, not a regular file',
};

function readError(path: string, cause: unknown): DataError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new DataError(`Cannot read ${path}: ${reasons[code] ?? message}.`, { value: path, cause });
}
