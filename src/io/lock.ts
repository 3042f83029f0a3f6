import { rmSync } from 'node:fs';
import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../errors.js';
import { outputError } from './atomic.js';

/** Milliseconds between two touches of a file, and after which one that was not touched is of no process any more. */
const TOUCH_EVERY = 15_000;
const GIVEN_UP_AFTER = 60_000;

/** A folder that this process has for itself until it is released or the process ends. */
export interface FolderLock {
  release(): Promise<void>;
}

/** What is taken. */
export interface LockOptions {
  /** How errors call the option that chose the folder. */
  readonly option: string;
  /** What in the folder this process wants for itself; others may have other parts. Default all of it. */
  readonly part?: string;
}

/**
 * Takes a folder, or a part of the work in it, for this process alone.
 *
 * Each process makes a file whose name says which process it is, and then looks for those of others: one that was killed leaves
 * a file that names a process which no longer runs, and that is removed. No file is ever taken over, so that there is no moment
 * in which two processes can both have the folder; two that start at the same moment may both be refused.
 *
 * Of another host's processes it is only seen whether they still touch their files, as all do now and then; the clock is
 * that of the file system, which both see.
 *
 * @throws OutputError that names the process which has the folder.
 */
export async function lockFolder(
  folder: string,
  { option, part = 'process' }: LockOptions,
): Promise<FolderLock> {
  const host = encodeURIComponent(hostname());
  const { start = '0' } = (await processOf(process.pid)) ?? {};
  const own = `${part}-${process.pid}-${start}-${host}.lock`;
  const path = join(folder, own);
  const inUse = (name: string, holder: string): OutputError =>
    new OutputError(
      `${folder} is in use by ${holder}. Wait for it or stop it, or choose another folder; ` +
        `where that process no longer runs, remove ${join(folder, name)}.`,
      { option, value: folder },
    );
  try {
    await (await open(path, 'wx')).close();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw code === 'EEXIST' ? inUse(own, 'this process') : outputError(path, cause);
  }
  const leave = (): void => {
    rmSync(path, { force: true });
  };
  process.once('exit', leave);
  const touching = setInterval(() => void touch(path), TOUCH_EVERY).unref();
  const release = async (): Promise<void> => {
    process.off('exit', leave);
    clearInterval(touching);
    await rm(path, { force: true });
  };
  try {
    for (const name of await readdir(folder)) {
      const holder = holderOf(name, part);
      if (holder === undefined || name === own) continue;
      const other = join(folder, name);
      if (holder.host === host) {
        if (await isRunning(holder)) throw inUse(name, `process ${holder.pid}`);
      } else if ((await touched(path)) - (await touched(other)) < GIVEN_UP_AFTER) {
        throw inUse(name, `process ${holder.pid} of the host ${holder.host}`);
      }
      await rm(other, { force: true });
    }
  } catch (cause) {
    await release();
    throw cause;
  }
  return { release };
}

/** Writes, since the time that is then kept is the file system's. */
async function touch(path: string): Promise<void> {
  // A folder that was removed meanwhile is told of by the next checkpoint.
  await writeFile(path, String(process.pid), { flag: 'r+' }).catch(() => undefined);
}

/** When a file was last written; long ago for one that is gone. */
async function touched(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => -Infinity,
  );
}

interface Holder {
  readonly pid: number;
  /** Tells processes of one number apart. */
  readonly start: string;
  readonly host: string;
}

function holderOf(name: string, part: string): Holder | undefined {
  if (!name.startsWith(`${part}-`)) return undefined;
  const [, pid, start, host] = /^(\d+)-(\d+)-(.+)\.lock$/.exec(name.slice(part.length + 1)) ?? [];
  return host === undefined ? undefined : { pid: Number(pid), start: start!, host };
}

async function isRunning({ pid, start }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    // Of another user's process it is only said that it may not be signalled.
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = await processOf(pid);
  // "Z" is one that has ended, and whose parent has not asked for its exit code.
  return found === undefined || (found.state !== 'Z' && found.start === start);
}

/** State and start of a process, in clock ticks since Linux started (proc(5), stat); undefined where the system does not tell. */
async function processOf(pid: number): Promise<{ state: string; start: string } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name in parentheses, which may hold any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields[0], fields[19]];
  return state === undefined || start === undefined ? undefined : { state, start };
}
