import { styleText } from 'node:util';
import { isLive } from '../../io/progress.js';

/** Where the command line writes text: data on stdout, all else on stderr. */

/** Writes data to stdout. */
export function print(text: string): void {
  process.stdout.write(printable(text));
}

/** Writes a line about the run to stderr. */
export function tell(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Tells doubts. */
export function warn(warnings: readonly string[]): void {
  for (const warning of warnings) tell(`warning: ${warning}`);
}

/** Tells a person who watches what to try next. */
export function suggest(line: string): void {
  const { stderr } = process;
  if (isLive(stderr)) stderr.write(`${styleText('dim', `try: ${printable(line)}`, { stream: stderr })}\n`);
}

/** A word as a shell reads it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Tells what ended a command. */
export function complain(message: string): void {
  process.stderr.write(`${styleText('red', 'error:', { stream: process.stderr })} ${printable(message)}\n`);
}

/**
 * The text with the characters that a terminal would obey rather than show (C0, DEL and C1 controls, changes of the direction
 * of writing) as \u escapes: names and metadata come from files of strangers. In JSON the escapes mean the same characters.
 */
function printable(text: string): string {
  const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)/g, escape);
}

/**
 * From now on, a closed pipe ends nothing: who closed it has read enough, and files are written all the same. Any other failure
 * of stdout is told, and is the command's.
 */
export function outliveClosedPipes(): void {
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return;
    process.exitCode = 1;
    complain(`Cannot write to stdout: ${message}.`);
  });
  process.stderr.on('error', () => undefined);
}
