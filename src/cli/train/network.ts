import type { Dataset } from '../../data/dataset.js';
import { checkClasses, checkSampleShape, modelValues, pick } from '../../data/dataset.js';
import { DataError, OptionError } from '../../errors.js';
import { buildNetwork } from '../../networks/build.js';
import { checkNetwork, MOST_CLASSES, type NetworkDescription } from '../../networks/description.js';
import { defaultNetwork } from '../../networks/presets.js';
import { readModel, withMetadata, type Model } from '../../onnx/file/model.js';
import { checkChoice, nearest } from '../../options.js';
import { metadataProperties, readMetadata, type ModelMetadata } from '../../score/network/metadata.js';
import { parameterizations } from '../../score/parameterization.js';
import { sdeFromName } from '../../sde/named.js';
import { sdeNames, type SdeName } from '../../sde/names.js';
import type { TrainConfig } from './config.js';
import { elementCount } from '../../shape.js';

/** The network that a configuration asks for, new or from a file, fit for these data. */
export async function networkFor(config: TrainConfig, data: Dataset, seed: bigint): Promise<Model> {
  const { model: file, network = {} } = config;
  if (file !== undefined) {
    if (config.conditional !== undefined)
      throw new OptionError('conditional', config.conditional, 'left out where a model file is given');
    return describedModel(file, network, data);
  }
  if (config.graph !== undefined)
    throw new OptionError(
      'graph',
      config.graph,
      'left out unless the model that it trains is given (--model)',
    );
  const description = describeNetwork(network, data, config.conditional ?? false);
  if (description.classes !== undefined) checkClasses(data, description.classes);
  return buildNetwork(description, seed);
}

/**
 * The description of a new network for data: entries that are not given follow from the data's shape, classes and moments.
 *
 * @throws OptionError naming the entry that cannot be used; DataError for a network with classes where the data have none.
 */
export function describeNetwork(
  given: Readonly<Record<string, unknown>>,
  data: Dataset,
  conditional: boolean,
): NetworkDescription {
  const shape = data.shape.slice(1);
  const { kind: suited, ...sizes } = defaultNetwork(shape);
  const { kind = suited, sde: name = 'vp' } = given;
  const sde = checkChoice('network.sde', String(name), sdeNames);
  const parameterization = given['parameterization'] ?? preferred[sde];
  const { dataRange } = sdeFromName(sde);
  const some = modelValues(spread(data, 2000), { shape, sde: { dataRange } });
  const { mean, std } = momentsOf(some);
  const score = kind !== 'classifier' && {
    parameterization,
    sigmaData: std,
    ...(conditional && { classes: classesOf(data) }),
  };
  const distant = sde === 've' && given['constants'] === undefined;
  const raw = kind !== 'classifier' && parameterization === 'edm';
  return checkNetwork({
    ...(kind === suited || kind === 'classifier' ? sizes : { shape }),
    kind,
    sde,
    ...(distant && { constants: { sigmaMax: largestDistance(some, shape) } }),
    ...score,
    ...(kind === 'classifier' && given['classes'] === undefined && { classes: classesOf(data) }),
    ...(!raw && { precondition: { mean, std } }),
    ...given,
  });
}

/** What a network for this process predicts best: nothing else stays of unit scale at all of its times. */
const preferred: Readonly<Record<SdeName, string>> = { vp: 'eps', subvp: 'eps', ve: 'score', edm: 'edm' };

function classesOf({ labels }: Dataset): number {
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
  const count = values.length / elements;
  const chosen = Math.min(count, 200);
  const rows = Array.from({ length: chosen }, (_, i) => {
    const row = Math.floor((i * count) / chosen);
    return values.subarray(row * elements, (row + 1) * elements);
  });
  let largest = 0;
  for (const [i, a] of rows.entries()) {
    for (const b of rows.slice(0, i)) {
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

/** A model file whose metadata are completed by what the configuration says of it. */
async function describedModel(
  path: string,
  network: Readonly<Record<string, unknown>>,
  data: Dataset,
): Promise<Model> {
  for (const [key, entry] of Object.entries(network)) {
    if (openEntries.some((known) => known === key)) continue;
    const near = nearest(key, openEntries);
    const expected = near === undefined ? 'left out where a model file is given' : `called ${near}`;
    throw new OptionError(`network.${key}`, entry, expected);
  }
  const { sde, parameterization } = network as Readonly<Record<string, string | undefined>>;
  if (sde !== undefined) checkChoice('network.sde', sde, sdeNames);
  if (parameterization !== undefined)
    checkChoice('network.parameterization', parameterization, parameterizations);
  const model = await readModel(path);
  const metadata: ModelMetadata = { ...readMetadata(model.metadata), ...network };
  const sample = data.shape.slice(1);
  if (metadata.shape) checkSampleShape(data, { shape: metadata.shape });
  if (metadata.classes !== undefined) checkClasses(data, metadata.classes);
  return withMetadata(model, metadataProperties({ shape: sample, ...metadata }));
}
