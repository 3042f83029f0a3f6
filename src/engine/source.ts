import { EngineError, OptionError } from '../errors.js';
import { checkKnown, isRecord } from '../options.js';
import { sessionKind } from '../onnx/run/runtime.js';
import { guideAs, type GuidanceDescription } from '../control/describe.js';
import { mixtureModel, type MixtureModelOptions } from '../score/mixture/model.js';
import { GaussianMixture } from '../score/mixture/mixture.js';
import type { MixtureSpec } from '../score/mixture/spec.js';
import type { ScoreModel } from '../score/model.js';
import { loadModel, type LoadOptions } from '../score/network/load.js';
import { sdeFromName } from '../sde/named.js';
import type { SdeName } from '../sde/names.js';
import type { Sde } from '../sde/sde.js';
import { isModelFile, type ModelFile } from '../io/path.js';

/** A Gaussian mixture and the SDE that diffuses it. */
export interface MixtureSource extends MixtureModelOptions {
  /** The law of the data. */
  readonly mixture: MixtureSpec;
  /** An SDE, or the name of one. Default `vp`. */
  readonly sde?: Sde | SdeName | undefined;
}

/** A network that is guided. */
export interface GuidedSource {
  /** The path or `file:` URL of an ONNX file, or the bytes of one. */
  readonly model: ModelFile;
  /** How it is guided, with files in the place of networks. */
  readonly guidance: GuidanceDescription;
}

/**
 * What engines run: the path or `file:` URL of an ONNX file, the bytes of one, a network that is guided, a mixture, or a model of the caller's, whom
 * it stays with.
 */
export type ModelSource = ModelFile | GuidedSource | MixtureSource | ScoreModel;

/** A model for each engine. */
export interface OpenModels {
  readonly models: readonly ScoreModel[];
  /** Closes what was opened for the engines. */
  close(): Promise<void>;
}

/**
 * A model for each of `count` engines: a network has a session in each; other models are one for all.
 *
 * @throws EngineError where networks would run on the calling thread; what `loadModel` throws; OptionError for a source that
 *   is none.
 */
export async function openModels(
  source: ModelSource,
  count: number,
  options: LoadOptions,
): Promise<OpenModels> {
  const open = opener(source, options);
  if (open) {
    if ((await sessionKind(options)) === 'node') {
      throw new EngineError(
        'Engines need sessions of the addon: here onnxruntime-node runs networks (FASTSDE_SESSIONS=node, or a ' +
          'system without them), and would hold this thread. Call sample() and its kin in a thread of your own.',
      );
    }
    return loadModels(Array.from({ length: count }, open));
  }
  const stray = Object.entries(options).find(([name, value]) => name !== 'threads' && value !== undefined);
  if (stray) throw new OptionError(...stray, 'left out for what is no file of a network');
  const models = new Array<ScoreModel>(count).fill(modelOf(source as MixtureSource | ScoreModel));
  return { models, close: () => Promise.resolve() };
}

/** Loads a network, guided or not; undefined for what is none. */
function opener(source: ModelSource, options: LoadOptions): (() => Promise<ScoreModel>) | undefined {
  if (isModelFile(source)) return () => loadModel(source, options);
  if (!isRecord(source) || !('guidance' in source) || 'evaluate' in source) return undefined;
  checkKnown(source, ['model', 'guidance']);
  const { model: file, guidance } = source as GuidedSource;
  return async () => {
    const model = await loadModel(file, options);
    try {
      return await guideAs(model, guidance, options);
    } catch (cause) {
      await model.close();
      throw cause;
    }
  };
}

function modelOf(source: MixtureSource | ScoreModel): ScoreModel {
  const given: unknown = source;
  if (isRecord(given) && 'evaluate' in given) return source as ScoreModel;
  if (!isRecord(given) || !('mixture' in given)) {
    const expected =
      'the path of an ONNX file, its bytes as a Uint8Array, { model, guidance }, { mixture, sde }, or a score model';
    throw new OptionError('model', source, expected);
  }
  const { mixture, sde = 'vp', ...options } = source as MixtureSource;
  return mixtureModel(
    new GaussianMixture(mixture),
    typeof sde === 'string' ? sdeFromName(sde) : sde,
    options,
  );
}

/** All of them, or none. */
async function loadModels(loading: readonly Promise<ScoreModel>[]): Promise<OpenModels> {
  const ends = await Promise.allSettled(loading);
  const models = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(models.map((model) => model.close()));
  };
  const failure = ends.find((end) => end.status === 'rejected');
  if (!failure) return { models, close };
  await close();
  throw failure.reason;
}
