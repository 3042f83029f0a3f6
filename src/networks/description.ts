import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber, isList, isRecord } from '../options.js';
import { elementCount } from '../shape.js';
import type { Parameterization } from '../score/model.js';
import { parameterizations } from '../score/parameterization.js';
import { networkKinds } from './names.js';
import { sdeNames, type SdeName } from '../sde/names.js';

/** What every network is told: plain data, as in a configuration file. */
interface NetworkSettings {
  /** Shape of one sample: [features] for an MLP, [channels, height, width] for a U-Net, either for a classifier. */
  readonly shape: readonly number[];
  /** The process whose states the network sees. */
  readonly sde: SdeName;
  /** Constants of the SDE that differ from its defaults, such as `{ "sigmaMax": 20 }`. */
  readonly constants?: Readonly<Record<string, number>>;
  /** Values that data take in the model's space. Default: the SDE's. */
  readonly dataRange?: readonly [number, number];
  /** The label rule of the time input. Default: that of the published networks of the SDE. */
  readonly labels?: string;
  /** Number of noise levels, for the label rules `index` and `reversed-index`. */
  readonly trainedLevels?: number;
  /**
   * Mean and standard deviation of the data's elements in the model's space, for the preconditioning in the graph.
   * Default: the middle and a quarter of the width of the data range; for `edm`, mean 0 and sigmaData.
   */
  readonly precondition?: { readonly mean: number; readonly std: number };
  /** Width of the time embedding. Default 128. */
  readonly embedding?: number;
  /** Probability that dropout zeroes an activation while training, in [0, 1). Default 0. */
  readonly dropout?: number;
}

interface ScoreNetworkSettings extends NetworkSettings {
  /** What the output means. */
  readonly parameterization: Parameterization;
  /** Data standard deviation of the parameterization `edm`. Default 0.5. */
  readonly sigmaData?: number;
  /** Number of classes of a conditional network; the label `classes` means no class. Default: unconditional. */
  readonly classes?: number;
}

interface MlpSettings {
  /** Width of the hidden layers. Default 128. */
  readonly width?: number;
  /** Number of hidden layers. Default 4. */
  readonly depth?: number;
  /** Whether a hidden layer adds to its input. Default true. */
  readonly residual?: boolean;
}

interface ConvolutionSettings {
  /** Channels by resolution, finest first; multiples of 8. Each level halves height and width. Default [32, 80]. */
  readonly channels?: readonly number[];
  /** Residual blocks by level, or one number for all. Default [1, 3] for two levels, else 2. */
  readonly blocks?: number | readonly number[];
  /** Levels (0 = finest) that have self-attention. Default: the coarsest, where it has at most 1024 positions. */
  readonly attention?: readonly number[];
  /** Space-to-depth factor before the finest level: 2 trades height and width for channels. Default 2. */
  readonly stem?: 1 | 2;
}

/** A multilayer perceptron for planar and tabular data. */
export interface MlpDescription extends ScoreNetworkSettings, MlpSettings {
  readonly kind: 'mlp';
}

/** An encoder beside a U-Net that infers the class from the state; sizes and defaults as those of a classifier. */
export interface InferredClasses extends ConvolutionSettings {
  /** How many classes it tells apart. */
  readonly classes: number;
}

/** A U-Net for images. */
export interface UNetDescription extends ScoreNetworkSettings, ConvolutionSettings {
  readonly kind: 'unet';
  /**
   * Classes that the network infers from the state itself, for an unconditional network of data that have classes: their
   * probabilities join the embedding of the time as a class would. Default: none.
   */
  readonly inferred?: InferredClasses;
}

/** A noise-conditional classifier p(y | x_t, t); convolutions for images, else an MLP. The output is the logits. */
export interface ClassifierDescription extends NetworkSettings, MlpSettings, ConvolutionSettings {
  readonly kind: 'classifier';
  /** How many classes it tells apart. */
  readonly classes: number;
}

/** A network as plain data: what {@link buildNetwork} makes into an ONNX model. */
export type NetworkDescription = MlpDescription | UNetDescription | ClassifierDescription;

