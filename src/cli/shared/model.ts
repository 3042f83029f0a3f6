import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { DataError, FastsdeError, OptionError } from '../../errors.js';
import { checkKnown, defined, entryOf } from '../../options.js';
import type { EncodedPrompt } from '../../latent/prompt.js';
import type { Parameterization, ScoreModel } from '../../score/model.js';
import type { GaussianMixture as Mixture } from '../../score/mixture/mixture.js';
import type { ProbeReport } from '../../score/network/probe.js';
import type { LoadOptions } from '../../score/network/load.js';
import { labelNames } from '../../score/network/labels.js';
import { parameterizations } from '../../score/parameterization.js';
import { ladderNames, ladderOptions, sdeNames, type LadderName, type SdeName } from '../../sde/names.js';
import { guidanceOf, isClassifierFree, type GuidanceFlags } from './guidance.js';
import { addOptions, choice, constants, integer, known, list, numbers, oneOf, real } from './arguments.js';
import { besidePrompt, inputsOf } from './inputs.js';
import { addPromptOptions, promptOf, type PromptFlags } from './prompt.js';

/** Flags that say which model is used and what a model file leaves open. */
export interface ModelFlags extends GuidanceFlags, PromptFlags {
  /** Of all samples: without a file, the embedded model that takes classes is meant. */
  readonly class?: number;
  readonly mixture?: string;
  /** A name, or a file. */
  readonly sde?: string;
  readonly sdeConstants?: Readonly<Record<string, number>>;
  readonly parameterization?: Parameterization;
  readonly sigmaData?: number;
  readonly labels?: string;
  readonly trainedLevels?: number;
  /** A name, or a file. */
  readonly ladder?: string;
  readonly ladderConstants?: Readonly<Record<string, number>>;
  readonly zeroTerminalSnr?: true;
  readonly classes?: number;
  readonly shape?: number[];
  readonly dataRange?: [number, number];
  readonly stateInput?: string;
  readonly timeInput?: string;
  readonly classInput?: string;
  readonly selfCondInput?: string;
  readonly outputName?: string;
  /** name=value each. */
  readonly input?: string[];
  readonly probe?: boolean;
  /** Samples that go through the network at once; the last, smaller batch is padded to this size. */
  readonly batch?: number;
  readonly threads?: number;
  readonly provider?: 'cpu' | 'cuda';
  readonly tf32?: true;
}

export function providerOption(): Option {
  return choice('--provider <name>', 'where the network runs', ['cpu', 'cuda'], 'cpu');
}

