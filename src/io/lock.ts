import { rmSync } from 'node:fs';
import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../errors.js';
import { outputError } from './atomic.js';

/** Milliseconds between two touches of a file, and after which one that was not touched is of no process any more. */
const TOUCH_EVERY = 15_000;
const GIVEN_UP_AFTER = 60_000;

/** A folder, or a part of the work in it, that this process has for itself until it is released or the process ends. */
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
 * @throws OutputError that names the process which has the folder, or where no file can be made in it.
 */
export async function lockFolder(
  folder: string,
  { option, part = 'process' }: LockOptions,
): Promise<FolderLock> {
  const taken = await takePart(folder, part);
  if ('release' in taken) return taken;
  throw new OutputError(
    `${folder} is in use by ${taken.holder}. Wait for it or stop it, or choose another folder; ` +
      `where that process no longer runs, remove ${join(folder, taken.file)}.`,
    { option, value: folder },
  );
}

/** Who has what was wanted, and the file that says so. */
interface Taken {
  readonly holder: string;
  readonly file: string;
}

/**
 * Takes a part of the work in a folder for this process, where no other process has it.
 *
 * Each process makes a file whose name says which process it is, and then looks for those of others: one that was killed leaves
 * a file that names a process which no longer runs, and that is removed. No file is ever taken over, so that there is no moment
 * in which two processes can both have the part; two that start at the same moment may both be refused.
 *
 * Of another host's processes it is only seen whether they still touch their files, as all do now and then; the clock is
 * that of the file system, which both see.
 *
 * @throws OutputError where no file can be made in the folder.
 */
export async function takePart(folder: string, part: string): Promise<FolderLock | Taken> {
  const host = encodeURIComponent(hostname());
  const { start = '0' } = (await processOf(process.pid)) ?? {};
  const own = `${part}-${process.pid}-${start}-${host}.lock`;
  const path = join(folder, own);
  try {
    await (await open(path, 'wx')).close();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return { holder: 'this process', file: own };
    throw outputError(path, cause);
  }
  const leave = (): void => {
    rmSync(path, { force: true });
  };
  process.on('exit', leave);
  const touching = setInterval(() => void touch(path), TOUCH_EVERY).unref();
  const release = async (): Promise<void> => {
    process.off('exit', leave);
    clearInterval(touching);
    await rm(path, { force: true });
  };
  try {
    for (const file of await readdir(folder)) {
      const other = holderOf(file, part);
      if (other === undefined || file === own) continue;
      const holder = await livingHolder(folder, { ...other, file }, { path, host });
      if (holder !== undefined) {
        await release();
        return { holder, file };
      }
      await rm(join(folder, file), { force: true });
    }
  } catch (cause) {
    await release();
    throw cause;
  }
  return { release };
}

/** How a process that has left a file is called, where it still runs. */
async function livingHolder(
  folder: string,
  other: Holder & { readonly file: string },
  own: { readonly path: string; readonly host: string },
): Promise<string | undefined> {
  if (other.host === own.host) return (await isRunning(other)) ? `process ${other.pid}` : undefined;
  const silence = (await touched(own.path)) - (await touched(join(folder, other.file)));
  return silence < GIVEN_UP_AFTER ? `process ${other.pid} of the host ${other.host}` : undefined;
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
