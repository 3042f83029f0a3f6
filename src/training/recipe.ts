import { checkClasses, checkSampleShape, holdOut, modelValues, pick, type Dataset } from '../data/dataset.js';
import { DataError, OptionError } from '../errors.js';
import { buildNetwork } from '../networks/build.js';
import {
  checkNetwork,
  MOST_CLASSES,
  MOST_POSITIONS,
  type NetworkDescription,
} from '../networks/description.js';
import { networkKinds } from '../networks/names.js';
import { defaultNetwork, type NetworkSize } from '../networks/presets.js';
import { withMetadata, type Model } from '../onnx/file/model.js';
import { checkChoice, checkKnown, defined, isList } from '../options.js';
import { metadataProperties, readMetadata, type ModelMetadata } from '../score/network/metadata.js';
import { parameterizations } from '../score/parameterization.js';
import { sdeFromName } from '../sde/named.js';
import { sdeNames, type SdeName } from '../sde/names.js';
import { elementCount } from '../shape.js';
import type { Ema } from './ema.js';
import { settingRules, type ObjectiveOptions, type TrainOptions, type TrainSettings } from './options.js';

/** What of a run is given; the rest is chosen by the data. */
export interface RecipeOptions
  extends
    Partial<Omit<TrainSettings, 'ema'>>,
    Pick<TrainOptions, 'objective' | 'parameters' | 'graph' | 'inputs'> {
  /** Entries of the new network's description; with `model`, what its file does not say of itself. */
  readonly network?: Readonly<Record<string, unknown>> | undefined;
  /** A network to train in place of a new one. */
  readonly model?: Model | undefined;
  /** Give the new network a class input, for the classes of the data. Default false. */
  readonly conditional?: boolean | undefined;
  /** Averages, or decays of averages with the warm-up of score_sde. Default 0.9999. */
  readonly ema?: number | Ema | readonly (number | Ema)[] | undefined;
}

/** A network and the options with which `train` trains it. */
export interface Recipe {
  /** The network that is trained. */
  readonly model: Model;
  /** How. */
  readonly options: TrainOptions;
}

const others: Readonly<Record<Exclude<keyof RecipeOptions, keyof TrainSettings>, true>> = {
  objective: true,
  parameters: true,
  graph: true,
  inputs: true,
  network: true,
  model: true,
  conditional: true,
};

/**
 * How `fastsde train` trains on these data: `train(model, data, options)` with the result does the same.
 *
 * A new network suits their shape: its preconditioning has their mean and standard deviation, a VE process has their largest
 * distance as its largest noise. Points get a larger batch and learning rate, fewer steps, and, where nothing else is given, the objective of
 * Karras et al. 2022 (table 1).
 *
 * @throws OptionError naming the entry that cannot be used; DataError for data that do not fit the network.
 */
export function chooseRecipe(data: Dataset, given: RecipeOptions = {}): Recipe {
  checkKnown(given, [...Object.keys(settingRules), ...Object.keys(others)]);
  const { network = {}, model, conditional, objective = {}, ema = 0.9999, seed = 0, ...settings } = given;
  if (model !== undefined && conditional !== undefined)
    throw new OptionError('conditional', conditional, 'left out where a model is given');
  if (model === undefined && given.graph !== undefined)
    throw new OptionError('graph', given.graph, 'left out unless the model that it trains is given');
  const points = data.shape.length === 2;
  const averages = isList(ema) ? ema : [ema];
  return {
    model:
      model === undefined
        ? newNetwork(network, data, conditional ?? false, BigInt(seed))
        : completeMetadata(model, network, data),
    options: {
      steps: points ? 2500 : 10_000,
      batch: points ? 512 : 128,
      learningRate: points ? 2e-3 : 5e-4,
      decay: 'cosine',
      ...defined(settings),
      seed,
      objective: points ? objectiveForPoints(given) : objective,
      ema: averages.map((each): Ema => (typeof each === 'number' ? { kind: 'warm-up', decay: each } : each)),
    },
  };
}

