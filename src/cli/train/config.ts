import { DataError, OptionError } from '../../errors.js';
import { readJson } from '../../io/read.js';
import { checkChoice, nearest } from '../../options.js';
import type { Ema } from '../../training/ema.js';
import type { ObjectiveOptions } from '../../training/objective.js';
import type { TrainOptions } from '../../training/options.js';

/** A training run as a configuration file has it. Flags of the command line are laid over it. */
export interface TrainConfig extends Pick<
  TrainOptions,
  | 'batch'
  | 'flip'
  | 'learningRate'
  | 'warmup'
  | 'decay'
  | 'decayFrom'
  | 'beta1'
  | 'beta2'
  | 'epsilon'
  | 'weightDecay'
  | 'clip'
  | 'accumulation'
  | 'workers'
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
  /** The entries of a network's description; with `model`, what its file does not say of itself. */
  readonly network?: Readonly<Record<string, unknown>>;
  /** Give the network a class input. */
  readonly conditional?: boolean;
  readonly objective?: ObjectiveOptions;
  readonly steps?: number;
  /** An average, or decays of averages with the warm-up of score_sde. */
  readonly ema?: number | readonly number[] | Ema | readonly Ema[];
  readonly seed?: number | string;
  readonly output?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  readonly sampleEvery?: number;
  readonly sampleCount?: number;
}

type Kind = 'a string' | 'a number' | 'true or false' | 'an object' | 'a list of numbers' | 'any';

const kinds: Readonly<Record<keyof TrainConfig, Kind>> = {
  data: 'a string',
  split: 'a string',
  dataLabels: 'a string',
  skipCorrupted: 'true or false',
  resize: 'a list of numbers',
  channels: 'a number',
  holdOut: 'a number',
  model: 'a string',
  graph: 'a string',
  parameters: 'a string',
  network: 'an object',
  conditional: 'true or false',
  objective: 'an object',
  steps: 'a number',
  batch: 'a number',
  flip: 'true or false',
  learningRate: 'a number',
  warmup: 'a number',
  decay: 'a string',
  decayFrom: 'a number',
  beta1: 'a number',
  beta2: 'a number',
  epsilon: 'a number',
  weightDecay: 'a number',
  clip: 'a number',
  ema: 'any',
  accumulation: 'a number',
  seed: 'any',
  workers: 'a number',
  output: 'a string',
  checkpointEvery: 'a number',
  keep: 'a number',
  sampleEvery: 'a number',
  sampleCount: 'a number',
};

const objectiveKinds: Readonly<Record<keyof ObjectiveOptions, Kind>> = {
  kind: 'a string',
  weighting: 'a string',
  gamma: 'a number',
  times: 'a string',
  logMean: 'a number',
  logDeviation: 'a number',
  spread: 'true or false',
  trainingEpsilon: 'a number',
  diffusion: 'a string',
  simulationSteps: 'a number',
  dequantize: 'true or false',
  probes: 'a number',
  probe: 'a string',
  dropLabels: 'a number',
  dropout: 'a number',
  varianceReduction: 'true or false',
};

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
  checkEntries(value, kinds, '');
  const { objective, resize, channels, split, ema, seed } = value as TrainConfig;
  if (objective) checkEntries(objective, objectiveKinds, 'objective.');
  if (split !== undefined) checkChoice('split', split, ['train', 'test']);
  if (resize && !isSize(resize))
    throw new OptionError('resize', resize, 'height and width, such as [32, 32]');
  if (channels !== undefined && ![1, 3].includes(channels))
    throw new OptionError('channels', channels, '1 or 3');
  if (seed !== undefined && typeof seed !== 'number' && !(typeof seed === 'string' && /^\d+$/.test(seed)))
    throw new OptionError('seed', seed, 'an integer, as a string above 2^53');
  if (
    ema !== undefined &&
    (Array.isArray(ema) ? ema : [ema]).some((each) => typeof each !== 'number' && !isRecord(each))
  )
    throw new OptionError(
      'ema',
      ema,
      'a decay, an average such as { "kind": "constant", "decay": 0.999 }, or a list',
    );
  return value;
}

function checkEntries(entries: object, known: Readonly<Record<string, Kind>>, path: string): void {
  for (const [key, entry] of Object.entries(entries)) {
    const kind = Object.hasOwn(known, key) ? known[key] : undefined;
    if (kind === undefined) {
      const near = nearest(key, Object.keys(known));
      throw new OptionError(
        path + key,
        entry,
        near === undefined ? `absent (the entries are ${Object.keys(known).join(', ')})` : `called ${near}`,
      );
    }
    if (!isOf(kind, entry)) throw new OptionError(path + key, entry, kind);
  }
}

function isOf(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'a string':
      return typeof value === 'string';
    case 'a number':
      return typeof value === 'number';
    case 'true or false':
      return typeof value === 'boolean';
    case 'an object':
      return isRecord(value);
    case 'a list of numbers':
      return Array.isArray(value) && value.every((each) => typeof each === 'number');
    case 'any':
      return true;
  }
}

function isSize(size: readonly number[]): boolean {
  return size.length === 2 && size.every((extent) => Number.isInteger(extent) && extent > 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
