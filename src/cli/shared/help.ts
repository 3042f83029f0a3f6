import { styleText } from 'node:util';
import { Help, type Argument, type Command, type Option } from 'commander';

/** A term and what it means: a command line and what it does, the ending of a file and what is written there. */
export type Entry = readonly [term: string, meaning: string];

/** What the help of a command has beside its options. */
interface Page {
  recipes: readonly Entry[];
  readonly sections: { readonly heading: string; readonly entries: readonly Entry[] }[];
}

const pages = new WeakMap<Command, Page>();

function pageOf(command: Command): Page {
  const page = pages.get(command) ?? { recipes: [], sections: [] };
  pages.set(command, page);
  return page;
}

/** Gives a command the lines that are most wanted of it, with which its help begins. */
export function addRecipes(command: Command, recipes: readonly Entry[]): Command {
  pageOf(command).recipes = recipes;
  return command;
}

/** The lines with which the help of a command begins. */
export function recipesOf(command: Command): readonly Entry[] {
  return pageOf(command).recipes;
}

/** Adds a list behind the options of a command. */
export function addSection(command: Command, heading: string, entries: readonly Entry[]): void {
  pageOf(command).sections.push({ heading, entries });
}

const USUAL = 'Usual options:';

/** Brings the flags that most runs want to the head of a command's help. */
export function addUsual(command: Command, flags: readonly string[]): void {
  for (const option of command.options) if (flags.includes(option.long!)) option.helpGroup(USUAL);
}

/** Lays out the help of a program and of its commands, for a terminal of any width. */
export function layOutHelp(program: Command): void {
  for (const command of [program, ...program.commands]) command.createHelp = () => new Layout();
}

/** Columns that are written at most, however wide the terminal is, and that are assumed at least. */
const MOST = 100;
const LEAST = 24;

/** Columns that a meaning beside its term needs; with fewer it goes below. */
const BESIDE = 32;

class Layout extends Help {
  override formatHelp(command: Command): string {
    const { recipes, sections } = pageOf(command);
    const [first] = command.options;
    const headingOf = (option: Option): string =>
      (command.options.includes(option) ? option : first)?.helpGroupHeading ?? 'Options:';
    const options = grouped(this.visibleOptions(command), headingOf);
    const subs = this.visibleCommands(command).filter((sub) => command.commands.includes(sub));
    const commands = grouped(subs, (sub) => sub.helpGroup());
    const flags = [...options.values()].flat().map((option) => this.optionTerm(option).length);
    const names = [...commands.values()].flat().map((sub) => sub.name().length);
    const blocks = [
      this.#paragraph(`Usage: ${this.commandUsage(command)}`),
      this.#paragraph(this.commandDescription(command)),
      this.#recipes(recipes),
      this.#list('Arguments:', this.visibleArguments(command).map((argument) => [this.argumentTerm(argument), this.argumentDescription(argument)])), // prettier-ignore
      ...Array.from(
        commands,
        ([heading, subs]) =>
        this.#list(heading, subs.map((sub) => [sub.name(), this.#summary(sub)]), Math.max(...names)), // prettier-ignore
      ),
      ...Array.from(
        options,
        ([heading, members]) =>
        this.#list(heading, members.map((option) => [this.optionTerm(option), this.optionDescription(option)]), Math.max(...flags)), // prettier-ignore
      ),
      ...sections.map(({ heading, entries }) => this.#list(heading, entries)),
    ];
    return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
  }

  override argumentDescription({ description }: Argument): string {
    return description;
  }

  /** Choices are part of the description. */
  override optionDescription({ description, defaultValue, envVar }: Option): string {
    const facts = [
      ...(defaultValue === undefined ? [] : [`default: ${String(defaultValue)}`]),
      ...(envVar === undefined ? [] : [`environment: ${envVar}`]),
    ];
    return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
  }

  get #width(): number {
    return Math.min(MOST, Math.max(LEAST, this.helpWidth ?? 80));
  }

  /** What a command does, and a line of it. */
  #summary(command: Command): string {
    const [recipe] = recipesOf(command);
    const summary = this.subcommandDescription(command);
    return recipe ? `${summary}\n${recipe[0]}` : summary;
  }

  #title(heading: string): string {
    const lines = wrapped(heading, this.#width);
    return lines.map((line) => styleText('bold', line, { validateStream: false })).join('\n');
  }

  #paragraph(text: string): string {
    return text.split('\n').flatMap((line) => wrapped(line, this.#width)).join('\n'); // prettier-ignore
  }

  /** Lines to copy as they are, each with its comment; where one of them has no room for that, below it. */
  #recipes(recipes: readonly Entry[]): string {
    const most = Math.max(...recipes.map(([line]) => line.length));
    const fits = (longest: (line: string) => number): boolean =>
      recipes.every(([line, does]) => longest(line) + does.length + 6 <= this.#width);
    const padding = fits(() => most) ? most : fits((line) => line.length) ? 0 : undefined;
    if (padding === undefined || recipes.length === 0) return this.#list('Recipes:', recipes);
    return [this.#title('Recipes:'), ...recipes.map(([line, does]) => `  ${line.padEnd(padding)}  # ${does}`)].join('\n'); // prettier-ignore
  }

  /** Terms with what they mean beside or, where there is no room for that, below them. */
  #list(heading: string, entries: readonly Entry[], least = 0): string {
    if (entries.length === 0) return '';
    const column = Math.max(least, ...entries.map(([term]) => term.length)) + 4;
    const room = this.#width - column;
    const isBeside = room >= BESIDE || entries.every(([, meaning]) => meaning.length <= room);
    const lines = entries.flatMap(([term, meaning]) => {
      const texts = meaning.split('\n').filter((text) => text !== '');
      if (!isBeside)
        return [
          ...wrapped(term, this.#width - 4).map((line, i) => (i === 0 ? '  ' : '    ') + line),
          ...texts.flatMap((text) => wrapped(text, this.#width - 6).map((line) => `      ${line}`)),
        ];
      const beside = texts.flatMap((text) => wrapped(text, room));
      return [
        `  ${term.padEnd(column - 2)}${beside[0] ?? ''}`.trimEnd(),
        ...beside.slice(1).map((line) => ' '.repeat(column) + line),
      ];
    });
    return [this.#title(heading), ...lines].join('\n');
  }
}

/** Things by their headings, in order, the usual ones first. */
function grouped<T>(things: readonly T[], headingOf: (thing: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>(
    things.some((thing) => headingOf(thing) === USUAL) ? [[USUAL, []]] : [],
  );
  for (const thing of things) {
    const heading = headingOf(thing);
    groups.set(heading, [...(groups.get(heading) ?? []), thing]);
  }
  return groups;
}

/** The lines of a text, of at most so many columns; a word that is longer breaks behind a comma or slash, else anywhere. */
function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(...piecesOf(word, width));
  }
  return lines.filter((line) => line !== '');
}

function piecesOf(word: string, width: number): string[] {
  const pieces: string[] = [];
  for (let rest = word; rest !== '';) {
    const breaks = Math.max(rest.lastIndexOf(',', width - 1), rest.lastIndexOf('/', width - 1)) + 1;
    const length = rest.length <= width ? rest.length : breaks > 0 ? breaks : width;
    pieces.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return pieces;
}
