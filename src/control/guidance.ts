import { OptionError } from '../errors.js';
import { checkChoice, checkKnown, checkNumber, defined, isList, isRecord } from '../options.js';
import { withInputs, withKnownInputs } from '../score/inputs.js';
import {
  requireModel,
  type Guidance,
  type Inputs,
  type ModelInputs,
  type ScoreModel,
} from '../score/model.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import { costAt } from '../solvers/counts.js';
import { closable } from '../closing.js';
import type { Classifier } from './classifier.js';
import type { Blend, Weights } from './blend.js';
import { combine } from './combine.js';
import { byClassifier, byModel, classifierFree, type Parts } from './parts.js';

/** How strongly, where, and with what correction a score is guided. */
export interface GuidanceStrength {
  /**
   * w in s(x) + w grad log p(y | x). 1 (default) is the class as it is, 0 no class, more than 1 an emphasis. This is Imagen's and
   * diffusers' guidance_scale and ADM's classifier_scale, and 1 + w of Ho and Salimans 2022.
   */
  readonly scale?: number | undefined;
  /**
   * Least and largest noise level sigma / alpha at which the second network runs (Kynkaanniemi et al. 2024); elsewhere the score is
   * that of the model alone: with its class, or, with a classifier, without. Default: everywhere.
   */
  readonly interval?: readonly [number, number] | undefined;
  /**
   * Share, from 0 to 1, by which the standard deviation of each sample's estimate of x_0 is brought back to that of scale 1 (Lin et
   * al. 2023, section 3.4). Default 0.
   */
  readonly rescale?: number | undefined;
}

/** s(x | none) + w (s(x | y) - s(x | none)) with one network for both (Ho and Salimans 2022). */
export interface ClassifierFreeOptions extends GuidanceStrength {
  /** By the classes, or the texts, that the network itself takes. */
  readonly kind: 'classifier-free';
  /** The class label that stands for no class, or a class to be avoided. Default: the model's. */
  readonly nullClass?: number | undefined;
  /** A model without classes, where the model has no label for none. */
  readonly unconditional?: ScoreModel | undefined;
  /** What the same network is fed to be without its text: the embedding of an empty or a negative prompt. Others are as the model's. */
  readonly unconditionalInputs?: Inputs | undefined;
}

/** s(x) + w grad log p(y | x_t) with a classifier of noisy data (Song et al. 2021, equation 14; Dhariwal and Nichol 2021). */
export interface ClassifierOptions extends GuidanceStrength {
  /** By the gradient of a classifier of noisy data. */
  readonly kind: 'classifier';
  /** What `loadClassifier` resolves to, or classes and a gradient of your own. */
  readonly classifier: Classifier;
}

/** s_guide(x) + w (s(x) - s_guide(x)) with a weaker model of the same data (Karras et al. 2024). */
export interface AutoguidanceOptions extends GuidanceStrength {
  /** Away from a weaker model of the same data. */
  readonly kind: 'autoguidance';
  /** The weaker model. */
  readonly guide: ScoreModel;
}

/** How a score is guided, by its `kind`. */
export type GuidanceOptions = ClassifierFreeOptions | ClassifierOptions | AutoguidanceOptions;

const strengthOptions = Object.keys({
  ...{ scale: 1, interval: 1, rescale: 1 },
} satisfies Record<keyof GuidanceStrength, 1>);

const optionNames: Readonly<Record<Guidance['kind'], readonly string[]>> = {
  'classifier-free': ['nullClass', 'unconditional', 'unconditionalInputs'],
  classifier: ['classifier'],
  autoguidance: ['guide'],
};

/**
 * A model whose score is guided, for every sampler, latent codes and likelihoods: the reverse-time SDE is
 * dx = (f x - g^2 [s(x, t) + w grad log p_t(y | x)]) dt + g dw.
 *
 * With scale 1 the second network of `classifier-free` and `autoguidance` does not run, and results have the bits of those of the
 * model itself. Closing the result closes all that it is made of.
 *
 * @throws OptionError for options that cannot be used, and where the parts are not of one process, data range, shape or number of
 *   classes.
 *
 * @example
 * ```ts
 * const model = await loadModel(embeddedModel('conditional'));
 * const guided = guide(model, { kind: 'classifier-free', scale: 2 });
 * const { samples } = await sample(guided, { count: 4, classLabel: 3 });
 * ```
 */
