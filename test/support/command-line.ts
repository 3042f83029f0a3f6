import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const main: string = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** How a process ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is sent to a process, once, as soon as a text appears on its stderr or a condition holds. */
export interface Interruption {
  readonly signal: NodeJS.Signals;
  readonly when: string | (() => Promise<boolean>);
}

/** Runs a program in a folder. */
export function start(
  folder: string,
  command: string,
  args: readonly string[],
  interruption?: Interruption,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: folder });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const watch = interruption && setInterval(() => void interrupt(interruption), 1);
    const interrupt = async ({ signal, when }: Interruption): Promise<void> => {
      const now = typeof when === 'string' ? stderr.includes(when) : await when();
      if (now && !child.killed) child.kill(signal);
    };
    child.on('close', (code) => {
      clearInterval(watch);
      resolve({ code, stdout, stderr });
    });
  });
}

/** Runs the command line in a folder. */
export function fastsdeIn(
  folder: string,
): (args: readonly string[], interruption?: Interruption) => Promise<Outcome> {
  return (args, interruption) => start(folder, process.execPath, [main, ...args], interruption);
}