/**
 * What is trained on, and what the loss is measured on: by default a twentieth, at most 1000 samples, and none of fewer than
 * 100.
 * @param share of the data on which the loss is measured; 0 for none
 */
export function splitData(data: Dataset, share?: number): { trained: Dataset; heldOut?: Dataset } {
  const count = data.shape[0]!;
  if (share === 0 || (share === undefined && count < 100)) return { trained: data };
  const { train: trained, heldOut } = holdOut(data, share ?? Math.min(0.05, 1000 / count));
  return { trained, heldOut };
}

/**
 * For points, where nothing else is given, the objective of Karras et al. 2022 (table 1) under every SDE: noise levels about
 * the spread of the data, all alike for the preconditioned network. What is wrong at these levels puts too many samples in one
 * place and too few in another.
 */
function objectiveForPoints({ objective = {}, network = {}, model }: RecipeOptions): ObjectiveOptions {
  const { kind = 'denoising', weighting, times, spread } = objective;
  const { kind: body, labels, trainedLevels } = network;
  const open = (weighting ?? times ?? spread) === undefined;
  const continuous = trainedLevels === undefined && labels !== 'index' && labels !== 'reversed-index';
  const scored = kind === 'denoising' && body !== 'classifier' && model === undefined;
  return open && continuous && scored ? { weighting: 'edm', times: 'log-normal', ...objective } : objective;
}

function newNetwork(
  given: Readonly<Record<string, unknown>>,
  data: Dataset,
  conditional: boolean,
  seed: bigint,
): Model {
  const description = describeNetwork(given, data, conditional);
  if (description.classes !== undefined) checkClasses(data, description.classes);
  return buildNetwork(description, seed);
}

/** The description of a new network: entries that are not given follow from the data's shape, classes and moments. */
function describeNetwork(
  given: Readonly<Record<string, unknown>>,
  data: Dataset,
  conditional: boolean,
): NetworkDescription {
  const shape = data.shape.slice(1);
  const size = defaultNetwork(shape);
  if (given['channels'] === undefined && given['kind'] !== 'mlp') checkSides(size);
  const { kind: suited, ...sizes } = size;
  const { sde: name = 'vp' } = given;
  const kind = checkChoice('network.kind', (given['kind'] as string | undefined) ?? suited, networkKinds);
  if (kind !== suited && kind !== 'classifier')
    throw new OptionError(
      'network.kind',
      kind,
      `${suited} or classifier, or left out, for samples of shape [${shape.join(', ')}]`,
    );
  const sde = checkChoice('network.sde', String(name), sdeNames);
  const parameterization = given['parameterization'] ?? preferred[sde];
  const { dataRange } = sdeFromName(sde);
  const some = modelValues(spread(data, 2000), { shape, sde: { dataRange } });
  const { mean, std } = momentsOf(some);
  const score = kind !== 'classifier' && {
    parameterization,
    sigmaData: std,
    ...(conditional && { classes: countClasses(data) }),
  };
  const distant = sde === 've' && given['constants'] === undefined;
  const raw = kind !== 'classifier' && parameterization === 'edm';
  return checkNetwork({
    ...sizes,
    kind,
    sde,
    ...(distant && { constants: { sigmaMax: largestDistance(some, shape) } }),
    ...score,
    ...(kind === 'classifier' && given['classes'] === undefined && { classes: countClasses(data) }),
    ...(!raw && { precondition: { mean, std } }),
    ...given,
  });
}

/** Side of which the sides of large pictures have to be multiples, so that a network halves them often enough. */
const SIDE = 8;

/** @throws DataError for large pictures that a network would have to work on nearly pixel by pixel. */
function checkSides(size: NetworkSize): void {
  if (size.kind === 'mlp') return;
  const { shape, channels = [], stem = 1 } = size;
  const [height = 0, width = 0] = shape.slice(1);
  const factor = stem * 2 ** (channels.length - 1);
  if (factor >= SIDE || height * width <= MOST_POSITIONS * factor ** 2) return;
  const [high, wide] = [height, width].map((side) => SIDE * Math.ceil(side / SIDE));
  throw new DataError(
    `Pictures of ${width} x ${height} cannot be halved often enough for a U-Net. Scale them to sides that are multiples of ` +
      `${SIDE} (a folder or archive of pictures by --resize ${high},${wide}, arrays before they are saved), or describe a network with channels of your own.`,
    { option: 'resize', value: shape },
  );
}

