import { OptionError } from '../errors.js';
import { checkChoice } from '../options.js';
import type { SolverChoice } from './choice.js';
import { besideMethods, predictorNames, solverNames, solverOptions } from './names.js';

/** A sampler that a text describes. */
export interface DescribedSampler {
  /** What the text says of it, in one form: the name, and after a colon its options. */
  readonly label: string;
  readonly choice: SolverChoice;
  /** The pattern that it matched, where its name was none. */
  readonly pattern?: string;
}

const samplerNames: readonly string[] = [...predictorNames.filter((name) => name !== 'none'), ...solverNames];

/**
 * Samplers as a text has them, with commas between them: `heun`, `unipc:order=3,grid=karras`, or every method that a pattern matches,
 * `dpmpp-*:grid=karras`. What follows a colon up to the next name are options of `sample`, or of the method; those in several parts
 * have semicolons between them, as `grid=1;0.5;0.1` and `tau=1;0.05;1` do.
 *
 * @throws OptionError (`samplers`) for a name that is unknown, a pattern that nothing matches, and what is no option. Which options a
 *   method takes is found out where its choice is used.
 */
export function samplersIn(text: string): DescribedSampler[] {
  return entriesOf(text).flatMap(({ name, options }) => {
    const given = Object.entries(options).map(([option, value]) => `${option}=${value}`);
    return namesOf(name).map((own) => ({
      label: given.length === 0 ? own : `${own}:${given.join(',')}`,
      choice: choiceOf(own, options),
      ...(own !== name && { pattern: name }),
    }));
  });
}

interface Entry {
  readonly name: string;
  readonly options: Record<string, string>;
}

/** Commas stand between samplers and between options alike; only the latter have an equals sign, and no colon. */
function entriesOf(text: string): Entry[] {
  const entries: Entry[] = [];
  for (const part of text.split(',')) {
    const [, name, first] = /^\s*([^:=\s]*)\s*(?::(.*))?$/s.exec(part) ?? [];
    const option = name === undefined ? part : first;
    if (name !== undefined) entries.push({ name, options: {} });
    if (option === undefined) continue;
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(\S.*?)\s*$/s.exec(option) ?? [];
    const entry = entries.at(-1);
    if (key === undefined || value === undefined || entry === undefined) {
      const expected = "names with commas between them, with options as in 'unipc:order=3,grid=karras'";
      throw new OptionError('samplers', text, expected);
    }
    const camel = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (camel in entry.options) throw new OptionError('samplers', text, `one in which ${key} is given once`);
    entry.options[camel] = value;
  }
  return entries;
}

function namesOf(name: string): string[] {
  if (!/[*?]/.test(name)) return [checkChoice('samplers', name, samplerNames)];
  const escaped = name.replace(/[^\w*?-]/g, '\\$&');
  const pattern = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  const matched = samplerNames.filter((candidate) => pattern.test(candidate));
  if (matched.length > 0) return matched;
  throw new OptionError('samplers', name, `a pattern that matches one of ${samplerNames.join(', ')}`);
}

/** The options of `sample` for a method with these options. */
function choiceOf(name: string, options: Readonly<Record<string, string>>): SolverChoice {
  const beside: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  const isWhole = name in solverOptions && name !== 'predictor-corrector';
  for (const [option, text] of Object.entries(options)) {
    const place = !isWhole && besideMethods.includes(option) ? beside : own;
    place[option] = valueOf(option, text);
  }
  if (name !== 'predictor-corrector')
    return { ...beside, solver: { name, ...own } as SolverChoice['solver'] };
  const { predictor = 'reverse-diffusion', ...rest } = beside;
  return { ...rest, solver: name, predictor: { name: predictor, ...own } as SolverChoice['predictor'] };
}

/** A value as text has it: a number, a truth, a word, or several numbers. */
function valueOf(option: string, text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  const values = text.split(';').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (values.some(Number.isNaN)) return text;
  const [value, least, most] = values;
  if (option === 'tau' && values.length > 1) return { value, least, most };
  if (option === 'intervals') {
    return Array.from({ length: Math.ceil(values.length / 4) }, (_, i) => {
      const [least, most, steps, times] = values.slice(4 * i, 4 * i + 4);
      return { least, most, steps, times };
    });
  }
  return values.length === 1 ? value : values;
}
