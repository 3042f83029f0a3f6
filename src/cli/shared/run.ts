import { constants } from 'node:os';
import { FastsdeError, OptionError } from '../../errors.js';
import { isShortage, LESS_AT_ONCE } from '../../memory.js';
import { complain } from './terminal.js';

/** Milliseconds that threads have to end after the body of a command was stopped; a network that is being made does not look up. */
const PATIENCE = 1000;

/** Ctrl-C, and what a supervisor sends. */
const signals = ['SIGINT', 'SIGTERM'] as const;

/** Flags by the names of the library's options, where they are not those names in kebab case. */
const commonFlags: Readonly<Record<string, string>> = {
  epsilon: '--eps',
  classLabel: '--class',
  scale: '--guidance',
  interval: '--guidance-interval',
  rescale: '--guidance-rescale',
  size: '--resize',
  constants: '--sde-constants',
  elboDraws: '--elbo',
  inputs: '--input',
  'ladder.zeroTerminalSnr': '--zero-terminal-snr',
  unconditionalInputs: '--unconditional-input',
};

/**
 * Runs the body of a command. What it throws is told on stderr and sets the exit code: 1, or where a signal stopped it 128
 * and the signal's number (130 after Ctrl-C, 143 after SIGTERM). The first signal aborts the body's, so that it stops between
 * two steps; the second ends the process at once, and so does the first where the body takes no signal.
 *
 * @param flags Flags by the names of the library's options, where they are others than those of all commands.
 */
export async function run(
  body: (signal: AbortSignal) => Promise<void>,
  flags: Readonly<Record<string, string>> = {},
): Promise<void> {
  const controller = new AbortController();
  let exitCode = 1;
  let received: (typeof signals)[number] | undefined;
  const leaveToSystem = (): void => {
    for (const signal of signals) process.off(signal, interrupt);
  };
  const interrupt = (signal: (typeof signals)[number]): void => {
    exitCode = 128 + constants.signals[signal];
    received = signal;
    leaveToSystem();
    controller.abort();
  };
  if (body.length > 0) for (const signal of signals) process.on(signal, interrupt);
  try {
    await body(controller.signal);
  } catch (error) {
    const interrupted = controller.signal.aborted && !(error instanceof FastsdeError);
    complain(interrupted ? 'Interrupted; nothing was written.' : messageOf(error, flags));
    process.exitCode = exitCode;
  } finally {
    leaveToSystem();
    if (received) setTimeout(() => process.kill(process.pid, received), PATIENCE).unref();
  }
}

/** An entry within another, such as network.channels[1], is no flag but one of a configuration file; an environment variable is none either. */
function flagOf(option: string): string {
  const [, inputs, name] = /^(inputs|unconditionalInputs)\.(.*)$/s.exec(option) ?? [];
  if (inputs !== undefined) return `${commonFlags[inputs]} ${name}`;
  const [, own, part] = /^(tau|intervals)(?:\[\d+\])?\.(\w+)$/.exec(option) ?? [];
  if (own !== undefined) return `--${own} ${part}`;
  const [, group, constant] = /^(sde|ladder)(?:Constants)?\.(\w+)$/.exec(option) ?? [];
  if (option === 'ladder.levels') return '--trained-levels';
  if (group !== undefined) return `--${group}-constants ${constant}`;
  const isOther = option.includes('.') || option.startsWith('FASTSDE_');
  return isOther ? option : `--${option.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/** The message with the flag in place of the library's option; an unforeseen error comes with its stack. */
function messageOf(error: unknown, flags: Readonly<Record<string, string>>): string {
  if (error instanceof OptionError) {
    const { option, value, expected } = error;
    return new OptionError(flags[option] ?? commonFlags[option] ?? flagOf(option), value, expected).message;
  }
  if (error instanceof FastsdeError) return error.message;
  if (error instanceof Error && isShortage(error.message))
    return `There is not enough memory for so many samples at once. ${LESS_AT_ONCE}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
