import { DataError, OptionError } from '../../errors.js';
import { readJson } from '../../io/read.js';
import { checkChoice, checkKnown, isList, isRecord } from '../../options.js';
import type { OptionRule, OptionType } from '../../training/options.js';
import type { RecipeOptions } from '../../training/recipe.js';
import { entries } from './entries.js';

/** A training run as a configuration file has it ({@link entries}). Flags of the command line are laid over it. */
export interface TrainConfig extends Omit<
  RecipeOptions,
  'model' | 'graph' | 'parameters' | 'inputs' | 'seed'
> {
  /** What `loadData` takes. */
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly dataLabels?: string;
  readonly skipCorrupted?: boolean;
  /** Height and width to which pictures are scaled. */
  readonly resize?: readonly [number, number];
  readonly channels?: 1 | 3;
  /** Share of the data on which the loss is measured, and which is not trained on; 0 for none. */
  readonly holdOut?: number;
  /** An ONNX file to train, in place of a new network. */
  readonly model?: string;
  /** A training graph of that file made elsewhere. */
  readonly graph?: string;
  /** Which initializers are trained: a regular expression. */
  readonly parameters?: string;
  /** What other inputs of that file are fed, by name: numbers and .npy files. */
  readonly inputs?: Readonly<Record<string, number | string>>;
  readonly seed?: number | string;
  readonly output?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  readonly snapshotEvery?: number;
  readonly sampleEvery?: number;
  readonly sampleCount?: number;
}

/**
 * Reads a configuration file.
 *
 * @throws DataError naming the file where it cannot be read, is no JSON object, or has an entry that is unknown or of another
 *   kind than expected.
 */
export async function readConfig(path: string): Promise<TrainConfig> {
  const value = await readJson(path);
  try {
    return checkConfig(value);
  } catch (error) {
    throw error instanceof OptionError ? entryError(path, error) : error;
  }
}

/** An error about an option as one about the entry of a file that gave it. */
export function entryError(path: string, cause: OptionError): DataError {
  const { option, value } = cause;
  return new DataError(`${path}: ${cause.message}`, { option, value, cause });
}

/**
 * The entries of a configuration file, known by name and kind; what values they may have the library says.
 *
 * @throws OptionError naming the entry.
 */
export function checkConfig(value: unknown): TrainConfig {
  if (!isRecord(value))
    throw new OptionError('config', value, 'a JSON object such as { "data": "swiss-roll" }');
  checkEntries(value, '');
  const { objective, resize, channels } = value as TrainConfig;
  if (objective) checkEntries(objective, 'objective');
  if (resize && !isSize(resize))
    throw new OptionError('resize', resize, 'height and width, such as [32, 32]');
  if (channels !== undefined && ![1, 3].includes(channels))
    throw new OptionError('channels', channels, '1 or 3');
  return value;
}

/** Checks an object whose entries have the paths `path`.*, or the outermost one. */
function checkEntries(value: object, path: string): void {
  const prefix = path === '' ? '' : `${path}.`;
  const rules = new Map(
    Object.entries(entries).flatMap(([full, rule]) => {
      const name = full.slice(prefix.length);
      return full.startsWith(prefix) && !name.includes('.') ? [[name, rule] as const] : [];
    }),
  );
  checkKnown(value, [...rules.keys()], path);
  for (const [name, entry] of Object.entries(value)) checkKind(prefix + name, entry, rules.get(name)!);
}

function checkKind(option: string, value: unknown, { type }: OptionRule): void {
  const kind = kinds[typeof type === 'string' ? type : 'text'];
  if (!kind.holds(value)) throw new OptionError(option, value, kind.name);
  if (typeof type !== 'string') checkChoice(option, value as string, type);
}

interface Kind {
  readonly name: string;
  readonly holds: (value: unknown) => boolean;
}

const isNumber = (value: unknown): boolean => typeof value === 'number';
const number: Kind = { name: 'a number', holds: isNumber };
const object: Kind = { name: 'an object', holds: isRecord };

const kinds: Readonly<Record<OptionType, Kind>> = {
  integer: number,
  number,
  numbers: { name: 'a list of numbers', holds: (value) => isList(value) && value.every(isNumber) },
  boolean: { name: 'true or false', holds: (value) => typeof value === 'boolean' },
  text: { name: 'a string', holds: (value) => typeof value === 'string' },
  object,
  constants: object,
  inputs: {
    name: 'an object of numbers and .npy files by name',
    holds: (value) =>
      isRecord(value) && Object.values(value).every((each) => isNumber(each) || typeof each === 'string'),
  },
  seed: {
    name: 'an integer, as a string above 2^53',
    holds: (value) => isNumber(value) || (typeof value === 'string' && /^\d+$/.test(value)),
  },
  averages: {
    name: 'a decay, an average such as { "kind": "constant", "decay": 0.999 }, or a list',
    holds: (value) => (isList(value) ? value : [value]).every((each) => isNumber(each) || isRecord(each)),
  },
};

function isSize(size: readonly number[]): boolean {
  return size.length === 2 && size.every((extent) => Number.isInteger(extent) && extent > 0);
}
