import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DataError } from '../../errors.js';

/** The command line: beside the bundles of the library, or above this folder. */
const program = [join(import.meta.dirname, 'cli.js'), join(import.meta.dirname, '..', 'main.js')].find(
  (path) => existsSync(path),
)!;

/**
 * Runs a command in a process of its own, with so many threads where a number is given, and returns what it reports with --json.
 *
 * @throws DataError with what the command says where it fails.
 */
export async function runWhole(
  args: readonly string[],
  signal: AbortSignal,
  threads: number | undefined,
): Promise<object> {
  const own = [
    ...(args.includes('--json') ? [] : ['--json']),
    ...(threads === undefined ? [] : ['--threads', String(threads)]),
  ];
  const child = spawn(process.execPath, [program, ...args, ...own], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGTERM',
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [output, complaints, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  if (code === 0) return JSON.parse(output) as object;
  signal.throwIfAborted();
  const message = /^error: (.*)/ms.exec(complaints)?.[1] ?? complaints;
  throw new DataError(`fastsde ${args[0]!}: ${message.trim()}`);
}
