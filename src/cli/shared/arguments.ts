import { InvalidArgumentError, Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import { pathOf } from '../../io/path.js';
import { nearest } from '../../options.js';

/** Adds options to a command under a heading of its help. */
export function addOptions(command: Command, heading: string, options: readonly Option[]): Command {
  command.optionsGroup(heading);
  for (const option of options) {
    const takesOne = (option.required || option.optional) && !option.variadic;
    if (takesOne && !option.parseArg) option.argParser(filesOf(option) === undefined ? notAFlag : toPath);
    command.addOption(option);
  }
  return command;
}

/** The place that a value of a file or folder says: a path, or a file: URL. */
export function toPath(value: string): string {
  try {
    return pathOf('', notAFlag(value));
  } catch (cause) {
    throw cause instanceof OptionError ? new InvalidArgumentError(`Expected ${cause.expected}.`) : cause;
  }
}

/** Which files may stand for the value of an option. */
export function filesOf({ flags }: Option): 'all' | 'folders' | undefined {
  return filesNamed(/[<[](.*?)[\]>]/.exec(flags)?.[1] ?? '');
}

/** A placeholder says by its name whether a file may stand for it. */
export function filesNamed(placeholder: string): 'all' | 'folders' | undefined {
  if (/folder|^run$/.test(placeholder)) return 'folders';
  return /file|path|source|^model$|^arguments$/.test(placeholder) ? 'all' : undefined;
}

/** A value that is left out would be the next flag. */
function notAFlag(value: string): string {
  if (!value.startsWith('--')) return value;
  throw new InvalidArgumentError('A value is missing before it.');
}

/**
 * An option whose value is one of a few words; a misspelt one is answered with the nearest.
 *
 * @param fallback What the help calls the default; applying it is left to the library.
 */
export function choice(
  flags: string,
  description: string,
  choices: readonly string[],
  fallback?: string,
): Option {
  const text = `${description}: ${choices.join(', ')}`;
  const option = new Option(flags, fallback === undefined ? text : `${text} (default: ${fallback})`);
  return known(option, choices).argParser((value: string) => oneOf(value, choices));
}

/** An option with words that its value may be, for whoever completes it. */
export function known(option: Option, words: readonly string[]): Option {
  option.argChoices = [...words];
  return option;
}

/** The word, if it is one of these. */
export function oneOf(word: string, choices: readonly string[]): string {
  if (choices.includes(word)) return word;
  const near = nearest(word, choices);
  const hint = near === undefined ? '' : ` Did you mean ${near}?`;
  throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}.${hint}`);
}

/** An option whose value is an integer; what range it may have, the library says. */
export function integer(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    if (/^[+-]?\d+$/.test(value)) return Number(value);
    throw new InvalidArgumentError('Expected an integer.');
  });
}

/** An option whose value is an integer that may exceed 2^53. */
export function bigInteger(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    if (/^-?(\d+|0x[\da-f]+)$/i.test(value)) return BigInt(value);
    throw new InvalidArgumentError('Expected an integer.');
  });
}

/** An option whose value is a number. */
export function real(flags: string, description: string): Option {
  return new Option(flags, description).argParser(toNumber);
}

/** An option whose value is numbers with commas between them. */
export function numbers(flags: string, description: string): Option {
  return new Option(flags, description).argParser(numbersIn);
}

/** Numbers with commas between them. */
export function numbersIn(text: string): number[] {
  return text.split(',').map(toNumber);
}

/** An option that may be given several times; its value is all of them. */
export function list(flags: string, description: string): Option {
  const option = new Option(flags, description);
  const read = filesOf(option) === undefined ? notAFlag : toPath;
  return option.argParser((value: string, previous: string[] | undefined) => [
    ...(previous ?? []),
    read(value),
  ]);
}

/** An option whose value is named numbers, `name=value` with commas between them. */
export function constants(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) =>
    Object.fromEntries(
      value.split(',').map((entry) => {
        const [name = '', number = ''] = entry.split('=');
        if (name.trim() === '')
          throw new InvalidArgumentError('Expected name=value, with commas between several.');
        return [name.trim(), toNumber(number)];
      }),
    ),
  );
}

function toNumber(text: string): number {
  if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  throw new InvalidArgumentError(`Expected a number where it says ${JSON.stringify(text)}.`);
}
