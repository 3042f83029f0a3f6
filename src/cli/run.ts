import { styleText } from 'node:util';
import { FastsdeError, OptionError } from '../errors.js';

/**
 * Runs the body of a command. What it throws is told on stderr and sets the exit code: 1, or 130 where Ctrl-C stopped
 * it. The first Ctrl-C aborts the signal, so that the body stops between two steps; the second ends the process at once.
 *
 * @param flags Flags by the name of the library's option, where they are not that name in kebab case.
 */
export async function run(
  body: (signal: AbortSignal) => Promise<void>,
  flags: Readonly<Record<string, string>> = {},
): Promise<void> {
  const controller = new AbortController();
  const interrupt = (): void => {
    controller.abort();
  };
  process.once('SIGINT', interrupt);
  try {
    await body(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) {
      complain(error instanceof FastsdeError ? error.message : 'Interrupted; nothing was written.');
      process.exitCode = 130;
    } else {
      complain(messageOf(error, flags));
      process.exitCode = 1;
    }
  } finally {
    process.off('SIGINT', interrupt);
  }
}

function complain(message: string): void {
  process.stderr.write(`${styleText('red', 'error:', { stream: process.stderr })} ${message}\n`);
}

/** An entry within another, such as network.channels[1], is no flag but one of a configuration file. */
function flagOf(option: string): string {
  return option.includes('.') ? option : `--${option.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/** The message with the flag in place of the library's option; an unforeseen error comes with its stack. */
function messageOf(error: unknown, flags: Readonly<Record<string, string>>): string {
  if (error instanceof OptionError && error.option !== undefined) {
    return error.message.replace(error.option, flags[error.option] ?? flagOf(error.option));
  }
  if (error instanceof FastsdeError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
