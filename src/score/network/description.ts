import { ModelError, OptionError } from '../../errors.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import { isWithin, shownSizes } from '../../onnx/file/sizes.js';
import { checkChoice, checkInteger, checkNumber, isList } from '../../options.js';
import { ddpmLadder, geometricSigmas, linearBetas, smldLadder } from '../../sde/ladder.js';
import { ladderSde } from '../../sde/ladder-sde.js';
import { ladderFromName, type NamedLadder } from '../../sde/named-ladder.js';
import type { Scheduler } from '../../sde/scheduler.js';
import { sdeFromName } from '../../sde/named.js';
import type { LadderName, SdeName } from '../../sde/names.js';
import type { Ladder, Sde } from '../../sde/sde.js';
import { elementCount } from '../../shape.js';
import { defaultLabels, labelRule, type LabelRule } from './labels.js';
import type { ModelMetadata, TensorNames } from './metadata.js';
import type { Parameterization } from '../model.js';
import { parameterizations, saysData, SIGMA_DATA } from '../parameterization.js';
import type { Roles } from './roles.js';

/** What a model is, where its file does not say or says otherwise. Every option overrides the file's metadata. */
export interface DescriptionOptions {
  /** An SDE, or the name of one: `vp`, `subvp`, `ve`, `edm`, `flow`. */
  readonly sde?: Sde | SdeName;
  /** Constants of an SDE given by name or by the file, such as `{ sigmaMax: 90 }`. */
  readonly constants?: Readonly<Record<string, number>>;
  /** What the network's output means: `score`, `eps`, `v`, `x0`, `flow`, `reversed-flow`, `edm`. */
  readonly parameterization?: Parameterization;
  /** Data standard deviation in the preconditioning of `edm`. Default 0.5 (Karras et al. 2022, Table 1). */
  readonly sigmaData?: number;
  /** What the network is fed as its time: {@link labelNames} has the names, `t*999` stands for any factor. Default: that of the published networks of the SDE. */
  readonly labels?: string;
  /** Shape of one sample, where the file leaves dimensions open. */
  readonly shape?: readonly number[];
  /** Values that data take in the model's space. Default: the SDE's, [-1, 1] for VP, [0, 1] for VE. */
  readonly dataRange?: readonly [number, number];
  /** Number of trained noise levels of a network with integer labels. Default 1000 for VP. */
  readonly trainedLevels?: number;
  /** The trained noise levels, where they are not those of DDPM (VP) or geometric (VE): by name, with constants, or themselves. */
  readonly ladder?: LadderName | NamedLadder | Ladder;
  /** By which method and over which levels samples are drawn, where a file of diffusers says that; see `readLadder`. */
  readonly scheduler?: Scheduler;
  /** Number of classes of a class-conditional network. */
  readonly classes?: number;
  /** Names of the network's tensors, where they cannot be inferred. */
  readonly names?: TensorNames;
}

/** All that turns the output of a network into a score. */
export interface ModelDescription {
  readonly sde: Sde;
  readonly ladder?: Ladder;
  readonly scheduler?: Scheduler;
  readonly parameterization: Parameterization;
  readonly sigmaData: number;
  readonly labels: LabelRule;
  /** Trained levels, as label rules count them. */
  readonly levels: number;
  readonly shape: readonly number[];
  readonly classes?: number;
  /** The class label that stands for no class. */
  readonly nullClass?: number;
  /** Whether the output has a variance in as many channels more; undefined where the file does not say. */
  readonly learnedVariance?: boolean | undefined;
}

/** Levels of DDPM. */
const LEVELS = 1000;

// A file says how large a sample is and how many levels and classes there are, and memory is set aside accordingly: a
// file of a few bytes may not ask for all of it.
const MOST_ELEMENTS = 2 ** 26;
const MOST_LEVELS = 1e6;
const MOST_CLASSES = 1e6;

/**
 * Joins what the caller says, what the file says, and the defaults of the published networks.
 * @throws ModelError where neither says what cannot be defaulted, naming the flags to give; OptionError for values that
 *   cannot be used.
 */
export function describeModel(
  options: DescriptionOptions,
  metadata: ModelMetadata,
  roles: Roles,
): ModelDescription {
  const parameterization = options.parameterization ?? metadata.parameterization;
  const sdeGiven = options.sde ?? metadata.sde;
  if (parameterization === undefined || sdeGiven === undefined)
    throw undescribed({ sde: sdeGiven, parameterization, labels: options.labels ?? metadata.labels });
  checkChoice('parameterization', parameterization, parameterizations);
  const base = resolveSde(options, metadata);
  const { ladder, labels, levels } = resolveLevels(options, metadata, roles.time, base, parameterization);
  const sde = ladder ? ladderSde(ladder, base) : base;
  const shape = resolveShape(options, metadata, roles.state);
  const learnedVariance = hasVariance(roles, shape);
  const classes = resolveClasses(options, metadata, roles);
  const sigmaData = options.sigmaData ?? metadata.sigmaData ?? sde.constants['sigmaData'] ?? SIGMA_DATA;
  return {
    sde,
    ...(ladder && { ladder }),
    ...(options.scheduler && { scheduler: options.scheduler }),
    parameterization,
    sigmaData: checkNumber('sigmaData', sigmaData, 0),
    labels,
    levels,
    shape,
    ...(classes !== undefined && { classes }),
    ...(classes !== undefined && metadata.nullClass !== undefined && { nullClass: metadata.nullClass }),
    ...(learnedVariance !== false && { learnedVariance }),
  };
}

