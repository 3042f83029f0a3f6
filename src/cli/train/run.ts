import { join } from 'node:path';
import { untrainedNames, parameterNames, parameterValues } from '../../autodiff/parameters.js';
import type { Dataset } from '../../data/dataset.js';
import { FastsdeError, ModelError, OptionError } from '../../errors.js';
import { assertWritable, inFolder, removeLeftovers, writeAtomically } from '../../io/atomic.js';
import { clock } from '../../io/progress.js';
import { requireKind } from '../../io/run-folder.js';
import { readModel, writeModel, type Model } from '../../onnx/file/model.js';
import { defined, jsonSeed } from '../../options.js';
import { readMetadata } from '../../score/network/metadata.js';
import { nameSource } from '../../score/network/network.js';
import { settingRules, type TrainOptions } from '../../training/options.js';
import { chooseRecipe, type Recipe, type RecipeOptions } from '../../training/recipe.js';
import type { TrainProgress, TrainResult } from '../../training/results.js';
import { train } from '../../training/train.js';
import { readInputs } from '../shared/inputs.js';
import { counted } from '../shared/report.js';
import { print, shellWord, suggest, warn } from '../shared/terminal.js';
import type { TrainConfig } from './config.js';
import { openSets, SNAPSHOTS } from './data.js';
import { LossHistory } from './loss-history.js';
import { TrainingPictures } from './pictures.js';
import { TrainingLine } from './progress.js';

/** What is said of a run on the way. */
export interface Reporting {
  /** A JSON object per line on stdout. */
  readonly json: boolean;
  readonly quiet: boolean;
}

/** A network that saw fewer steps knows no density that would be worth the time of its picture. */
const STEPS_FOR_DENSITY = 250;

/** The body of `fastsde train`: data and network, the run with its pictures, the result. */
export async function trainTo(config: TrainConfig, signal: AbortSignal, reporting: Reporting): Promise<void> {
  const { output = 'training' } = config;
  await inFolder(output, async () => {
    await requireKind(output, 'training');
    await assertWritable(join(output, 'model.onnx'));
    await trainIn(config, signal, reporting);
  });
}

async function trainIn(config: TrainConfig, signal: AbortSignal, reporting: Reporting): Promise<void> {
  const { model } = config;
  const { trained, heldOut } = await openSets(config, signal, reporting);
  signal.throwIfAborted();
  try {
    const recipe = chooseRecipe(trained, await recipeOptions(config));
    if (model !== undefined && !reporting.quiet) warn(untrainedWarnings(recipe));
    await new TrainingSession(config, recipe, trained, heldOut, signal, reporting).run();
  } catch (cause) {
    throw model !== undefined && cause instanceof ModelError ? nameSource(model, cause) : cause;
  }
}

/** A run into a folder: its files, and what is said on the way. */
class TrainingSession {
  readonly #config: TrainConfig;
  readonly #recipe: Recipe;
  readonly #trained: Dataset;
  readonly #heldOut: Dataset | undefined;
  readonly #signal: AbortSignal;
  readonly #reporting: Reporting;
  readonly #output: string;
  readonly #line: TrainingLine | undefined;
  readonly #pictures: TrainingPictures;
  readonly #sampleEvery: number;
  #history: LossHistory | undefined;
  #step = 0;
  #loss: number | undefined;
  #shown: Promise<void> | undefined;