/** Adds the flags of {@link ModelFlags} to a command; without `mixture`, those of a network in a file alone. */
export function addModelOptions(command: Command, { mixture }: { mixture: boolean }): void {
  const network = [
    choice('--parameterization <kind>', "meaning of the network's output", parameterizations),
    real('--sigma-data <sd>', 'data standard deviation of the edm parameterization (default: 0.5)'),
    known(new Option('--labels <rule>', `number fed as time: ${labelNames.join(', ')}`), labelNames),
    integer(
      '--trained-levels <n>',
      'noise levels that the network was trained on, where it knows only these',
    ),
    known(
      new Option(
        '--ladder <name|file>',
        `those levels: ${ladderNames.join(', ')}; or a file of betas or alpha^2 (.npy, .json), or a scheduler_config.json (default: linear)`,
      ),
      ladderNames,
    ),
    constants('--ladder-constants <list>', 'its constants: betaStart=0.00085,betaEnd=0.012'),
    new Option('--zero-terminal-snr', 'the ladder is rescaled so that its last level has no signal'),
    integer('--classes <n>', 'number of classes of a class input'),
    numbers('--shape <list>', 'shape of one sample, such as 1,28,28'),
    numbers('--data-range <list>', 'lowest and highest value of data, such as -1,1'),
    new Option('--state-input <name>', 'name of the input that takes x'),
    new Option('--time-input <name>', 'name of the input that takes the time label'),
    new Option('--class-input <name>', 'name of the input that takes the class'),
    new Option('--self-cond-input <name>', 'name of the input that takes the last estimate of x_0'),
    new Option('--output-name <name>', 'name of the output'),
    list(
      '--input <pair>',
      'NAME=VALUE: what another input is fed, a number or a .npy file, for all samples or with a row for each; may be repeated',
    ),
    new Option('--no-probe', "skip the check of the network's sign, scale and labels by one evaluation"),
  ];
  const machine = [
    providerOption(),
    new Option('--tf32', 'on a GPU, products of 10 bits of mantissa, several times as fast'),
  ];
  const mixtureFile = new Option(
    '--mixture <file>',
    'a Gaussian mixture instead: JSON with weights, means, covariances',
  );
  if (mixture) for (const option of [...network, ...machine]) option.conflicts('mixture');
  addOptions(command, 'Model:', [
    ...(mixture ? [mixtureFile] : []),
    known(
      new Option(
        '--sde <name|file>',
        `forward SDE: ${sdeNames.join(', ')}; or a file of t, alpha and sigma (.npy, .json) (default: the model file's, else vp)`,
      ),
      sdeNames,
    ).argParser((value: string) => (namesFile(value) ? value : oneOf(value, sdeNames))),
    constants('--sde-constants <list>', 'its constants, where not the defaults: sigmaMin=0.01,sigmaMax=50'),
  ]);
  addOptions(command, 'Model, where its file does not say or says otherwise:', network);
  if (mixture) addPromptOptions(command);
  addOptions(command, 'Machine:', [
    integer('--threads <n>', 'threads of the network and of the kernels (default: one per core)'),
    ...machine,
  ]);
}

/** A model and what there is to say about it in the record of a run. */
export interface OpenModel {
  readonly model: ScoreModel;
  /** The exact law of the data, where the model is of one. */
  readonly law?: Mixture;
  /** The options of the model as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about the model, in plain words. */
  readonly warnings: readonly string[];
  /** Those of them that say that another reading of the network fits better. */
  readonly misreadings: readonly string[];
}

/**
 * The model that the flags ask for: a mixture, a model file, or one that comes with the package.
 *
 * @throws ModelError, DataError or OptionError for what cannot be loaded.
 */
export async function openModel(path: string | undefined, flags: ModelFlags): Promise<OpenModel> {
  if (flags.threads !== undefined) {
    const { setThreads } = await import('../../device/addon.js');
    setThreads(flags.threads);
  }
  if (flags.mixture === undefined) return openNetwork(path, flags);
  if (path === undefined) return openMixture(flags.mixture, flags);
  throw new OptionError('mixture', flags.mixture, 'left out where a model file is given');
}

/** Whether what stands for a name is a file. */
export function namesFile(value: string): boolean {
  return /[./\\]/.test(value);
}

/** The SDE, by its name and constants or as the table in a file. */
async function sdeOf({
  sde,
  sdeConstants,
  dataRange,
}: ModelFlags): Promise<Pick<LoadOptions, 'sde' | 'constants'>> {
  if (sde === undefined || !namesFile(sde)) return { sde: sde as SdeName, constants: sdeConstants! };
  const { readSde } = await import('../../score/network/table-file.js');
  try {
    return { sde: await readSde(sde, { ...sdeConstants, ...defined({ dataRange }) }) };
  } catch (cause) {
    if (!(cause instanceof OptionError) || sdeConstants?.[cause.option] === undefined) throw cause;
    throw new OptionError(`sde.${cause.option}`, cause.value, cause.expected);
  }
}

/** The options of `loadModel` that the flags stand for. @throws DataError for a file of a ladder, a table or an input that cannot be read. */
export async function loadOptions(flags: ModelFlags): Promise<LoadOptions> {
  const { parameterization, sigmaData, labels, trainedLevels, classes, shape, dataRange } = flags;
  const { stateInput, timeInput, classInput, selfCondInput, outputName, probe } = flags;
  const { batch, threads, provider, tf32 } = flags;
  return defined({
    ...defined(await sdeOf(flags)),
    ...{ parameterization, sigmaData, labels, trainedLevels },
    ...{ classes, shape, dataRange, batch, threads, provider, tf32 },
    // Without the flag it is the library that decides.
    ...(probe === false && { probe }),
    ...defined(await ladderOf(flags)),
    ...(flags.input && { inputs: await inputsOf('input', flags.input) }),
    names: defined({
      ...{ state: stateInput, time: timeInput, class: classInput },
      ...{ selfCondition: selfCondInput, output: outputName },
    }),
  });
}

