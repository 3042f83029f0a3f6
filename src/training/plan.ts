import { checkSampleShape, modelValues, type Dataset } from '../data/dataset.js';
import { DataError, OptionError } from '../errors.js';
import { parameterNames } from '../autodiff/parameters.js';
import { readTrainingGraph } from '../autodiff/training.js';
import { modelBytes, type Model } from '../onnx/file/model.js';
import { checkInteger, checkSignal, isList } from '../options.js';
import { checkDeviation, type Ema } from './ema.js';
import type { Inputs } from '../score/model.js';
import { pathOf } from '../io/path.js';
import type { ParameterShape } from './memory.js';
import { checkFreeRows, objective, type Objective } from './objective.js';
import { timesOf } from './times.js';
import {
  checkTrainOptions,
  resolveSettings,
  type ObjectiveOptions,
  type ResolvedSettings,
  type SnapshotOptions,
  type TrainOptions,
} from './options.js';

/** Buckets of times in which losses are reported. */
const BUCKETS = 10;

/** What is computed. */
export interface TrainingJob {
  readonly model: Model;
  /** A training graph made elsewhere. */
  readonly graph?: Model;
  /** Names of the trained tensors, in the order in which they lie in memory. */
  readonly parameters: readonly string[];
  readonly objective: ObjectiveOptions;
  readonly inputs: Inputs;
  readonly settings: ResolvedSettings;
  /** All averages that are kept up: those of the settings, then those of the snapshots. */
  readonly averages: readonly Ema[];
  readonly data: Dataset;
  readonly validation?: Dataset;
  /** Ends of the buckets of times, ascending. */
  readonly edges: Float64Array;
  /** Steps between two checkpoints; 0 for none. */
  readonly checkpointEvery: number;
  /** Steps between two reports; 0 for one every half second. */
  readonly reportEvery: number;
  /** Steps between two reports with the network; 0 for none. */
  readonly modelEvery: number;
}

