import { resolve } from 'node:path';
import { embeddedFile, type EmbeddedData } from '../embedded-file.js';
import { OptionError } from '../errors.js';
import { checkChoice, isRecord } from '../options.js';
import { withKnownInputs } from '../score/inputs.js';
import type { ScoreModel } from '../score/model.js';
import { loadModel, type LoadOptions } from '../score/network/load.js';
import { OnnxScoreModel } from '../score/network/model.js';
import type { ModelFile } from '../io/path.js';
import { loadClassifier } from './classifier.js';
import { ANOTHER_MODEL } from './parts.js';
import {
  guide,
  type AutoguidanceOptions,
  type ClassifierFreeOptions,
  type ClassifierOptions,
} from './guidance.js';

/** A guidance as plain data: the options of {@link guide} with files in the place of what is loaded from them. */
export type GuidanceDescription =
  | (Omit<ClassifierFreeOptions, 'unconditional'> & { readonly unconditional?: ModelFile | undefined })
  /** Default: the embedded classifier of pictures of that shape. */
  | (Omit<ClassifierOptions, 'classifier'> & { readonly classifier?: ModelFile | undefined })
  | (Omit<AutoguidanceOptions, 'guide'> & { readonly guide: ModelFile });

/**
 * Path of a classifier of noisy pictures that comes with the package: VP, data in [-1, 1], 10 classes. That of `cifar10` is in
 * `@fastsde/models`.
 * @throws LoadError where that package is not installed.
 */
export function embeddedClassifier(data: EmbeddedData = 'mnist'): string {
  return embeddedFile(data, 'classifier');
}

/** The embedded classifier of pictures like those of a model, by their shape. */
export function classifierFor({ shape }: Pick<ScoreModel, 'shape'>): string {
  return embeddedClassifier(shape.join() === '3,32,32' ? 'cifar10' : 'mnist');
}

/**
 * The model guided as described. What is loaded from files runs as the model does, and is closed with the result; on an error it is
 * closed at once, and the model is not.
 *
 * @throws what `guide`, `loadModel` and `loadClassifier` throw.
 */
export async function guideAs(
  model: ScoreModel,
  description: GuidanceDescription,
  { batch, threads, provider, inputs }: Pick<LoadOptions, 'batch' | 'threads' | 'provider' | 'inputs'> = {},
): Promise<ScoreModel> {
  if (!isRecord(description))
    throw new OptionError('guidance', description, 'an object such as { kind: "classifier-free", scale: 2 }');
  const load = {
    ...(batch !== undefined && { batch }),
    ...(threads !== undefined && { threads }),
    ...(provider !== undefined && { provider }),
  };
  switch (checkChoice('kind', description.kind, ['classifier-free', 'classifier', 'autoguidance'])) {
    case 'classifier-free': {
      const { unconditional, ...options } = description as GuidanceDescription & { kind: 'classifier-free' };
      if (unconditional === undefined) return guide(model, options);
      return guided(await loadModel(unconditional, load), (other) =>
        guide(model, { ...options, unconditional: withKnownInputs(other, inputs ?? {}) }),
      );
    }
    case 'classifier': {
      const { classifier = classifierFor(model), ...options } = description as GuidanceDescription & {
        kind: 'classifier';
      };
      return guided(await loadClassifier(classifier, load), (other) =>
        guide(model, { ...options, classifier: other }),
      );
    }
    case 'autoguidance': {
      const { guide: file, ...options } = description as GuidanceDescription & { kind: 'autoguidance' };
      if (typeof file === 'string' && isOfFile(model, file))
        throw new OptionError('guide', file, ANOTHER_MODEL);
      return guided(await loadModel(file, load), (other) =>
        guide(model, { ...options, guide: withKnownInputs(other, inputs ?? {}) }),
      );
    }
  }
}

function isOfFile(model: ScoreModel, path: string): boolean {
  return model instanceof OnnxScoreModel && resolve(model.source) === resolve(path);
}

/** What is made of something that was opened, which is closed again where that fails. */
async function guided<T extends { close?(): Promise<void> }>(
  opened: T,
  make: (opened: T) => ScoreModel,
): Promise<ScoreModel> {
  try {
    return make(opened);
  } catch (cause) {
    await opened.close?.();
    throw cause;
  }
}