/** What a network for this process predicts best: nothing else stays of unit scale at all of its times. */
const preferred: Readonly<Record<SdeName, string>> = {
  vp: 'eps',
  subvp: 'eps',
  ve: 'score',
  edm: 'edm',
  flow: 'flow',
};

function countClasses({ labels }: Dataset): number {
  if (!labels) {
    throw new DataError(
      'The data have no classes. Put pictures into a folder for each class, or give a file with the class of every sample ' +
        '(--data-labels).',
      { option: 'data' },
    );
  }
  const last = labels.reduce((a, b) => Math.max(a, b), 0);
  if (last >= MOST_CLASSES)
    throw new DataError(
      `The data have the class ${last}; classes are numbered from 0, and are at most ${MOST_CLASSES}.`,
      { option: 'data', value: last },
    );
  return 1 + last;
}

/** Mean and standard deviation of all elements, to 4 digits. */
export function momentsOf(values: Float32Array): { mean: number; std: number } {
  let sum = 0;
  let squares = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  for (const value of values) squares += (value - mean) ** 2;
  const round = (value: number): number => Number(value.toPrecision(4));
  return { mean: round(mean), std: Math.max(1e-3, round(Math.sqrt(squares / values.length))) };
}

/** At most so many samples at even distances in the order of the data. */
function spread(data: Dataset, most: number): Dataset {
  const count = data.shape[0]!;
  const chosen = Math.min(count, most);
  return pick(
    data,
    Array.from({ length: chosen }, (_, i) => Math.floor((i * count) / chosen)),
  );
}

/**
 * The largest distance between two of at most 200 samples, to 2 digits: the largest noise that a VE process needs (Song and
 * Ermon 2020, technique 1).
 */
function largestDistance(values: Float32Array, shape: readonly number[]): number {
  const elements = elementCount(shape);
  const rows = Array.from({ length: values.length / elements }, (_, row) =>
    values.subarray(row * elements, (row + 1) * elements),
  );
  const chosen = Math.min(rows.length, 200);
  const some = Array.from({ length: chosen }, (_, i) => rows[Math.floor((i * rows.length) / chosen)]!);
  let largest = 0;
  for (const [i, a] of some.entries()) {
    for (const b of some.slice(0, i)) {
      let squares = 0;
      for (let k = 0; k < elements; k++) squares += (a[k]! - b[k]!) ** 2;
      largest = Math.max(largest, squares);
    }
  }
  return Number(Math.max(1, Math.sqrt(largest)).toPrecision(2));
}

/** Entries of a description that an ONNX file may leave open, by their names in its metadata. */
const openEntries = [
  'sde',
  'constants',
  'parameterization',
  'sigmaData',
  'labels',
  'shape',
  'dataRange',
  'trainedLevels',
  'classes',
  'names',
] as const satisfies readonly (keyof ModelMetadata)[];

/** A model whose metadata are completed by what is said of it. */
function completeMetadata(model: Model, network: Readonly<Record<string, unknown>>, data: Dataset): Model {
  checkKnown(network, openEntries, 'network');
  const { sde, parameterization } = network as Readonly<Record<string, string | undefined>>;
  if (sde !== undefined) checkChoice('network.sde', sde, sdeNames);
  if (parameterization !== undefined)
    checkChoice('network.parameterization', parameterization, parameterizations);
  const metadata: ModelMetadata = { ...readMetadata(model.metadata), ...network };
  if (metadata.shape) checkSampleShape(data, { shape: metadata.shape });
  if (metadata.classes !== undefined) checkClasses(data, metadata.classes);
  return withMetadata(model, metadataProperties({ shape: data.shape.slice(1), ...metadata }));
}
