import { availableParallelism } from 'node:os';

import type { ParameterSelection } from '../autodiff/parameters.js';
import type { Dataset } from '../data/dataset.js';
import type { Model } from '../onnx/file/model.js';
import type { Inputs } from '../score/model.js';
import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber, checkSeed } from '../options.js';
import type { FilePath } from '../io/path.js';
import type { ConditionOptions } from './conditions.js';
import { checkEma, type Ema } from './ema.js';
import type { ImplicitOptions } from './implicit.js';
import {
  decays,
  diffusions,
  objectiveKinds,
  probeLaws,
  timeLaws,
  trainingProviders,
  weightings,
  type ObjectiveKind,
} from './names.js';
import type { NoisingOptions } from './noising.js';
import type { ScheduleOptions } from './schedule.js';
import type { TimesOptions } from './times.js';
import type { WeightingOptions } from './weighting.js';

/** Options of a run that are plain data and decide what comes of it; all but `steps` have defaults. */
export interface TrainSettings extends ScheduleOptions {
  /**
   * Steps of the optimizer, those before a resumption included. A run that goes on may get more of them, even when it was
   * finished; the learning rate then follows the schedule of the new number from there on.
   */
  readonly steps: number;
  /** Images of a step, over all workers. Default 128. */
  readonly batch?: number | undefined;
  /** Moving averages of the parameters; the first one is exported and validated. Default: warm-up to 0.9999. */
  readonly ema?: Ema | readonly Ema[] | undefined;
  /** Largest L2 norm of the gradient of all parameters, which is scaled down to it; Infinity for none. Default 1. */
  readonly clip?: number | undefined;
  /** Decoupled (AdamW). Default 0. */
  readonly weightDecay?: number | undefined;
  /** Decay of AdamW's first moments. Default 0.9. */
  readonly beta1?: number | undefined;
  /** Decay of AdamW's second moments. Default 0.999. */
  readonly beta2?: number | undefined;
  /** What AdamW adds to the root of the second moments. Default 1e-8. */
  readonly epsilon?: number | undefined;
  /** Mirror each image left to right with probability 1/2. Default false. */
  readonly flip?: boolean | undefined;
  /** Runs of the network in which a worker does its rows of a step; more take less memory. Default 1. */
  readonly accumulation?: number | undefined;
  /** Unsigned 64-bit seed of the order of the data, times, noise, flips and dropout. Default 0. */
  readonly seed?: bigint | number | undefined;
  /** Threads of the addon that each train on their part of a batch. Default: one per core, and 1 on a GPU. */
  readonly workers?: number | undefined;
  /**
   * Where it all happens: on the CPU, the default, or on the first GPU (`cuda`), from which nothing comes back but losses and, for
   * checkpoints and reports with the network, the state. A run may go on elsewhere than it began.
   */
  readonly provider?: (typeof trainingProviders)[number] | undefined;
  /** On a GPU, products of 10 bits of mantissa instead of 23, which take a fraction of the time. Default false. */
  readonly tf32?: boolean | undefined;
}