/** The ladder of a network of trained levels, and what its output means where a file says so and no flag. */
async function ladderOf(
  flags: ModelFlags,
): Promise<Pick<LoadOptions, 'ladder' | 'parameterization' | 'scheduler'>> {
  const { ladder, ladderConstants, zeroTerminalSnr, parameterization } = flags;
  if (ladder !== undefined && namesFile(ladder)) {
    if (ladderConstants !== undefined)
      throw new OptionError(
        'ladderConstants',
        written(ladderConstants),
        'left out where the ladder is a file',
      );
    const { readLadder } = await import('../../score/network/ladder-file.js');
    const { zeroTerminalSnr: rescaled } = await import('../../sde/named-ladder.js');
    const read = await readLadder(ladder);
    return defined({
      ladder: zeroTerminalSnr ? rescaled(read.ladder) : read.ladder,
      parameterization: parameterization ?? read.parameterization,
      scheduler: read.scheduler,
    });
  }
  if (ladder === undefined && ladderConstants !== undefined)
    throw new OptionError(
      'ladderConstants',
      written(ladderConstants),
      `given with --ladder, whose they are: ${ladderNames.join(', ')}`,
    );
  if (ladder === undefined && !zeroTerminalSnr) return {};
  const constants = entryOf(ladderOptions, ladder);
  if (constants && ladderConstants) checkKnown(ladderConstants, constants, 'ladderConstants');
  return {
    ladder: { name: (ladder ?? 'linear') as LadderName, ...ladderConstants, ...defined({ zeroTerminalSnr }) },
  };
}

/** Constants as they are given. */
function written(constants: Readonly<Record<string, number>>): string {
  return Object.entries(constants)
    .map(([name, value]) => `${name}=${value}`)
    .join();
}

async function openNetwork(given: string | undefined, flags: ModelFlags): Promise<OpenModel> {
  const { loadModel } = await import('../../score/network/load.js');
  await quietRuntime();
  const path = await networkPath(given, flags);
  const prompt = await promptOf(path, flags);
  const asked = await loadOptions(flags);
  const options = { ...asked, ...defined({ inputs: besidePrompt('inputs', prompt?.inputs, asked.inputs) }) };
  const model = await loadModel(path, options);
  const { parameterization, labels, ladder, shape, sde, warnings } = model;
  const { threads, provider = 'cpu', classifier, guide } = flags;
  const guided = await guidedBy(flags, model, options, prompt);
  await requireFed(guided, path);
  return {
    model: guided,
    warnings: [...(prompt?.warnings ?? []), ...warnings],
    misreadings: misreadingsOf(model.report),
    options: {
      model: path,
      ...(classifier !== undefined && { classifier: await classifierPath(classifier, model) }),
      ...(guide !== undefined && { guide }),
      ...defined({ prompt: flags.prompt, negativePrompt: flags.negativePrompt }),
      ...(guided.guidance && { guidance: guided.guidance }),
      ...(guided.inputs && { inputs: guided.inputs.fed }),
      sdeConstants: sde.constants,
      parameterization,
      labels,
      ...(ladder && { trainedLevels: ladder.levels }),
      ...defined({
        ladder: flags.ladder,
        ladderConstants: flags.ladderConstants,
        zeroTerminalSnr: flags.zeroTerminalSnr,
        sdeTable: flags.sde !== undefined && namesFile(flags.sde) ? flags.sde : undefined,
      }),
      shape,
      dataRange: sde.dataRange,
      ...(threads !== undefined && { threads }),
      provider,
      ...defined({ tf32: flags.tf32 }),
    },
  };
}

