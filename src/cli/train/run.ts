import { join } from 'node:path';
import { holdOut, type Dataset } from '../../data/dataset.js';
import { loadData } from '../../data/load.js';
import { FastsdeError, ModelError } from '../../errors.js';
import { defined } from '../../options.js';
import { assertWritable, ensureFolder, writeAtomically } from '../../io/atomic.js';
import { clock } from '../../io/progress.js';
import { parameterNames, parameterValues } from '../../autodiff/parameters.js';
import { readModel, writeModel, type Model } from '../../onnx/file/model.js';
import { readMetadata } from '../../score/network/metadata.js';
import type { ObjectiveOptions } from '../../training/objective.js';
import { located } from '../../score/network/network.js';
import type { TrainOptions } from '../../training/options.js';
import type { TrainResult } from '../../training/run.js';
import { train } from '../../training/train.js';
import { LossHistory } from './loss-history.js';
import { counted, jsonSeed } from '../shared/report.js';
import { warn } from '../shared/terminal.js';
import type { TrainConfig } from './config.js';
import { momentsOf, networkFor } from './network.js';
import { TrainingPictures } from './pictures.js';
import { TrainingLine } from './progress.js';

/** How a run tells what it does. */
export interface Telling {
  /** A JSON object per line on stdout. */
  readonly json: boolean;
  readonly quiet: boolean;
}

/** The body of `fastsde train`: data and network, the run with its pictures, the result. */
export async function trainTo(config: TrainConfig, signal: AbortSignal, telling: Telling): Promise<void> {
  try {
    await trainOn(config, signal, telling);
  } catch (cause) {
    const { model } = config;
    throw model !== undefined && cause instanceof ModelError ? located(model, cause) : cause;
  }
}

async function trainOn(config: TrainConfig, signal: AbortSignal, telling: Telling): Promise<void> {
  const { output = 'training' } = config;
  await ensureFolder(output);
  await assertWritable(join(output, 'model.onnx'));
  const line = telling.quiet ? undefined : new TrainingLine();
  const { trained, heldOut } = parts(config, await openSet(config, telling.quiet));
  signal.throwIfAborted();
  const seed = BigInt(config.seed ?? 0);
  const network = await networkFor(config, trained, seed);
  const options = await optionsFor(config, trained);
  const sampled = readMetadata(network.metadata).kind !== 'classifier';
  const planar = trained.shape.length === 2;
  const pictures = new TrainingPictures(output, config.sampleCount ?? (planar ? 4000 : 36), signal);
  const history = await LossHistory.open(join(output, 'loss.csv'));
  const tell = (event: string, facts: object): void => {
    if (telling.json) process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
  };

  const tenth = Math.ceil(options.steps / 10);
  const training = train(network, trained, {
    ...options,
    seed,
    signal,
    checkpoints: {
      folder: join(output, 'checkpoints'),
      every: config.checkpointEvery ?? Math.min(1000, Math.max(100, tenth)),
      ...defined({ keep: config.keep }),
    },
    ...(heldOut && { validation: heldOut }),
  });
  const sampleEvery = config.sampleEvery ?? tenth;
  let shown: Promise<void> | undefined;
  let step = 0;
  try {
    for await (const progress of training) {
      if (step === 0) {
        await writeAtomically(join(output, 'train.json'), recordOf(config, options, output, sampleEvery));
        const facts = factsOf(network, trained, heldOut);
        tell('start', { ...facts, output });
        line?.say(describeStart(facts));
      }
      history.add(progress);
      tell('progress', progress);
      line?.update(progress);
      const due = step > 0 && Math.floor(progress.step / sampleEvery) > Math.floor(step / sampleEvery);
      step = progress.step;
      if (!due || shown || step >= options.steps) continue;
      shown = show(step).finally(() => (shown = undefined));
    }
    await shown;
    const result = await training;
    step = result.steps;
    await finish(result);
  } catch (cause) {
    line?.clear();
    await shown?.catch(() => undefined);
    if (step > 0) await history.write().catch(() => undefined);
    if (!signal.aborted) throw cause;
    throw new FastsdeError(
      'ERR_FASTSDE_INTERRUPTED',
      `Interrupted ${step === 0 ? 'before a step was made' : `at step ${step}`}. The state of the run is in ${output}; the same command goes on from there.`,
      { cause },
    );
  }

  /** What there is to see at a step on the way; that this fails stops no training. */
  async function show(at: number): Promise<void> {
    try {
      await history.write();
      const model = await training.model();
      await writeModel(model, join(output, 'model.onnx'));
      if (!sampled) return;
      const path = await pictures.samples(model, at);
      tell('samples', { step: at, path });
    } catch (cause) {
      if (!signal.aborted && !telling.quiet) warn([`No samples at step ${at}: ${(cause as Error).message}`]);
    }
  }

  async function finish(result: TrainResult): Promise<void> {
    line?.clear();
    await history.write();
    const files = [join(output, 'model.onnx')];
    await writeModel(result.model, files[0]!);
    for (const [i, model] of result.averages.entries()) {
      if (i === 0) continue;
      files.push(join(output, `model-average-${i + 1}.onnx`));
      await writeModel(model, files.at(-1)!);
    }
    if (sampled) {
      line?.now('Drawing samples');
      files.push(await pictures.samples(result.model, result.steps));
      const density = await pictures.density(result.model, trained);
      if (density !== undefined) files.push(density);
    }
    const options = { ...result.options, seed: jsonSeed(seed) };
    line?.clear();
    tell('end', { ...result, options, model: undefined, averages: undefined, files });
    if (!telling.quiet) process.stderr.write(`${describeEnd(result, files)}\n`);
  }
}

