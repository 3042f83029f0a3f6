import { FastsdeError, ModelError, OptionError } from '../../errors.js';
import { checkChoice, checkInteger, checkNumber } from '../../options.js';
import type { NamedLadder } from '../../sde/named-ladder.js';
import { ladderNames, sdeNames, type SdeName } from '../../sde/names.js';
import { labelRule } from './labels.js';
import type { Parameterization } from '../model.js';
import { parameterizations } from '../parameterization.js';

/** Names of the network's inputs and output, where they are not the usual ones. */
export interface TensorNames {
  /** The input of x_t. */
  state?: string;
  /** The input of the time. */
  time?: string;
  /** The input of the class. */
  class?: string;
  /** Of the input that takes the last estimate of x_0. */
  selfCondition?: string;
  /** The output F. */
  output?: string;
}

/** What a model file says of itself in its metadata properties, keys `fastsde.*`; every entry is optional. */
export interface ModelMetadata {
  /** What the network is: a score network, where the entry is absent, or a classifier p(y | x_t, t) with logits. */
  kind?: 'score' | 'classifier';
  /** The process. */
  sde?: SdeName;
  /** Constants of the SDE that differ from its defaults. */
  constants?: Readonly<Record<string, number>>;
  /** What the raw output means. */
  parameterization?: Parameterization;
  /** Data standard deviation of the EDM preconditioning. */
  sigmaData?: number;
  /** Name of the label rule. */
  labels?: string;
  /** Shape of one sample. */
  shape?: readonly number[];
  /** Values that data take in the model's own space. */
  dataRange?: readonly [number, number];
  /** Number of trained noise levels. */
  trainedLevels?: number;
  /** The ladder of the trained levels by name, with constants that differ from its defaults. */
  ladder?: NamedLadder;
  /** Number of classes. */
  classes?: number;
  /** The class label that stands for no class, in a network trained with and without its labels. */
  nullClass?: number;
  /** Probability that an element of the network's dropout masks (inputs `dropout.*`) is zero while it is trained. */
  dropout?: number;
  /** Which tensor is which. */
  names?: TensorNames;
}

const PREFIX = 'fastsde.';
const FORMAT = '1';
/** Their keys by role. */
const tensorKeys: Readonly<Record<keyof TensorNames, string>> = {
  ...{ state: 'input.state', time: 'input.time', class: 'input.class' },
  ...{ selfCondition: 'input.self_condition', output: 'output' },
};

/**
 * Reads the `fastsde.*` entries of a model's metadata properties; other entries are somebody else's.
 * @throws ModelError naming the entry that cannot be used.
 */
export function readMetadata(properties: ReadonlyMap<string, string>): ModelMetadata {
  const entry = <T>(key: string, parse: (text: string) => T): T | undefined => {
    const text = properties.get(PREFIX + key);
    if (text === undefined) return undefined;
    try {
      return parse(text.trim());
    } catch (cause) {
      if (!(cause instanceof FastsdeError)) throw cause;
      throw new ModelError(`Its metadata entry ${PREFIX}${key} cannot be used: ${cause.message}`, {
        option: PREFIX + key,
        value: text,
        cause,
      });
    }
  };
  entry('format', (text) => checkChoice('format', text, [FORMAT]));

  /** Numbers under keys such as `sde.beta0`. */
  const constantsOf = (group: string): Record<string, number> => {
    const found = Array.from(properties.keys()).filter((key) => key.startsWith(`${PREFIX}${group}.`));
    return Object.fromEntries(
      found.map((key) => {
        const name = key.slice(PREFIX.length);
        return [name.slice(group.length + 1), entry(name, (text) => number(name, text))!];
      }),
    );
  };
  const constants = constantsOf('sde');
  const ladder = entry('ladder', (text) => checkChoice('ladder', text, ladderNames));
  const terminal = entry('zero_terminal_snr', (text) =>
    checkChoice('zero_terminal_snr', text, ['true', 'false']),
  );
  const names: TensorNames = {};
  for (const role of Object.keys(tensorKeys) as (keyof TensorNames)[]) {
    const name = entry(tensorKeys[role], (text) => text);
    if (name !== undefined) names[role] = name;
  }
  return present({
    kind: entry('kind', (text) => checkChoice('kind', text, ['score', 'classifier'])),
    sde: entry('sde', (text) => checkChoice('sde', text, sdeNames)),
    constants: Object.keys(constants).length > 0 ? constants : undefined,
    parameterization: entry('parameterization', (text) =>
      checkChoice('parameterization', text, parameterizations),
    ),
    sigmaData: entry('sigma_data', (text) => checkNumber('sigma_data', number('sigma_data', text), 0)),
    labels: entry('labels', (text) => labelRule(text).name),
    shape: entry('shape', parseShape),
    dataRange: entry('data_range', parseRange),
    trainedLevels: entry('trained_levels', (text) =>
      checkInteger('trained_levels', number('trained_levels', text), 1),
    ),
    ladder: ladder && {
      name: ladder,
      ...constantsOf('ladder'),
      ...(terminal === 'true' && { zeroTerminalSnr: true }),
    },
    classes: entry('classes', (text) => checkInteger('classes', number('classes', text), 1)),
    nullClass: entry('null_class', (text) => checkInteger('null_class', number('null_class', text), 0)),
    dropout: entry('dropout', (text) => checkNumber('dropout', number('dropout', text), 0, true)),
    names: Object.keys(names).length > 0 ? names : undefined,
  });
}

/** The metadata properties that `readMetadata` reads back. */
export function metadataProperties(metadata: ModelMetadata): Record<string, string> {
  const { kind, sde, constants, parameterization, sigmaData, labels, shape, dataRange, names } = metadata;
  const { trainedLevels, classes, nullClass, dropout } = metadata;
  const { name: ladder, zeroTerminalSnr, levels, ...ladderConstants } = metadata.ladder ?? {};
  const entries: Record<string, string | number | undefined> = {
    format: FORMAT,
    kind,
    sde,
    ...Object.fromEntries(Object.entries(constants ?? {}).map(([key, value]) => [`sde.${key}`, value])),
    parameterization,
    sigma_data: sigmaData,
    labels,
    shape: shape?.join(','),
    data_range: dataRange?.join(','),
    trained_levels: trainedLevels ?? levels,
    ladder,
    ...Object.fromEntries(Object.entries(ladderConstants).map(([key, value]) => [`ladder.${key}`, value])),
    zero_terminal_snr: zeroTerminalSnr ? 'true' : undefined,
    classes,
    null_class: nullClass,
    dropout,
    ...Object.fromEntries(
      Object.entries(names ?? {}).map(([role, name]) => [tensorKeys[role as keyof TensorNames], name]),
    ),
  };
  const present = Object.entries(entries).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([key, value]) => [PREFIX + key, String(value)]));
}

/** A shape written as `1,28,28`. */
function parseShape(text: string): number[] {
  const shape = text.split(',').map(Number);
  if (shape.some((size) => !(Number.isInteger(size) && size > 0))) {
    throw new OptionError('shape', text, 'positive integers with commas between them, such as 1,28,28');
  }
  return shape;
}

/** A data range written as `-1,1`. */
function parseRange(text: string): [number, number] {
  const [low, high, ...rest] = text.split(',').map((part) => number('data_range', part));
  if (low === undefined || high === undefined || rest.length > 0 || !(low < high)) {
    throw new OptionError('data_range', text, 'low,high with low < high, such as -1,1');
  }
  return [low, high];
}

function number(key: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new OptionError(key, text, 'a number');
  return value;
}

/** The object without its undefined entries. */
function present<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