type Keys<T> = readonly (keyof T)[];

const settings: Keys<NetworkSettings> = [
  'shape',
  'sde',
  'constants',
  'dataRange',
  'labels',
  'trainedLevels',
  'precondition',
  'embedding',
  'dropout',
];
const score: Keys<ScoreNetworkSettings> = [...settings, 'parameterization', 'sigmaData', 'classes'];
const mlp: Keys<MlpSettings> = ['width', 'depth', 'residual'];
const convolution: Keys<ConvolutionSettings> = ['channels', 'blocks', 'attention', 'stem'];

/** More are a mistake in the labels: a network embeds each of its classes. */
export const MOST_CLASSES: number = 2 ** 16;

/** Widths of normalisation groups divide this, and blocked convolutions like its multiples. */
export const GROUPS = 8;

/** Self-attention compares every position with every other: more are too many unless they are asked for. */
export const MOST_POSITIONS = 1024;

/** Bounds that keep a typing error from asking for all memory. */
const MAX_WIDTH = 16384;
const MAX_DEPTH = 256;

/** The shape of the hidden layers of an MLP, with defaults filled in. */
export type Mlp = Required<MlpSettings>;

/** The shape of the convolutional levels, with defaults filled in. */
export interface Levels {
  readonly channels: readonly number[];
  readonly blocks: readonly number[];
  readonly attention: ReadonlySet<number>;
  readonly stem: number;
}

/**
 * Checks a description that may come from a file.
 * @param path what errors call the description
 * @throws OptionError naming the entry (`network.channels[1]`), its value and what was expected; unknown entries with
 *   the nearest known one.
 */
export function checkNetwork(value: unknown, path = 'network'): NetworkDescription {
  if (!isRecord(value)) {
    throw new OptionError(path, value, 'an object such as { "kind": "mlp", "shape": [2], ... }');
  }
  const network = value as unknown as NetworkDescription;
  const kind = checkChoice(`${path}.kind`, network.kind, networkKinds);
  const shape = checkShape(network.shape, kind, `${path}.shape`);
  const body = shape.length === 1 ? mlp : kind === 'unet' ? [...convolution, 'inferred'] : convolution;
  checkKnown(network, ['kind', ...(kind === 'classifier' ? [...settings, 'classes'] : score), ...body], path);
  checkChoice(`${path}.sde`, network.sde, sdeNames);
  checkSettings(network, path);
  if (shape.length === 1) mlpOf(network as MlpSettings, path);
  else levelsOf(network, path);
  if (network.kind === 'unet' && network.inferred !== undefined) checkInferred(network, `${path}.inferred`);
  return network;
}

function checkInferred({ inferred, classes, shape }: UNetDescription, path: string): void {
  if (!isRecord(inferred)) throw new OptionError(path, inferred, 'an object such as { "classes": 10 }');
  if (classes !== undefined) {
    throw new OptionError(path, inferred, 'absent where the network is told its class (classes)');
  }
  checkKnown(inferred, ['classes', ...convolution], path);
  checkInteger(`${path}.classes`, inferred.classes, 2, MOST_CLASSES);
  levelsOf({ ...inferred, shape }, path);
}

function checkSettings(network: NetworkDescription, path: string): void {
  const { constants, precondition, embedding, dropout, trainedLevels } = network;
  if (constants !== undefined && (typeof constants !== 'object' || (constants as unknown) === null)) {
    throw new OptionError(`${path}.constants`, constants, 'an object such as { "sigmaMax": 20 }');
  }
  if (precondition !== undefined) {
    checkKnown(precondition, ['mean', 'std'], `${path}.precondition`);
    checkNumber(`${path}.precondition.mean`, precondition.mean, -Infinity);
    checkNumber(`${path}.precondition.std`, precondition.std, 0);
  }
  if (embedding !== undefined) checkInteger(`${path}.embedding`, embedding, 1, MAX_WIDTH);
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw new OptionError(`${path}.dropout`, dropout, 'a probability from 0 to below 1');
  }
  if (trainedLevels !== undefined) checkInteger(`${path}.trainedLevels`, trainedLevels, 1);
  if (network.kind === 'classifier') {
    checkInteger(`${path}.classes`, network.classes, 2, MOST_CLASSES);
    return;
  }
  checkChoice(`${path}.parameterization`, network.parameterization, parameterizations);
  if (network.sigmaData !== undefined) checkNumber(`${path}.sigmaData`, network.sigmaData, 0);
  if (network.classes !== undefined) checkInteger(`${path}.classes`, network.classes, 1, MOST_CLASSES);
  if (network.parameterization === 'edm' && precondition !== undefined) {
    throw new OptionError(`${path}.precondition`, precondition, 'absent for edm, which has sigmaData');
  }
}

