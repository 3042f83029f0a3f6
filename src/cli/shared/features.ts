import { Option } from 'commander';
import { OptionError } from '../../errors.js';
import type { Extracted } from '../../evaluation/extract.js';
import type { FeatureNetwork } from '../../evaluation/feature-network.js';
import type { Samples } from '../../evaluation/samples.js';
import { known } from './arguments.js';

/** Flags that say by which features samples are compared with data. */
export interface FeatureFlags {
  readonly data?: string;
  readonly features?: string;
  readonly threads?: number;
  readonly provider?: 'cpu' | 'cuda';
}

export function featuresOption(): Option {
  const option = new Option(
    '--features <name|file>',
    'an ONNX file with the metadata of a feature network, cifar10 (in @fastsde/models), or raw: the values themselves ' +
      '(default: the embedded network for mnist, else raw)',
  );
  return known(option, ['cifar10', 'raw']);
}

/** The network that the flags ask for; undefined for the values themselves. */
export async function openFeatures({
  features,
  data,
  threads,
  provider,
}: FeatureFlags): Promise<FeatureNetwork | undefined> {
  const { embeddedFeatures, loadFeatureNetwork } = await import('../../evaluation/feature-network.js');
  const { quietRuntime } = await import('./model.js');
  const { isAbsent, openFile } = await import('../../io/read.js');
  if (features === 'raw' || (features === undefined && data !== 'mnist')) return undefined;
  const path = features === undefined || features === 'cifar10' ? embeddedFeatures(features) : features;
  try {
    await (await openFile(path)).close();
  } catch (cause) {
    if (features === undefined && isAbsent(cause)) return undefined;
    throw cause;
  }
  await quietRuntime();
  return loadFeatureNetwork(path, { threads, provider });
}

export interface FeatureWork {
  readonly network: FeatureNetwork | undefined;
  /** What is black and white of floats, where it is known. */
  readonly range: readonly [number, number] | undefined;
  readonly cache: string | undefined;
  readonly label: string;
  readonly quiet: true | undefined;
  readonly signal: AbortSignal;
}

/** The features of samples, with a progress bar where a network makes them. */
export async function readFeatures(
  samples: Samples,
  { network, range, cache, label, quiet, signal }: FeatureWork,
): Promise<Extracted> {
  const { extractFeatures, rawFeatures } = await import('../../evaluation/extract.js');
  if (network === undefined) {
    if (samples.bytes || range !== undefined || samples.shape.length !== 3)
      return { features: rawFeatures(samples, range ?? [0, 1]) };
    throw new OptionError(
      'dataRange',
      undefined,
      'given, so that pictures of floats and of bytes can be compared',
    );
  }
  return following(label, quiet, samples.count, (onProgress) =>
    extractFeatures(samples, network, { cache, signal, onProgress }),
  );
}

/** Does work on so many samples with a progress bar. */
export async function following<T>(
  label: string,
  quiet: true | undefined,
  count: number,
  work: (onProgress: (fraction: number) => void) => Promise<T>,
): Promise<T> {
  const { ProgressBar } = await import('../../io/progress.js');
  const bar = quiet ? undefined : new ProgressBar(label, 'sample');
  try {
    return await work((fraction) => bar?.update(fraction, count));
  } finally {
    bar?.clear();
  }
}