export function guide(model: ScoreModel, options: GuidanceOptions): ScoreModel {
  requireModel('model', model);
  if (model.guidance) {
    throw new OptionError(
      'model',
      model,
      `one that is not guided yet: this one is, by ${model.guidance.kind}`,
    );
  }
  if (!isRecord(options))
    throw new OptionError('options', options, 'an object such as { kind: "classifier-free", scale: 2 }');
  const kind = checkChoice('kind', options.kind, Object.keys(optionNames) as Guidance['kind'][]);
  checkKnown(options, ['kind', ...strengthOptions, ...optionNames[kind]]);
  const guidance = checkStrength(options, model);
  const parts = partsOf(model, options);
  const { nullClass, unconditionalInputs } = options.kind === 'classifier-free' ? options : {};
  const without = defined({
    nullClass,
    unconditionalInputs: unconditionalInputs && parts.other?.inputs?.fed,
  });
  const blend = blendOf(model, parts, guidance);
  const { shape, sde, parameterization, sigmaData, ladder, scheduler } = model;
  return {
    shape,
    sde,
    parameterization,
    guidance: { ...guidance, ...without },
    ...(sigmaData !== undefined && { sigmaData }),
    ...(ladder && { ladder }),
    ...(scheduler && { scheduler }),
    ...(parts.classes !== undefined && { classes: parts.classes }),
    ...(model.learnedVariance && { learnedVariance: true }),
    ...((model.selfConditions || parts.other?.selfConditions) && { selfConditions: true }),
    ...(model.inputs && { inputs: inputsOf(model, model.inputs, parts, options) }),
    ...(model.moments && { moments: (label) => model.moments!(label) }),
    ...combine(parts.first, parts.second, blend),
    coefficients: (level) => model.coefficients(level),
    cost(level) {
      const runs = costAt(model, level);
      return blend.weights(level) ? { ...runs, [parts.name]: parts.cost(level) } : runs;
    },
    ...closable(async () => {
      await model.close();
      await parts.close?.();
    }),
  };
}

/** Those of the model and what its parts lack; a weaker model takes what it knows of those given later. */
function inputsOf(
  model: ScoreModel,
  inputs: ModelInputs,
  parts: Parts,
  options: GuidanceOptions,
): ModelInputs {
  return {
    fed: inputs.fed,
    missing: [...inputs.missing, ...(parts.other?.inputs?.missing ?? [])],
    samples: parts.samples,
    with: (given) =>
      guide(
        withInputs(model, given),
        options.kind === 'autoguidance'
          ? { ...options, guide: withKnownInputs(options.guide, given) }
          : options,
      ),
  };
}

function partsOf(model: ScoreModel, options: GuidanceOptions): Parts {
  switch (options.kind) {
    case 'classifier-free':
      return classifierFree(model, options);
    case 'classifier':
      return byClassifier(model, options.classifier);
    case 'autoguidance':
      return byModel(model, options.guide);
  }
}

function checkStrength(
  { kind, scale = 1, interval, rescale = 0 }: GuidanceOptions,
  { shape }: ScoreModel,
): Guidance {
  checkNumber('scale', scale, 0, true);
  if (!(Number.isFinite(rescale) && rescale >= 0 && rescale <= 1))
    throw new OptionError('rescale', rescale, 'a number from 0 to 1');
  if (rescale > 0 && elementCount(shape) === 1) {
    throw new OptionError('rescale', rescale, 'left out: samples of one number have no standard deviation');
  }
  const [least, most] = interval === undefined ? [0, Infinity] : checkInterval(interval);
  return {
    kind,
    scale,
    ...(interval !== undefined && { interval: [least, most] as const }),
    ...(rescale > 0 && { rescale }),
  };
}

function checkInterval(interval: readonly [number, number]): readonly [number, number] {
  const ends: readonly unknown[] = isList(interval) ? interval : [];
  const [least, most] = ends.length === 2 ? ends : [];
  if (typeof least === 'number' && typeof most === 'number' && least >= 0 && least < most)
    return [least, most];
  throw new OptionError(
    'interval',
    interval,
    '[least, most], noise levels sigma / alpha with 0 <= least < most',
  );
}

/** The weights of the parts at a level, and what the rescaling needs. */
function blendOf(model: ScoreModel, { other }: Parts, guidance: Guidance): Blend {
  const { scale, interval = [0, Infinity], rescale = 0 } = guidance;
  const isOfOutputs =
    !other || (model.parameterization === other.parameterization && model.sigmaData === other.sigmaData);
  /** s_1 + w grad, or w s_1 + (1 - w) s_2, as F = (s - p x) / q. */
  const weightsAt = (level: Level, w: number): Weights => {
    if (other && isOfOutputs) return { state: 0, first: w, second: 1 - w };
    const { state, output } = model.coefficients(level);
    if (!other) return { state: 0, first: 1, second: w / output };
    const score = other.coefficients(level);
    return {
      state: ((1 - w) * (score.state - state)) / output,
      first: w,
      second: (1 - w) * (score.output / output),
    };
  };
  const alone = other ? 1 : 0;
  return {
    weights(level) {
      const noise = level.sigma / level.alpha;
      if (scale === alone || noise < interval[0] || noise > interval[1]) return undefined;
      // Where nothing is left of the data, no classifier can tell their class.
      if (!other && level.alpha === 0) return undefined;
      return weightsAt(level, scale);
    },
    isOfOutputs,
    rescale,
    reference: (level) => weightsAt(level, 1),
    coefficients: (level) => model.coefficients(level),
  };
}