function misreadingsOf(report: ProbeReport | undefined): string[] {
  const found = report?.findings.filter(({ cause }) =>
    ['labels', 'parameterization', 'process', 'sign'].includes(cause),
  );
  return found?.map(({ message }) => message) ?? [];
}

/** @throws OptionError where an input has no value; the model is then closed. */
async function requireFed(model: ScoreModel, path: string): Promise<void> {
  const { requireInputs } = await import('../../score/inputs.js');
  const { isFolder } = await import('../../io/atomic.js');
  try {
    const [missing] = model.inputs?.missing ?? [];
    if (missing && (await isFolder(path))) {
      const expected = `a text, which the network in ${path} takes (or --input ${missing.name}=FILE.npy)`;
      throw new OptionError('prompt', undefined, expected);
    }
    requireInputs(model);
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

/** The network that is asked for: a file, or one that comes with the package. */
async function networkPath(given: string | undefined, flags: ModelFlags): Promise<string> {
  const { embeddedModel } = await import('../../score/network/embedded.js');
  const { pathOf } = await import('../../io/path.js');
  if (given === 'cifar10') return embeddedModel(given);
  if (given !== undefined) {
    if (!namesFile(given) && !existsSync(given))
      throw new DataError(
        `There is no file or folder ${given}. A model is an ONNX file, a folder of diffusers, or the name cifar10; ` +
          'without one, the embedded network of digits is taken.',
        { option: 'model', value: given },
      );
    return pathOf('model', given);
  }
  const { sde } = flags;
  if (sde !== undefined && sde !== 'vp' && sde !== 've')
    throw new OptionError('sde', sde, 'vp or ve where no model file is given');
  // With classes where one is asked for and no classifier tells them.
  const takesClass = flags.classifier === undefined && flags.class !== undefined;
  const isConditional = sde !== 've' && (takesClass || isClassifierFree(flags));
  return embeddedModel(isConditional ? 'conditional' : sde);
}

/** The model as the flags guide it; where they cannot, it is closed. */
async function guidedBy(
  flags: ModelFlags,
  model: ScoreModel,
  options: LoadOptions,
  prompt: EncodedPrompt | undefined,
): Promise<ScoreModel> {
  const { guideAs } = await import('../../control/describe.js');
  try {
    const guidance = await guidanceOf(flags, model, prompt?.unconditionalInputs);
    return guidance ? await guideAs(model, guidance, options) : model;
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

async function classifierPath(given: string | true, model: ScoreModel): Promise<string> {
  const { classifierFor } = await import('../../control/describe.js');
  return given === true ? classifierFor(model) : given;
}

/** Keeps ONNX Runtime from printing what it also throws. */
export async function quietRuntime(): Promise<void> {
  const { sessionKind } = await import('../../onnx/run/runtime.js');
  const { loadRuntime } = await import('../../onnx/run/node.js');
  // The addon's own sessions print nothing.
  if ((await sessionKind()) === 'node') (await loadRuntime()).env.logLevel = 'fatal';
}

async function openMixture(path: string, flags: ModelFlags): Promise<OpenModel> {
  const { GaussianMixture } = await import('../../score/mixture/mixture.js');
  const { mixtureModel } = await import('../../score/mixture/model.js');
  const { sdeFromName } = await import('../../sde/named.js');
  const { readJson } = await import('../../io/read.js');
  const json = await readJson(path);
  const law = parsed(path, () => GaussianMixture.fromJson(json));
  const { sde = 'vp', constants } = await sdeOf(flags);
  const model = mixtureModel(law, typeof sde === 'string' ? sdeFromName(sde, constants) : sde);
  const options = { mixture: path, sdeConstants: model.sde.constants, shape: model.shape };
  return { model, law, options, warnings: [], misreadings: [] };
}

/** What is wrong with the contents of a file is told with its name. */
function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof FastsdeError)
      throw new DataError(`${path}: ${cause.message}`, { value: path, cause });
    throw cause;
  }
}
