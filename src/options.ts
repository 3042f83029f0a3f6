import { OptionError } from './errors.js';

/** Throws unless the value is an integer in [least, most]. */
export function checkInteger(
  option: string,
  value: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new OptionError(option, value, `an integer ${range}`);
}

/** Throws unless the value is a finite number above `least` (or equal to it, where `inclusive`). */
export function checkNumber(option: string, value: number, least: number, inclusive = false): number {
  if (Number.isFinite(value) && (inclusive ? value >= least : value > least)) return value;
  throw new OptionError(option, value, `a finite number ${inclusive ? 'of at least' : 'above'} ${least}`);
}

/** The seed as a noise address takes it. */
export function checkSeed(seed: bigint | number): bigint {
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return BigInt(seed);
  if (typeof seed === 'bigint' && BigInt.asUintN(64, seed) === seed) return seed;
  throw new OptionError('seed', seed, 'an integer from 0 to 2^64 - 1 (above 2^53 as a bigint)');
}

/** A seed in a JSON object: above 2^53 it is no number that every reader keeps. */
export function jsonSeed(seed: bigint): number | string {
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : String(seed);
}

/** Throws unless the value is an AbortSignal, or absent. */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || (signal as unknown) instanceof AbortSignal) return signal;
  throw new OptionError('signal', signal, 'an AbortSignal');
}

/** Throws unless the value is one of the choices; the message suggests the nearest one. */
export function checkChoice<T extends string>(option: string, value: string, choices: readonly T[]): T {
  const match = choices.find((choice) => choice === value);
  if (match !== undefined) return match;
  const near = nearest(value, choices);
  throw new OptionError(
    option,
    value,
    `one of ${choices.join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}`,
  );
}

/**
 * Throws where a record of options or entries holds a name that is none of these; the message suggests the nearest one.
 * Names whose value is undefined are as good as absent.
 *
 * @param path What stands before the names in a message, such as `network`; default nothing.
 */
export function checkKnown(options: object, known: readonly string[], path = ''): void {
  if (!isRecord(options)) throw new OptionError(path === '' ? 'options' : path, options, 'an object');
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
    throw new OptionError(path === '' ? name : `${path}.${name}`, value, `absent (${hint})`);
  }
}

/** Throws unless the value is the path of a file or a folder. */
export function checkPath(option: string, value: string): string {
  if (typeof (value as unknown) === 'string' && value !== '') return value;
  throw new OptionError(option, value, 'a path');
}

/** The record without its undefined entries. */
export function defined<T extends object>(record: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The entry of a table by a name from elsewhere: `constructor` is no entry, though every object has one. */
export function entryOf<T>(table: Readonly<Record<string, T>>, name: unknown): T | undefined {
  return typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is an array; Array.isArray would say that of any elements. */
export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** The choice within a few typing errors of the word, if there is one. */
export function nearest<T extends string>(word: string, choices: readonly T[]): T | undefined {
  // Callers without types give what is no string, files give very long ones.
  if (typeof word !== 'string' || word.length > 100) return undefined;
  const ranked = choices
    .map((choice) => ({ choice, distance: editDistance(word.toLowerCase(), choice.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, Math.floor(best.choice.length / 3)) ? best.choice : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
