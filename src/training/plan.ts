import { availableParallelism } from 'node:os';

import { checkSampleShape, modelValues, type Dataset } from '../data/dataset.js';
import { DataError, OptionError } from '../errors.js';
import { parameterNames } from '../autodiff/parameters.js';
import { readTrainingGraph } from '../autodiff/training.js';
import { modelBytes, type Model } from '../onnx/file/model.js';
import { checkInteger, checkNumber, checkSeed } from '../options.js';
import type { ParameterShape } from './checkpoint.js';
import { checkEma, type Ema } from './ema.js';
import { checkFreeRows, objective, type Objective, type ObjectiveOptions } from './objective.js';
import { resolveSchedule } from './schedule.js';
import { timesOf } from './times.js';
import type { TrainingJob } from './messages.js';
import type { CheckpointOptions, TrainOptions } from './options.js';

/** Buckets of times in which losses are reported. */
const BUCKETS = 10;

const DEFAULT_EMA: Ema = { kind: 'warm-up', decay: 0.9999 };

/** A training run with every default resolved. */
export interface TrainingPlan {
  readonly job: Omit<TrainingJob, 'worker' | 'memory' | 'made'>;
  readonly workers: number;
  readonly parameters: readonly ParameterShape[];
  readonly checkpoints?: Required<CheckpointOptions>;
  /** Every option, as plain data. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** @throws OptionError, DataError or ModelError for what cannot be used. */
export function planTraining(model: Model, data: Dataset, options: TrainOptions): TrainingPlan {
  const goal = objective(model, options.objective);
  checkData('data', data, goal);
  if (options.validation) checkData('validation', options.validation, goal);
  const { flip = false, validation, graph } = options;
  if (flip && goal.description.shape.length !== 3)
    throw new OptionError(
      'flip',
      flip,
      'false: only images, of shape [channels, height, width], can be mirrored',
    );

  const steps = checkInteger('steps', options.steps, 1);
  const batch = checkInteger('batch', options.batch ?? 128, 1);
  const accumulation = checkInteger('accumulation', options.accumulation ?? 1, 1, batch);
  const most = Math.floor(batch / accumulation);
  const workers = checkInteger('workers', options.workers ?? Math.min(availableParallelism(), most), 1, most);
  const seed = checkSeed(options.seed ?? 0);
  const schedule = resolveSchedule(options, steps);
  const adamw = {
    beta1: checkBeta('beta1', options.beta1 ?? 0.9),
    beta2: checkBeta('beta2', options.beta2 ?? 0.999),
    epsilon: checkNumber('epsilon', options.epsilon ?? 1e-8, 0, true),
    weightDecay: checkNumber('weightDecay', options.weightDecay ?? 0, 0, true),
  };
  const clip = options.clip ?? 1;
  if (clip !== Infinity) checkNumber('clip', clip, 0);
  const ema = averagesOf(options.ema ?? DEFAULT_EMA);
  const checkpoints = options.checkpoints && {
    folder: options.checkpoints.folder,
    every: checkInteger('checkpoints.every', options.checkpoints.every ?? 1000, 1),
    keep: checkInteger('checkpoints.keep', options.checkpoints.keep ?? 2, 1),
  };
  const progressEvery =
    options.progressEvery === undefined ? 0 : checkInteger('progressEvery', options.progressEvery, 1);
  const made = graph && readTrainingGraph(graph);
  if (made) checkFreeRows(made.data);
  const names = made
    ? made.parameters.map(({ name }) => name)
    : parameterNames(model, options.parameters ?? 'all');

  return {
    workers,
    parameters: shapesOf(model, names),
    ...(checkpoints && { checkpoints }),
    options: {
      objective: options.objective ?? {},
      ...schedule,
      ...{ batch, accumulation, workers, seed, flip, ...adamw, clip, ema },
    },
    job: {
      model: modelBytes(model),
      ...(model.folder !== undefined && { folder: model.folder }),
      ...(graph && { graph: modelBytes(graph) }),
      parameters: names,
      objective: options.objective ?? {},
      feeding: { data: shared(data), seed, flip, batch },
      optimizer: { schedule, adamw, clip, ema, batch },
      accumulation,
      ...(validation && { validation: shared(validation) }),
      edges: timeEdges(goal, options.objective ?? {}),
      checkpointEvery: checkpoints?.every ?? 0,
      reportEvery: progressEvery,
    },
  };
}

/**
 * What two runs must have in common for one to go on from a checkpoint of the other. The number of steps does not count, so that
 * a run can be made longer; nor does that of workers, which changes a result no further than by rounding.
 */
export async function runRecord({ job, options }: TrainingPlan): Promise<object> {
  const kept = Object.entries(options).filter(([name]) => name !== 'workers' && name !== 'steps');
  const { data } = job.feeding;
  return {
    model: await sha256(job.model),
    ...(job.graph && { graph: await sha256(job.graph) }),
    data: await hashes(data),
    ...(job.validation && { validation: await hashes(job.validation) }),
    parameters: job.parameters,
    options: Object.fromEntries(kept),
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

function averagesOf(ema: Ema | readonly Ema[]): readonly Ema[] {
  const list = isList(ema) ? ema : [ema];
  if (list.length === 0) throw new OptionError('ema', ema, 'one moving average or more');
  list.forEach((each, k) => checkEma(each, isList(ema) ? `ema[${k}]` : 'ema'));
  return list;
}

function isList(ema: Ema | readonly Ema[]): ema is readonly Ema[] {
  return Array.isArray(ema);
}

function checkBeta(option: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new OptionError(option, value, 'a number from 0 to below 1');
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

/** The data set in memory that all threads see. */
function shared({ data, shape, labels }: Dataset): Dataset {
  const memory = ({ byteLength }: ArrayBufferView): SharedArrayBuffer => new SharedArrayBuffer(byteLength);
  const copy = data instanceof Uint8Array ? new Uint8Array(memory(data)) : new Float32Array(memory(data));
  copy.set(data);
  if (labels === undefined) return { data: copy, shape };
  const classes = new Int32Array(memory(labels));
  classes.set(labels);
  return { data: copy, shape, labels: classes };
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
