import { OptionError } from '../errors.js';
import { isRecord } from '../options.js';
import { mixtureModel, type MixtureModelOptions } from '../score/mixture/model.js';
import { GaussianMixture } from '../score/mixture/mixture.js';
import type { MixtureSpec } from '../score/mixture/spec.js';
import type { ScoreModel } from '../score/model.js';
import { loadModel, type LoadOptions } from '../score/network/load.js';
import { sdeFromName } from '../sde/named.js';
import type { SdeName } from '../sde/names.js';
import type { Sde } from '../sde/sde.js';
import { plain, restored } from './plain.js';

/** A Gaussian mixture and the SDE that diffuses it. */
export interface MixtureSource extends MixtureModelOptions {
  readonly mixture: MixtureSpec;
  /** An SDE of fastsde, or the name of one. Default `vp`. */
  readonly sde?: Sde | SdeName;
}

/** What an engine loads: the path of an ONNX file, the bytes of one, or a mixture. */
export type ModelSource = string | Uint8Array | MixtureSource;

/** A source with its options as another thread can have them. */
export interface PlainSource {
  readonly source: unknown;
  readonly options: unknown;
}

/** @throws OptionError for a source or an option that cannot go to another thread. */
export function plainSource(source: ModelSource, options: LoadOptions): PlainSource {
  if (typeof source === 'string' || source instanceof Uint8Array)
    return { source: plain('model', source), options: plain('', options) };
  if (!isRecord(source) || !('mixture' in source)) {
    throw new OptionError(
      'model',
      source,
      'the path of an ONNX file, its bytes as a Uint8Array, or { mixture, sde }: engines are other threads, which ' +
        'a loaded model or a function cannot enter',
    );
  }
  const stray = Object.entries(options).find(([name, value]) => name !== 'threads' && value !== undefined);
  if (stray) throw new OptionError(...stray, 'left out for a mixture, which is no network');
  return { source: plain('', source), options: {} };
}

/** Opens what `plainSource` was given. */
export async function openSource({ source, options }: PlainSource): Promise<ScoreModel> {
  if (typeof source === 'string' || source instanceof Uint8Array)
    return loadModel(source, restored(options) as LoadOptions);
  const { mixture, sde = 'vp', ...rest } = restored(source) as MixtureSource;
  return mixtureModel(new GaussianMixture(mixture), typeof sde === 'string' ? sdeFromName(sde) : sde, rest);
}