/** The error of a file that does not say what it is, with what is to be given. */
function undescribed(given: Readonly<Record<'sde' | 'parameterization' | 'labels', unknown>>): ModelError {
  const outputs = parameterizations.map((name) => `'${name}'`).join(', ');
  const wanted = {
    sde: "sde (--sde), the process it was trained on: 'vp', 'subvp', 've', 'edm' or 'flow'",
    parameterization: `parameterization (--parameterization), what its output means: ${outputs}`,
    labels: "labels (--labels), which number it takes as its time, such as 't*999', 'sigma' or 'index'",
  };
  const missing = (Object.keys(wanted) as (keyof typeof wanted)[]).filter(
    (name) => given[name] === undefined,
  );
  const all = missing.map((name) => wanted[name]).join('; ');
  return new ModelError(`It does not say what it is (no fastsde metadata). Give ${all}.`);
}

/** The trained levels, where there are any, and the number that the network is fed as a level. */
function resolveLevels(
  options: DescriptionOptions,
  metadata: ModelMetadata,
  time: TensorInfo,
  base: Sde,
  parameterization: Parameterization,
): Pick<ModelDescription, 'ladder' | 'labels' | 'levels'> {
  const isInteger = time.type.startsWith('int');
  const trainedLevels = options.trainedLevels ?? metadata.trainedLevels;
  if (trainedLevels !== undefined) checkInteger('trainedLevels', trainedLevels, 1, MOST_LEVELS);
  const given = options.ladder ?? metadata.ladder;
  const isDiscrete = isInteger || trainedLevels !== undefined || given !== undefined;
  const labels = labelRule(
    options.labels ?? metadata.labels ?? defaultLabels(base.name, parameterization, isDiscrete),
  );
  if (isInteger && !labels.discrete) {
    throw new OptionError(
      'labels',
      labels.name,
      `'index' or 'reversed-index': the time input "${time.name}" takes integers (${time.type})`,
    );
  }
  const known =
    given !== undefined
      ? givenLadder(given, base, trainedLevels)
      : labels.discrete
        ? trainedLadder(base, trainedLevels)
        : undefined;
  requireSignal(known, parameterization);
  if (known) requireEffect(options.constants, given !== undefined);
  const ladder = known && isInteger ? { ...known, nearest: true } : known;
  return { ...(ladder && { ladder }), labels, levels: ladder?.levels ?? trainedLevels ?? LEVELS };
}

function resolveSde(options: DescriptionOptions, metadata: ModelMetadata): Sde {
  const { sde, constants, dataRange } = options;
  if (typeof sde === 'object') {
    if (constants !== undefined) {
      throw new OptionError('constants', constants, 'left out where sde is a value, which has its own');
    }
    return dataRange === undefined ? sde : { ...sde, dataRange };
  }
  const name = sde ?? metadata.sde!;
  const own = name === metadata.sde;
  return sdeFromName(
    name,
    { ...(own && metadata.constants), ...constants },
    dataRange ?? (own ? metadata.dataRange : undefined),
  );
}

/** A ladder that the caller or the file names. */
function givenLadder(given: LadderName | NamedLadder | Ladder, sde: Sde, levels: number | undefined): Ladder {
  if (typeof given === 'object' && 'alpha' in given) {
    if (levels !== undefined && levels !== given.levels)
      throw new OptionError(
        'trainedLevels',
        levels,
        `left out, or ${given.levels}, as many as the ladder has`,
      );
    requireProcess(given, sde);
    return given;
  }
  if (sde.name !== 'vp') {
    const expected = `left out with the ${sde.name} SDE: names are those of DDPM's (vp)`;
    const { name, zeroTerminalSnr } = typeof given === 'string' ? { name: given } : given;
    if (zeroTerminalSnr) throw new OptionError('ladder.zeroTerminalSnr', zeroTerminalSnr, expected);
    throw new OptionError('ladder', name, expected);
  }
  return ladderFromName({ levels, ...(typeof given === 'string' ? { name: given } : given) });
}

/** Throws for a constant that changes nothing: a ladder that is given says its levels, and every ladder at which time it begins. */
function requireEffect(constants: DescriptionOptions['constants'] = {}, isGiven: boolean): void {
  const idle = Object.keys(constants).find((name) => (isGiven ? name !== 'sigmaData' : name === 'epsilon'));
  if (idle === undefined) return;
  const expected = isGiven
    ? 'left out beside a ladder, which says its own levels'
    : 'left out: the first trained level says it';
  throw new OptionError(`sde.${idle}`, constants[idle], expected);
}