async function openSet(config: TrainConfig, quiet: boolean): Promise<Dataset> {
  const { data = '', split = 'train', dataLabels, resize, channels, skipCorrupted } = config;
  const set = await loadData(data, {
    split,
    ...defined({ labels: dataLabels, size: resize, channels }),
    ...(skipCorrupted && { onCorrupted: () => undefined }),
  });
  if (!quiet) warn([...(set.warnings ?? []), ...scaleWarnings(data, set)]);
  return set;
}

/** Points have to fit between the least and the largest noise of the SDEs. */
function scaleWarnings(name: string, { data, shape }: Dataset): string[] {
  if (shape.length !== 2 || !(data instanceof Float32Array)) return [];
  const { mean, std } = momentsOf(data);
  if (std >= 0.1 && Math.abs(mean) + std <= 10) return [];
  return [
    `${name} has mean ${mean} and standard deviation ${std} over all values; scale each feature to about 0 and 1, ` +
      'for which the noise is meant.',
  ];
}

/** What is trained on, and what the loss is measured on: by default a twentieth, at most 1000 samples. */
function parts({ holdOut: share }: TrainConfig, set: Dataset): { trained: Dataset; heldOut?: Dataset } {
  if (share === 0) return { trained: set };
  if (share === undefined && set.shape[0]! < 100) return { trained: set };
  const { train: trained, heldOut } = holdOut(set, share ?? Math.min(0.05, 1000 / set.shape[0]!));
  return { trained, heldOut };
}

/** The options of the library that a configuration stands for, with the defaults of the command. */
export async function optionsFor(
  config: TrainConfig,
  { shape }: Pick<Dataset, 'shape'>,
): Promise<TrainOptions> {
  const points = shape.length === 2;
  const { batch, flip, warmup, decayFrom, beta1, beta2, epsilon, weightDecay } = config;
  const { clip, accumulation, workers, graph, parameters, ema = 0.9999 } = config;
  const averages = (Array.isArray(ema) ? ema : [ema]) as readonly (typeof ema)[];
  return {
    steps: config.steps ?? (points ? 2500 : 10_000),
    batch: batch ?? (points ? 512 : 128),
    learningRate: config.learningRate ?? (points ? 2e-3 : 5e-4),
    decay: config.decay ?? 'cosine',
    objective: points ? objectiveOfPoints(config) : (config.objective ?? {}),
    ema: averages.map((each) =>
      typeof each === 'number' ? { kind: 'warm-up', decay: each } : each,
    ) as NonNullable<TrainOptions['ema']>,
    ...defined({ flip, warmup, decayFrom, beta1, beta2, epsilon, weightDecay, clip, accumulation, workers }),
    ...(parameters !== undefined && { parameters: new RegExp(parameters) }),
    ...(graph !== undefined && { graph: await readModel(graph) }),
  };
}

/**
 * For points, where the configuration does not say otherwise, the objective of Karras et al. 2022 (table 1) under every SDE: noise
 * levels about the spread of the data, all alike for the preconditioned network. What is wrong at these levels puts too
 * many samples in one place and too few in another.
 */
function objectiveOfPoints({ objective = {}, network = {}, model }: TrainConfig): ObjectiveOptions {
  const { kind = 'denoising', weighting, times, spread } = objective;
  const { kind: body, labels, trainedLevels } = network;
  const open = (weighting ?? times ?? spread) === undefined;
  const continuous = trainedLevels === undefined && labels !== 'index' && labels !== 'reversed-index';
  const scored = kind === 'denoising' && body !== 'classifier' && model === undefined;
  return open && continuous && scored ? { weighting: 'edm', times: 'log-normal', ...objective } : objective;
}

/** The configuration with what was decided for it, as `--config` takes it. */
function recordOf(config: TrainConfig, options: TrainOptions, output: string, sampleEvery: number): string {
  const { steps, batch, learningRate, decay, objective, ema } = options;
  const record = { ...config, steps, batch, learningRate, decay, objective, ema, output, sampleEvery };
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

interface Facts {
  readonly samples: number;
  readonly heldOut: number;
  readonly shape: readonly number[];
  readonly classes?: readonly string[];
  readonly parameters: number;
  readonly network: Readonly<Record<string, string>>;
}

function factsOf(network: Model, trained: Dataset, heldOut: Dataset | undefined): Facts {
  const [samples, ...shape] = trained.shape as [number, ...number[]];
  let parameters = 0;
  for (const [, values] of parameterValues(network, parameterNames(network, 'all')))
    parameters += values.length;
  return {
    samples,
    heldOut: heldOut?.shape[0] ?? 0,
    shape,
    ...(trained.classNames && { classes: trained.classNames }),
    parameters,
    network: Object.fromEntries(network.metadata),
  };
}

function describeStart({ samples, heldOut, shape, parameters }: Facts): string {
  const held = heldOut === 0 ? '' : `, ${heldOut} held out`;
  return `${counted(samples, 'sample')} of shape [${shape.join(', ')}]${held}; ${parameters} parameters`;
}

function describeEnd(
  { steps, resumedFrom, seconds, imagesPerSecond, best }: TrainResult,
  files: string[],
): string {
  const resumed = resumedFrom > 0 ? ` (from step ${resumedFrom})` : '';
  const held = best ? `, least held-out loss ${best.loss.toPrecision(4)} at step ${best.step}` : '';
  return [
    `${steps} steps${resumed} in ${clock(seconds)}, ${Math.round(imagesPerSecond)} samples/s${held}`,
    ...files,
  ].join('\n');
}