/** Options of `train`. */
export interface TrainOptions extends TrainSettings {
  /** Default: denoising score matching with the weight sigma^2. */
  readonly objective?: ObjectiveOptions | undefined;
  /** Which initializers are trained. Default "all". */
  readonly parameters?: ParameterSelection | undefined;
  /**
   * What inputs of the network beside state, time and class are fed: one value each, for all samples. The trained network takes them as
   * the model does.
   */
  readonly inputs?: Inputs | undefined;
  /** A training graph of the model made elsewhere, instead of the one that the objective makes. */
  readonly graph?: Model | undefined;
  /** Where the state of the run is kept; a run that finds a checkpoint of its own there goes on from it. Default: nowhere. */
  readonly checkpoints?: CheckpointOptions | undefined;
  /** Snapshots of two averages on the way, of which {@link postHocAverage} makes others. Default: none. */
  readonly snapshots?: SnapshotOptions | undefined;
  /** Held-out data, on which the first average is evaluated with every checkpoint, always with the same times and noise. */
  readonly validation?: Dataset | undefined;
  /** Steps between two reports of progress. Default: as many as take half a second. */
  readonly progressEvery?: number | undefined;
  /** Steps between two reports that hold the network as it is, for pictures on the way. Default: none does. */
  readonly modelEvery?: number | undefined;
  /**
   * Stops after the steps under way, with a checkpoint where there is a folder, and before the first step at once; the promise
   * then rejects with the signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Where a run leaves what it goes on from. */
export interface CheckpointOptions {
  /** Created where it does not exist; the folder above it has to. Only one process at a time can train into it. */
  readonly folder: FilePath;
  /** Steps between two checkpoints. Default: a tenth of the steps, from 100 to 1000. */
  readonly every?: number | undefined;
  /** How many of the last ones stay, beside the best one by validation loss. Default 2. */
  readonly keep?: number | undefined;
}

/** Where a run leaves weights for averages afterwards. */
export interface SnapshotOptions {
  /** Created where it does not exist; the folder above it has to. A snapshot holds the parameters once for each average. */
  readonly folder: FilePath;
  /** Steps between two snapshots; the last step makes one too. Some 50 in a run give averages of all widths. */
  readonly every: number;
  /**
   * The standard deviations, over the length of the run, of the power-function averages that are kept up for them (sigma_rel).
   * Default [0.05, 0.1].
   */
  readonly deviations?: readonly number[] | undefined;
}

/**
 * What training minimises, as plain data.
 *
 * - `denoising`: denoising score matching, in the network's own parameterization (Vincent 2011; Song et al. 2021,
 *   equation 7);
 * - `implicit`: Hyvärinen's objective with the exact trace, for a few dimensions (Hyvärinen 2005);
 * - `sliced`: the same with random projections instead of the trace (Song, Garg, Shi and Ermon 2019);
 * - `classifier`: cross-entropy of a classifier of noisy data (Song et al. 2021, appendix I).
 *
 * Losses are means over the elements of a sample, so that they compare across shapes.
 */
export interface ObjectiveOptions
  extends WeightingOptions, TimesOptions, NoisingOptions, ImplicitOptions, ConditionOptions {
  /** Default `classifier` for a network that says it is one, else `denoising`. */
  readonly kind?: ObjectiveKind | undefined;
}

/** Kinds of values; averages are decays or descriptions of them, constants are named numbers. */
export type OptionType =
  | 'integer'
  | 'number'
  | 'numbers'
  | 'boolean'
  | 'text'
  | 'object'
  | 'constants'
  | 'inputs'
  | 'seed'
  | 'averages';

/** What an option may be, and how configuration files and the command line have it. */
export interface OptionRule {
  /** Kind of its value; words are the only ones that it may be. */
  readonly type: OptionType | readonly string[];
  /** Least value. */
  readonly least?: number;
  /** Number above which it has to be, and below which; a number is finite unless `most` says otherwise. */
  readonly above?: number;
  readonly below?: number;
  readonly most?: number;
  readonly default?: number | boolean | string;
  /** Its flag, such as `--batch <n>`; without one it stands in configuration files alone. */
  readonly flag?: string;
  readonly help?: string;
  /** What the help calls the default of the command line. */
  readonly standard?: string;
}

/** Every option of {@link TrainSettings}: with this entry the library, configuration files and the command line have it. */
export const settingRules: Readonly<Record<keyof TrainSettings, OptionRule>> = {
  steps: {
    type: 'integer',
    least: 1,
    flag: '--steps <n>',
    help: 'steps of the optimizer',
    standard: '10000; 2500 for points',
  },
  batch: {
    type: 'integer',
    least: 1,
    default: 128,
    flag: '--batch <n>',
    help: 'samples of a step',
    standard: '128; 512 for points',
  },
  learningRate: {
    type: 'number',
    above: 0,
    default: 2e-4,
    flag: '--learning-rate <rate>',
    help: 'largest learning rate of AdamW',
    standard: '5e-4; 2e-3 for points',
  },
  warmup: {
    type: 'integer',
    least: 0,
    default: 200,
    flag: '--warmup <n>',
    help: 'steps in which it rises from 0',
    standard: '200',
  },
  decay: {
    type: decays,
    default: 'constant',
    flag: '--decay <shape>',
    help: 'what it does then',
    standard: 'cosine',
  },
  decayFrom: { type: 'integer', least: 1, default: 70_000 },
  ema: {
    type: 'averages',
    flag: '--ema <list>',
    help: 'decays of averages of the weights, the first for the result',
    standard: '0.9999',
  },
  clip: {
    type: 'number',
    above: 0,
    most: Infinity,
    default: 1,
    flag: '--clip <norm>',
    help: 'largest norm of the gradient',
    standard: '1',
  },
  weightDecay: {
    type: 'number',
    least: 0,
    default: 0,
    flag: '--weight-decay <rate>',
    help: 'decoupled weight decay',
    standard: '0',
  },
  beta1: { type: 'number', least: 0, below: 1, default: 0.9 },
  beta2: { type: 'number', least: 0, below: 1, default: 0.999 },
  epsilon: { type: 'number', least: 0, default: 1e-8 },
  flip: { type: 'boolean', default: false, flag: '--flip', help: 'mirror pictures left to right at random' },
  accumulation: {
    type: 'integer',
    least: 1,
    default: 1,
    flag: '--accumulation <n>',
    help: 'parts of a batch, one after the other, for less memory',
    standard: '1',
  },
  seed: {
    type: 'seed',
    default: 0,
    flag: '--seed <n>',
    help: 'seed of the weights, the order of the data and all noise',
    standard: '0',
  },
  workers: {
    type: 'integer',
    least: 1,
    flag: '--workers <n>',
    help: 'threads that train',
    standard: 'one per core; 1 on a GPU',
  },
  provider: {
    type: trainingProviders,
    default: 'cpu',
    flag: '--provider <name>',
    help: 'where it trains',
    standard: 'cpu',
  },
  tf32: {
    type: 'boolean',
    default: false,
    flag: '--tf32',
    help: 'on a GPU, products of 10 bits of mantissa, several times as fast',
  },
};

/** Every option of {@link ObjectiveOptions}; what values it may have, its own part of the objective says. */
export const objectiveRules: Readonly<Record<keyof ObjectiveOptions, OptionRule>> = {
  kind: {
    type: objectiveKinds,
    flag: '--objective <kind>',
    help: 'what is minimised',
    standard: 'denoising; classifier for such a network',
  },
  weighting: {
    type: weightings,
    flag: '--weighting <name>',
    help: 'how errors at different times count',
    standard: 'sigma2; edm for points',
  },
  gamma: { type: 'number' },
  times: {
    type: timeLaws,
    flag: '--times <law>',
    help: 'at which times',
    standard: 'uniform; log-normal for points and for edm',
  },
  logMean: { type: 'number' },
  logDeviation: { type: 'number' },
  spread: { type: 'boolean' },
  trainingEpsilon: { type: 'number' },
  diffusion: { type: diffusions },
  simulationSteps: { type: 'integer' },
  dequantize: { type: 'boolean' },
  probes: { type: 'integer' },
  probe: { type: probeLaws },
  varianceReduction: { type: 'boolean' },
  dropLabels: {
    type: 'number',
    flag: '--drop-labels <p>',
    help: 'share of classes left out, for classifier-free guidance',
    standard: '0',
  },
  dropout: { type: 'number' },
};

/** Settings with nothing left to default. */
export type ResolvedSettings = {
  readonly [K in Exclude<keyof TrainSettings, 'ema' | 'seed'>]-?: Exclude<TrainSettings[K], undefined>;
} & { readonly ema: readonly Ema[]; readonly seed: bigint };

const DEFAULT_EMA: Ema = { kind: 'warm-up', decay: 0.9999 };

/** @throws OptionError naming the setting that cannot be used. */
export function resolveSettings(settings: TrainSettings): ResolvedSettings {
  const resolved = Object.fromEntries(
    Object.entries(settingRules).map(([name, rule]) => [
      name,
      checkSetting(name, settings[name as keyof TrainSettings] ?? rule.default, rule),
    ]),
  ) as unknown as ResolvedSettings;
  const { batch, provider } = resolved;
  const accumulation = checkInteger('accumulation', resolved.accumulation, 1, batch);
  const most = Math.floor(batch / accumulation);
  const cores = provider === 'cuda' ? 1 : Math.min(availableParallelism(), most);
  const workers = checkInteger('workers', settings.workers ?? cores, 1, most);
  if (provider === 'cuda' && workers > 1)
    throw new OptionError(
      'workers',
      workers,
      "1 with the provider 'cuda', where one queue computes a batch whole; accumulation divides it",
    );
  return {
    ...resolved,
    ema: resolveAverages(settings.ema ?? DEFAULT_EMA),
    seed: checkSeed(settings.seed ?? 0),
    workers,
  };
}

function checkSetting(name: string, value: unknown, rule: OptionRule): unknown {
  const { type, least = -Infinity, above, below = Infinity, most } = rule;
  if (typeof type !== 'string') return checkChoice(name, value as string, type);
  if (type === 'boolean' && typeof value !== 'boolean') throw new OptionError(name, value, 'true or false');
  if (type === 'integer' && (value !== undefined || name === 'steps'))
    return checkInteger(name, value as number, least);
  if (type !== 'number' || value === most) return value;
  if (!((value as number) < below))
    throw new OptionError(name, value, `a number from ${least} to below ${below}`);
  return checkNumber(name, value as number, above ?? least, above === undefined);
}

function resolveAverages(ema: Ema | readonly Ema[]): readonly Ema[] {
  const list = isListOfAverages(ema) ? ema : [ema];
  if (list.length === 0) throw new OptionError('ema', ema, 'one moving average or more');
  list.forEach((each, k) => checkEma(each, isListOfAverages(ema) ? `ema[${k}]` : 'ema'));
  return list;
}

function isListOfAverages(ema: Ema | readonly Ema[]): ema is readonly Ema[] {
  return Array.isArray(ema);
}

const others: Readonly<Record<Exclude<keyof TrainOptions, keyof TrainSettings>, true>> = {
  objective: true,
  parameters: true,
  graph: true,
  inputs: true,
  checkpoints: true,
  snapshots: true,
  validation: true,
  progressEvery: true,
  modelEvery: true,
  signal: true,
};

/** @throws OptionError for an option that `train` does not have, with the nearest one. */
export function checkTrainOptions(options: TrainOptions): void {
  checkKnown(options, [...Object.keys(settingRules), ...Object.keys(others)]);
  if (options.checkpoints) checkKnown(options.checkpoints, ['folder', 'every', 'keep'], 'checkpoints');
  if (options.snapshots) checkKnown(options.snapshots, ['folder', 'every', 'deviations'], 'snapshots');
}