/** Throws where the levels are clearly those of another process: with alpha^2 + sigma^2 = 1 of VP, with alpha = 1 of VE. */
function requireProcess({ alpha, sigma }: Ladder, sde: Sde): void {
  const preserves = alpha.every((a, i) => Math.abs(a * a + sigma[i]! ** 2 - 1) < 1e-6);
  const name = preserves ? 'vp' : alpha.every((a) => a === 1) ? 've' : undefined;
  if (
    name === undefined ||
    sde.name === name ||
    sde.name === 'custom' ||
    (sde.name === 'edm' && name === 've')
  )
    return;
  const levels = preserves ? 'alpha^2 + sigma^2 = 1 at every level' : 'alpha = 1 at every level';
  throw new OptionError('sde', sde.name, `'${name}' with this ladder, which has ${levels}`);
}

/** Where no signal is left, the noise says nothing of the data. */
function requireSignal(ladder: Ladder | undefined, parameterization: Parameterization): void {
  if (ladder?.alpha.at(-1) !== 0 || saysData(parameterization)) return;
  const expected = `'v' or 'x0': the last level of the ladder has no signal (zero terminal SNR), where ${parameterization} says nothing of x_0`;
  throw new OptionError('parameterization', parameterization, expected);
}

/** The ladder on which networks with integer labels are trained. */
function trainedLadder(sde: Sde, levels: number | undefined): Ladder {
  const { beta0, beta1, sigmaMin, sigmaMax } = sde.constants;
  if (sde.name === 'vp') {
    const most = Math.max(beta0!, beta1!);
    if (levels !== undefined && levels <= most) {
      const expected = `more than ${most}, the largest beta of the SDE: those of the levels are its ${levels}-th part, and below 1`;
      throw new OptionError('trainedLevels', levels, expected);
    }
    return ddpmLadder(linearBetas(levels ?? LEVELS, beta0, beta1));
  }
  if (sde.name === 've') {
    if (levels === undefined) {
      throw new OptionError(
        'trainedLevels',
        levels,
        'the number of noise levels of this network (--trained-levels), such as 232 for NCSNv2 on CIFAR-10',
      );
    }
    return smldLadder(geometricSigmas(levels, sigmaMin, sigmaMax));
  }
  throw new OptionError('sde', sde.name, "'vp' or 've' for a network with integer labels, or give ladder");
}

function resolveShape(options: DescriptionOptions, metadata: ModelMetadata, state: TensorInfo): number[] {
  const given = options.shape ?? metadata.shape;
  const inFile = state.shape?.slice(1);
  const written = `"${state.name}" ${shownSizes(state.shape ?? [])}`;
  const shape = given ?? inFile;
  if (shape !== undefined && !isList(shape)) throw new OptionError('shape', shape, 'an array of sizes');
  if (shape === undefined || shape.length === 0 || shape.some((size) => typeof size !== 'number')) {
    throw new ModelError(
      `Its input ${written} leaves the shape of a sample open; give shape (--shape), such as 3,32,32.`,
      { option: 'shape' },
    );
  }
  const fits = inFile === undefined || isWithin(shape, inFile);
  if (!fits) throw new OptionError('shape', shape, `as in the network's input ${written}, without the batch`);
  const sizes = (shape as number[]).map((size, i) => checkInteger(`shape[${i}]`, size, 1));
  if (elementCount(sizes) > MOST_ELEMENTS) {
    throw new OptionError('shape', shape, 'of at most 2^26 elements in a sample');
  }
  return sizes;
}

/** @throws ModelError for an output of another shape than the state's, or that with twice as many channels. */
function hasVariance({ output, state }: Roles, shape: readonly number[]): boolean | undefined {
  const dims = output.shape?.slice(1);
  if (dims === undefined) return undefined;
  const doubled = [2 * shape[0]!, ...shape.slice(1)];
  if (isWithin(shape, dims)) return isWithin(doubled, dims) ? undefined : false;
  if (isWithin(doubled, dims)) return true;
  throw new ModelError(
    `Its output "${output.name}" [${output.shape!.join(', ')}] does not have the shape of its input "${state.name}" ` +
      `[N, ${shape.join(', ')}]. Name another output with names.output (--output-name), or another input with names.state ` +
      '(--state-input).',
    { option: 'names.output', value: output.name },
  );
}

function resolveClasses(
  options: DescriptionOptions,
  metadata: ModelMetadata,
  roles: Roles,
): number | undefined {
  const given = options.classes ?? metadata.classes;
  if (roles.class === undefined) {
    if (options.classes === undefined) return undefined;
    throw new OptionError('classes', options.classes, 'left out: the network has no class input');
  }
  const width = roles.class.shape?.length === 2 ? roles.class.shape[1] : undefined;
  const classes = given ?? width;
  if (typeof classes !== 'number') {
    throw new ModelError(
      `Its class input "${roles.class.name}" does not say how many classes there are; give classes (--classes).`,
      { option: 'classes' },
    );
  }
  if (typeof width === 'number' && width > 1 && width !== classes) {
    throw new OptionError(
      'classes',
      classes,
      `${width}, the width of the one-hot input "${roles.class.name}"`,
    );
  }
  return checkInteger('classes', classes, 1, MOST_CLASSES);
}