function checkShape(shape: unknown, kind: NetworkDescription['kind'], path: string): readonly number[] {
  const expected = {
    mlp: '[features], such as [2]',
    unet: '[channels, height, width], such as [1, 28, 28]',
    classifier: '[features] or [channels, height, width]',
  }[kind];
  const ranks = { mlp: [1], unet: [3], classifier: [1, 3] }[kind];
  if (!isList(shape) || !ranks.includes(shape.length)) throw new OptionError(path, shape, expected);
  return shape.map((size, i) => checkInteger(`${path}[${i}]`, size as number, 1, MAX_WIDTH));
}

/** The hidden layers of an MLP. @throws OptionError as {@link checkNetwork} does. */
export function mlpOf({ width = 128, depth = 4, residual = true }: MlpSettings, path = 'network'): Mlp {
  checkInteger(`${path}.width`, width, 1, MAX_WIDTH);
  checkInteger(`${path}.depth`, depth, 1, MAX_DEPTH);
  if (typeof residual !== 'boolean') throw new OptionError(`${path}.residual`, residual, 'true or false');
  return { width, depth, residual };
}

/** The levels of a convolutional network. @throws OptionError as {@link checkNetwork} does. */
export function levelsOf(
  network: ConvolutionSettings & { readonly shape: readonly number[] },
  path = 'network',
): Levels {
  const { channels = [32, 80], stem = 2 } = network;
  if (!isList(channels) || channels.length === 0) {
    throw new OptionError(`${path}.channels`, channels, 'channels by level, such as [32, 80]');
  }
  channels.forEach((count, i) => {
    checkInteger(`${path}.channels[${i}]`, count, 1, MAX_WIDTH);
    if (count % GROUPS !== 0) {
      throw new OptionError(
        `${path}.channels[${i}]`,
        count,
        `a multiple of ${GROUPS} (normalisation groups)`,
      );
    }
  });
  const depth = channels.length;
  const factor = stem * 2 ** (depth - 1);
  const positions = elementCount(network.shape.slice(1)) / factor ** 2;
  const attentive = positions <= MOST_POSITIONS ? [depth - 1] : [];
  const { blocks = depth === 2 ? [1, 3] : 2, attention = attentive } = network;
  const perLevel = typeof blocks === 'number' ? channels.map(() => blocks) : blocks;
  if (!isList(perLevel) || perLevel.length !== depth) {
    throw new OptionError(`${path}.blocks`, blocks, `a number, or ${depth} of them, one per level`);
  }
  perLevel.forEach((count, i) => {
    checkInteger(typeof blocks === 'number' ? `${path}.blocks` : `${path}.blocks[${i}]`, count, 1, MAX_DEPTH);
  });
  if (!isList(attention)) {
    throw new OptionError(`${path}.attention`, attention, 'a list of levels, such as [1]; 0 is the finest');
  }
  attention.forEach((level, i) => checkInteger(`${path}.attention[${i}]`, level, 0, depth - 1));
  if (![1, 2].includes(stem)) throw new OptionError(`${path}.stem`, stem, '1 or 2');
  network.shape.slice(1).forEach((size, i) => {
    if (size % factor !== 0) {
      const why = `the stem and the ${depth} levels halve it ${Math.log2(factor)} times`;
      throw new OptionError(`${path}.shape[${i + 1}]`, size, `a multiple of ${factor}: ${why}`);
    }
  });
  return { channels, blocks: perLevel, attention: new Set(attention), stem };
}
