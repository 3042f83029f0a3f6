import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FastsdeError, OutputError } from '../errors.js';
import { checkPath } from '../options.js';

/**
 * Writes a file so that no reader ever sees half of it: the data go to a temporary file beside it, which is brought to
 * the disk and then takes its name. An existing file is replaced; on failure it stays as it was.
 *
 * @throws OutputError with the path and the reason; an error of the data's own iteration as it is.
 */
export async function writeAtomically(
  path: string,
  data: Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = temporaryName(checkPath('path', path));
  try {
    await writeFile(temporary, data, { flag: 'wx', flush: true });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    // Errors of Node have a word as their code; others come from whoever makes the data.
    const { code } = cause as NodeJS.ErrnoException;
    throw cause instanceof FastsdeError || typeof code !== 'string' ? cause : outputError(path, cause);
  }
}

/** Removes what a process that was killed left of files in this folder, by their names. */
export async function removeLeftovers(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(folder)) {
    const name = /^\.(.+)\.[\da-f]{8}\.tmp$/.exec(entry)?.[1];
    if (name !== undefined && isOurs(name)) await rm(join(folder, entry), { force: true });
  }
}

/**
 * Creates a folder where there is none; the folder above it has to exist.
 *
 * @throws OutputError with the path and the reason.
 */
export async function ensureFolder(path: string): Promise<void> {
  const target = join(checkPath('folder', path), '.');
  if (await isFolder(target)) return;
  try {
    await mkdir(target);
  } catch (cause) {
    if (!(await isFolder(target))) throw outputError(path, cause);
  }
}

/**
 * Does work in a folder, which is created where there is none, and taken away again where the work fails and leaves no file in it.
 *
 * @throws OutputError with the path and the reason; what the work throws.
 */
export async function inFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  const isNew = !(await isFolder(join(checkPath('folder', path), '.')));
  await ensureFolder(path);
  try {
    return await work();
  } catch (cause) {
    if (isNew) await removeEmpty(path).catch(() => undefined);
    throw cause;
  }
}

/** Removes a folder that holds nothing but empty folders. */
async function removeEmpty(path: string): Promise<void> {
  for (const entry of await readdir(path)) await rmdir(join(path, entry));
  await rmdir(path);
}

/**
 * Writes a folder of files, given by name. A new folder appears under its name only when it is complete; in a
 * folder that exists already every file is written atomically, and files of other names stay.
 *
 * @throws OutputError with the path and the reason.
 */
export async function writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const target = join(checkPath('path', path), '.');
  if (await isFolder(target)) {
    for (const [name, data] of files) await writeAtomically(join(target, name), data);
    return;
  }
  const temporary = temporaryName(target);
  try {
    await mkdir(temporary);
    for (const [name, data] of files) await writeFile(join(temporary, name), data);
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw outputError(path, cause);
  }
}

/**
 * Finds out whether a file can be created at this path, so that a long computation does not fail at its end.
 *
 * @throws OutputError with the path and the reason.
 */
export async function assertWritable(path: string): Promise<void> {
  const target = join(path, '.');
  const probe = (await isFolder(target)) ? join(target, temporaryName('probe')) : temporaryName(target);
  try {
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (cause) {
    throw outputError(path, cause);
  }
}

/** Whether a folder lies at this path. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than allowed here',
  EISDIR: 'a folder of this name exists',
  ENOTDIR: 'a part of its path is not a folder',
};

/** What a failed write is told as. */
export function outputError(path: string, cause: unknown): OutputError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new OutputError(`Cannot write ${path}: ${reason}.`, { option: 'output', value: path, cause });
}
