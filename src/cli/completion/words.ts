import type { Argument, Command, Option } from 'commander';
import { filesNamed, filesOf } from '../shared/arguments.js';

/** What may stand in the place of a value. */
export interface Place {
  readonly words: readonly string[];
  readonly files?: 'all' | 'folders' | undefined;
}

/** A flag as a shell completes it. */
export interface Flag {
  readonly name: string;
  readonly does: string;
  /** Absent where it takes no value. */
  readonly value?: Place;
  /** Whether it may stand without its value. */
  readonly optional: boolean;
}

/** A command as a shell completes it. */
export interface ShellCommand {
  readonly name: string;
  readonly does: string;
  readonly flags: readonly Flag[];
  /** What stands without a flag. */
  readonly operands: Place;
}

/** The commands of a program with all that may stand behind them. */
export function shellCommands(program: Command): ShellCommand[] {
  const commands = program.commands.map((command): ShellCommand => {
    const flags = [...command.options, helpOf(command)].flatMap(flagsOf);
    const operands = command.registeredArguments.map(operandOf);
    return {
      name: command.name(),
      does: command.summary(),
      flags,
      operands: {
        words: operands.flatMap(({ words }) => words),
        files: operands.find(({ files }) => files)?.files,
      },
    };
  });
  const names = commands.map(({ name }) => name);
  const help: ShellCommand = {
    name: 'help',
    does: 'print the help of a command',
    flags: [],
    operands: { words: names },
  };
  return [...commands, help];
}

function helpOf(command: Command): Option {
  return command.createOption('-h, --help', 'print the help');
}

function flagsOf(option: Option): Flag[] {
  const { flags, description, required, optional, argChoices = [] } = option;
  // Words are offered anyhow.
  const does = description
    .replace(`: ${argChoices.join(', ')}`, '')
    .replace(/( \(default|; |, see below).*$/s, '');
  const names = flags.match(/(?<=^|[ ,|])--[\w-]+/g) ?? [];
  const value = required || optional ? { words: argChoices, files: filesOf(option) } : undefined;
  return names.map((name) => ({ name, does, optional, ...(value && { value }) }));
}

function operandOf(argument: Argument): Place {
  return { words: argument.argChoices ?? [], files: filesNamed(argument.name()) };
}

/** Places of one kind, each with the patterns `command:--flag` of where it is. */
export function valuePlaces(
  commands: readonly ShellCommand[],
): { readonly place: Place; readonly patterns: string[] }[] {
  const found = new Map<string, { place: Place; patterns: string[] }>();
  for (const { name: command, flags } of commands)
    for (const { name, value } of flags) {
      if (!value) continue;
      const key = JSON.stringify([value.words, value.files]);
      const known = found.get(key) ?? { place: value, patterns: [] };
      known.patterns.push(`${command}:${name}`);
      found.set(key, known);
    }
  return [...found.values()];
}

/** A word between single quotes, as shells of the family of sh and zsh read it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