/** A training run with every default resolved. */
export interface TrainingPlan {
  readonly job: TrainingJob;
  readonly parameters: readonly ParameterShape[];
  readonly checkpoints:
    { readonly folder: string; readonly every: number; readonly keep: number } | undefined;
  readonly snapshots: Snapshots | undefined;
  /** Every option, as plain data. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Where snapshots go, how often, and which averages they hold. */
export interface Snapshots {
  readonly folder: string;
  readonly every: number;
  readonly deviations: readonly number[];
}

/** @throws OptionError, DataError or ModelError for what cannot be used. */
export function planTraining(model: Model, data: Dataset, options: TrainOptions): TrainingPlan {
  checkTrainOptions(options);
  const { validation, graph, checkpoints: kept, objective: aim = {}, inputs = {} } = options;
  const snapshots = options.snapshots && resolveSnapshots(options.snapshots);
  const settings = resolveSettings(options);
  const goal = objective(model, aim, { inputs });
  checkData('data', data, goal);
  if (validation) checkData('validation', validation, goal);
  if (settings.flip && goal.description.shape.length !== 3)
    throw new OptionError(
      'flip',
      true,
      'false: only images, of shape [channels, height, width], can be mirrored',
    );
  checkSignal(options.signal);
  const tenth = Math.ceil(settings.steps / 10);
  const checkpoints = kept && {
    folder: pathOf('checkpoints.folder', kept.folder),
    every: checkInteger('checkpoints.every', kept.every ?? Math.min(1000, Math.max(100, tenth)), 1),
    keep: checkInteger('checkpoints.keep', kept.keep ?? 2, 1),
  };
  const every = (name: 'progressEvery' | 'modelEvery'): number =>
    options[name] === undefined ? 0 : checkInteger(name, options[name], 1);
  const made = graph && readTrainingGraph(graph);
  if (made) checkFreeRows(made.data);
  const names = made
    ? made.parameters.map(({ name }) => name)
    : parameterNames(model, options.parameters ?? 'all');

  const { deviations = [] } = snapshots ?? {};
  return {
    parameters: shapesOf(model, names),
    checkpoints,
    snapshots,
    options: {
      objective: aim,
      ...(goal.inputs.length > 0 && { inputs: goal.inputs }),
      ...settings,
      ...(snapshots && { snapshots: { deviations: snapshots.deviations } }),
    },
    job: {
      model,
      ...(graph && { graph }),
      parameters: names,
      objective: aim,
      inputs,
      settings,
      averages: [
        ...settings.ema,
        ...deviations.map((deviation): Ema => ({ kind: 'power-function', deviation })),
      ],
      data,
      ...(validation && { validation }),
      edges: timeEdges(goal, aim),
      checkpointEvery: checkpoints?.every ?? 0,
      reportEvery: every('progressEvery'),
      modelEvery: every('modelEvery'),
    },
  };
}

/** What changes a result no further than by rounding. */
const ofMachine: ReadonlySet<string> = new Set(['workers', 'provider', 'tf32']);

/**
 * What two runs must have in common for one to go on from a checkpoint of the other. The number of steps does not count, so that
 * a run can be made longer; nor does what the machine is asked for.
 */
export async function runRecord({ job, options }: TrainingPlan): Promise<object> {
  const kept = Object.entries(options).filter(([name]) => !ofMachine.has(name) && name !== 'steps');
  return {
    model: await sha256(modelBytes(job.model)),
    ...(job.graph && { graph: await sha256(modelBytes(job.graph)) }),
    data: await hashes(job.data),
    ...(job.validation && { validation: await hashes(job.validation) }),
    parameters: job.parameters,
    options: Object.fromEntries(kept),
  };
}

function resolveSnapshots({ folder, every, deviations = [0.05, 0.1] }: SnapshotOptions): Snapshots {
  if (!isList(deviations) || deviations.length === 0 || new Set(deviations).size < deviations.length)
    throw new OptionError(
      'snapshots.deviations',
      deviations,
      'a list of different numbers, such as [0.05, 0.1]',
    );
  return {
    folder: pathOf('snapshots.folder', folder),
    every: checkInteger('snapshots.every', every, 1),
    deviations: deviations.map((each, k) => checkDeviation(`snapshots.deviations[${k}]`, each)),
  };
}

function checkData(option: string, data: Dataset, goal: Objective): void {
  const { description } = goal;
  checkSampleShape(data, description);
  const [count = 0] = data.shape;
  if (count === 0) throw new DataError('The data set is empty.', { option });
  goal.checkLabels(data.labels, count);
  if (data.data instanceof Float32Array) {
    const wrong = data.data.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      const sample = Math.floor(wrong / (data.data.length / count));
      throw new DataError(`Sample ${sample} of the data has the value ${data.data[wrong]!}.`, { option });
    }
    modelValues(data, description);
  }
}

function shapesOf(model: Model, names: readonly string[]): ParameterShape[] {
  const initializers = new Map(model.proto.graph.initializer.map(({ name, dims }) => [name, dims]));
  return names.map((name) => {
    const shape = initializers.get(name);
    if (shape === undefined)
      throw new OptionError(
        'graph',
        name,
        'a training graph of the model: its parameters are initializers there',
      );
    return { name, shape: shape.map(Number) };
  });
}

/** Ends of buckets of times, to 2 digits, that get about as many rows each: quantiles of draws of the law of times. */
function timeEdges({ description }: Objective, options: ObjectiveOptions): Float64Array {
  const { times: law = description.sde.name === 'edm' ? 'log-normal' : 'uniform' } = options;
  const evenly = { ...options, spread: law !== 'log-normal' };
  const times = timesOf(description, evenly)(20_000, { seed: 0n, step: 0, first: 0 }).t.sort();
  const ends = Array.from({ length: BUCKETS - 1 }, (_, k) => {
    const quantile = times[Math.floor(((k + 1) / BUCKETS) * times.length)]!;
    return Number(quantile.toPrecision(2));
  });
  return Float64Array.of(0, ...ends, description.sde.T);
}

async function hashes({ data, shape, labels }: Dataset): Promise<object> {
  return { shape, values: await sha256(data), ...(labels && { labels: await sha256(labels) }) };
}

/** SHA-256 in hexadecimal, computed in another thread. */
async function sha256(values: Uint8Array | Float32Array | Int32Array): Promise<string> {
  // What is in shared memory is refused.
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).toString('hex');
}