  constructor(
    config: TrainConfig,
    recipe: Recipe,
    trained: Dataset,
    heldOut: Dataset | undefined,
    signal: AbortSignal,
    reporting: Reporting,
  ) {
    const { output = 'training', sampleCount, sampleEvery } = config;
    const { inputs, provider, tf32 } = recipe.options;
    this.#config = config;
    this.#recipe = recipe;
    this.#trained = trained;
    this.#heldOut = heldOut;
    this.#signal = signal;
    this.#reporting = reporting;
    this.#output = output;
    this.#line = reporting.quiet ? undefined : new TrainingLine();
    this.#pictures = new TrainingPictures(
      output,
      sampleCount ?? (trained.shape.length === 2 ? 4000 : 36),
      defined({ inputs, provider, tf32 }),
      signal,
    );
    this.#sampleEvery = sampleEvery ?? Math.ceil(recipe.options.steps / 10);
  }

  async run(): Promise<void> {
    const { model, options } = this.#recipe;
    const { checkpointEvery, keep, snapshotEvery: every } = this.#config;
    const training = train(model, this.#trained, {
      ...options,
      checkpoints: { folder: join(this.#output, 'checkpoints'), every: checkpointEvery, keep },
      ...(every !== undefined && { snapshots: { folder: join(this.#output, SNAPSHOTS), every } }),
      validation: this.#heldOut,
      progressEvery: 1,
      modelEvery: this.#sampleEvery,
      signal: this.#signal,
    });
    try {
      for await (const progress of training) await this.#follow(progress);
      await this.#shown;
      await this.#finish(await training);
    } catch (cause) {
      throw await this.#explain(cause);
    } finally {
      this.#line?.clear();
    }
  }

  async #follow(progress: TrainProgress): Promise<void> {
    const { step, steps, model } = progress;
    if (this.#step === 0) await this.#begin();
    this.#step = step;
    this.#line?.update(progress);
    const row = this.#history!.add(progress);
    if (row) {
      this.#loss = row.loss;
      this.#tell('progress', row);
    }
    if (model === undefined || step === steps) return;
    await this.#shown;
    this.#shown = this.#show(model, step);
  }

  async #begin(): Promise<void> {
    const { options, model } = this.#recipe;
    await removeLeftovers(this.#output, (name) => isOwnFile.test(name));
    const record = recordOf(this.#config, options, this.#output, this.#sampleEvery);
    await writeAtomically(join(this.#output, 'train.json'), record);
    this.#history = await LossHistory.open(join(this.#output, 'loss.csv'), options.steps);
    const facts = factsOf(model, this.#trained, this.#heldOut);
    this.#tell('start', { ...facts, output: this.#output });
    this.#line?.say(describeStart(facts));
  }

  /** Writes what there is to see at a step on the way; a failure here only warns. */
  async #show(model: Model, step: number): Promise<void> {
    try {
      await this.#history!.write();
      await writeModel(model, join(this.#output, 'model.onnx'));
      if (!this.#isSampled) return;
      const path = await this.#pictures.samples(model, step);
      this.#tell('samples', { step, path });
    } catch (cause) {
      if (!this.#signal.aborted && !this.#reporting.quiet)
        warn([`No samples at step ${step}: ${(cause as Error).message}`]);
    }
  }

  async #finish(result: TrainResult): Promise<void> {
    this.#line?.clear();
    this.#step = result.steps;
    await this.#history?.write();
    const files: string[] = [];
    for (const [i, model] of result.averages.entries()) {
      files.push(join(this.#output, i === 0 ? 'model.onnx' : `model-average-${i + 1}.onnx`));
      await writeModel(model, files.at(-1)!);
    }
    if (this.#isSampled) {
      this.#line?.now('Drawing samples');
      files.push(await this.#pictures.samples(result.model, result.steps));
      const density =
        result.steps < STEPS_FOR_DENSITY
          ? undefined
          : await this.#pictures.density(result.model, this.#trained);
      if (density !== undefined) files.push(density);
    }
    const options = { ...result.options, seed: jsonSeed(BigInt(this.#recipe.options.seed ?? 0)) };
    const loss = this.#loss ?? result.loss;
    this.#tell('end', { ...result, loss, options, model: undefined, averages: undefined, files });
    this.#line?.say(describeEnd(result, files));
    if (!this.#reporting.json && !this.#reporting.quiet) suggest(this.#next());
  }

  /** What ended the run; after a signal, where it stopped and how it goes on. */
  async #explain(cause: unknown): Promise<unknown> {
    this.#line?.clear();
    await this.#shown;
    await this.#history?.write().catch(() => undefined);
    if (!this.#signal.aborted) return cause;
    const where =
      this.#step === 0
        ? 'before a step was made. The same command'
        : `at step ${this.#step}. The state of the run is in ${this.#output}; the same command`;
    const message = `Interrupted ${where} goes on from there.`;
    return new FastsdeError('ERR_FASTSDE_INTERRUPTED', message, { cause });
  }

  /** How the network that was trained is used. */
  #next(): string {
    const file = shellWord(join(this.#output, 'model.onnx'));
    const { kind, classes } = readMetadata(this.#recipe.model.metadata);
    if (kind === 'classifier') return `fastsde sample --class 0 --classifier ${file} --guidance 2`;
    return `fastsde sample ${file}${classes === undefined ? '' : ' --class 0'}`;
  }

  get #isSampled(): boolean {
    return readMetadata(this.#recipe.model.metadata).kind !== 'classifier';
  }

  #tell(event: string, facts: object): void {
    if (this.#reporting.json) print(`${JSON.stringify({ event, ...facts })}\n`);
  }
}

/** Files that a run writes, of which a process that was killed may have left the beginning. */
const isOwnFile =
  /^(train\.json|model(-average-\d+)?\.onnx|loss(-by-time)?\.(csv|png)|samples-\d+\.(png|npy)|density\.png)$/;

/** What the library chooses a recipe by: files are read, and what is about files alone is left out. */
async function recipeOptions(config: TrainConfig): Promise<RecipeOptions> {
  const { model, graph, parameters, inputs, network, conditional, objective, seed = 0 } = config;
  if (inputs !== undefined && model === undefined)
    throw new OptionError(
      'inputs',
      Object.keys(inputs),
      'left out unless the model that takes them is given (--model)',
    );
  if (graph !== undefined && model === undefined)
    throw new OptionError('graph', graph, 'left out unless the model that it trains is given (--model)');
  const settings = Object.keys(settingRules).map((name) => [name, config[name as keyof TrainConfig]]);
  return {
    ...(Object.fromEntries(settings) as RecipeOptions),
    network,
    conditional,
    objective,
    seed: BigInt(seed),
    model: model === undefined ? undefined : await readModel(model),
    graph: graph === undefined ? undefined : await readModel(graph),
    parameters: parameters === undefined ? undefined : new RegExp(parameters),
    ...(inputs && { inputs: await readInputs(inputs) }),
  };
}

/** What of a network in a file is not trained; a network of our own has nothing but constants there. */
function untrainedWarnings({ model, options }: Recipe): string[] {
  if (options.graph || model.metadata.has('fastsde.network')) return [];
  const names = untrainedNames(model, parameterNames(model, options.parameters ?? 'all'));
  if (names.length === 0) return [];
  const few = names.length > 8 ? [...names.slice(0, 8), `and ${names.length - 8} more`] : names;
  return [
    `Not trained: ${few.join(', ')}. "parameters" of a configuration file selects tensors by a pattern.`,
  ];
}

/** The configuration with what was decided for it, as `--config` takes it. */
function recordOf(config: TrainConfig, options: TrainOptions, output: string, sampleEvery: number): string {
  const { steps, batch, learningRate, decay, objective, ema } = options;
  const record = { ...config, steps, batch, learningRate, decay, objective, ema, output, sampleEvery };
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** What is said of a run at its start. */
interface RunFacts {
  readonly samples: number;
  readonly heldOut: number;
  readonly shape: readonly number[];
  readonly classes?: readonly string[] | undefined;
  readonly parameters: number;
  readonly network: Readonly<Record<string, string>>;
}

function factsOf(network: Model, trained: Dataset, heldOut: Dataset | undefined): RunFacts {
  const [samples, ...shape] = trained.shape as [number, ...number[]];
  let parameters = 0;
  for (const [, values] of parameterValues(network, parameterNames(network, 'all')))
    parameters += values.length;
  return {
    samples,
    heldOut: heldOut?.shape[0] ?? 0,
    shape,
    classes: trained.classNames,
    parameters,
    network: Object.fromEntries(network.metadata),
  };
}

function describeStart({ samples, heldOut, shape, parameters }: RunFacts): string {
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
