import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import { extractFeatures } from './extract.js';
import type { FeatureNetwork } from './feature-network.js';
import { blockRows, featuresOf, type Features } from './features.js';
import { frechetDistance, type Estimate } from './frechet.js';
import { kernelDistance } from './kernel.js';
import { samplesOf } from './samples.js';
import { slicedWasserstein } from './sliced-wasserstein.js';

/** What {@link compare} can compute of the samples of a sampler. */
export type DistanceName =
  'ode-rms' | 'ode-wasserstein' | 'law-wasserstein' | 'law-frechet' | 'frechet' | 'kernel';

export const distanceNames: readonly DistanceName[] = [
  'ode-rms',
  'ode-wasserstein',
  'law-wasserstein',
  'law-frechet',
  'frechet',
  'kernel',
];

/** A distance with its standard error, where it has one. */
export type Distance = Omit<Estimate, 'standardError'> & Partial<Estimate>;

/** Distances by their names. */
export type Distances = Partial<Record<DistanceName, Distance>>;

/** A law of which exact samples can be drawn, and whose moments are known: a Gaussian mixture is one. */
export interface ExactLaw {
  /** [count, dimension]; a sample is a function of the seed and its index. */
  sample(count: number, options: { seed: bigint; first: number }): Float64Array;
  /** [dimension] */
  mean(): Float64Array;
  /** [dimension, dimension] */
  covariance(): Float64Array;
}

/** Data that samples are compared with. */
export interface ReferenceData {
  /** Those of the data. */
  readonly features: Features;
  /** What makes features of samples. Default: their values are the features. */
  readonly network?: FeatureNetwork | undefined;
  /** Features of other data of the same law, which show what a perfect sampler would get. */
  readonly heldOut?: Features | undefined;
}

/** Random directions of sliced distances: the same for all samplers, so that few tell them apart. */
const directions = 256;

/** Sample by sample, the root mean square of the difference of an element. */
export function rmsDistance(a: Float32Array, b: Float32Array, elements: number): Distance {
  const count = a.length / elements;
  const squares = Float64Array.from({ length: count }, (_, n) => {
    let sum = 0;
    for (let i = n * elements; i < (n + 1) * elements; i++) sum += (a[i]! - b[i]!) ** 2;
    return sum / elements;
  });
  const mean = squares.reduce((sum, square) => sum + square, 0) / count;
  const value = Math.sqrt(mean);
  if (count < 2 || value === 0) return { value };
  const variance = squares.reduce((sum, square) => sum + (square - mean) ** 2, 0) / (count - 1);
  // The derivative of the square root.
  return { value, standardError: Math.sqrt(variance / count) / (2 * value) };
}

/** The squared sliced Wasserstein distance of as many samples of two laws. */
export function slicedDistance(
  a: Float32Array,
  b: Float32Array,
  elements: number,
  seed: bigint,
  signal: AbortSignal | undefined,
): Promise<Distance> {
  const features = [a, b].map((values) => featuresOf(values, elements));
  return slicedWasserstein(features[0]!, features[1]!, {
    directions,
    seed,
    signal,
    subset: a.length / elements,
  });
}

/** The squared Frechet distance of samples to a law with known moments. */
export async function lawFrechet(
  samples: Float32Array,
  law: ExactLaw,
  signal: AbortSignal | undefined,
): Promise<{ distance: Distance; warnings: readonly string[] }> {
  const mean = law.mean();
  const known = { mean, covariance: law.covariance(), count: Infinity };
  const { value, standardError, warnings } = await frechetDistance(featuresOf(samples, mean.length), known, {
    signal,
  });
  return { distance: { value, ...(standardError !== undefined && { standardError }) }, warnings };
}

/** The features of samples of a model, as those of the data were made. */
export async function modelFeatures(
  model: ScoreModel,
  samples: Float32Array,
  { network }: ReferenceData,
  signal: AbortSignal | undefined,
): Promise<Features> {
  const elements = elementCount(model.shape);
  if (network === undefined) return featuresOf(samples, elements);
  const shape = [samples.length / elements, ...model.shape];
  const pictures = { ...samplesOf({ data: samples, shape }), range: model.sde.dataRange };
  return (await extractFeatures(pictures, network, { signal })).features;
}

/** The distances of features to those of data that were asked for. */
export async function dataDistances(
  features: Features,
  data: ReferenceData,
  wanted: readonly DistanceName[],
  signal: AbortSignal | undefined,
): Promise<{ distances: Distances; warnings: readonly string[] }> {
  const frechet = wanted.includes('frechet')
    ? await frechetDistance(features, data.features, { signal })
    : undefined;
  // Of few samples the reference is known well enough by as many times that number.
  const block = Math.min(20_000, Math.max(5000, 4 * features.count));
  const kernel = wanted.includes('kernel')
    ? await kernelDistance(features, data.features, { block, signal })
    : undefined;
  const { value, standardError, warnings = [] } = frechet ?? {};
  return {
    distances: {
      ...(value !== undefined && {
        frechet: { value, ...(standardError !== undefined && { standardError }) },
      }),
      ...(kernel && { kernel: { value: kernel.value, standardError: kernel.standardError } }),
    },
    warnings,
  };
}

/** The rows of these indices, which ascend, in memory. */
export async function pickFeatures(features: Features, indices: Uint32Array): Promise<Features> {
  const { width, count } = features;
  const rows = new Float32Array(indices.length * width);
  for (let row = 0; row < indices.length;) {
    const first = indices[row]!;
    const values = await features.read(first, Math.min(blockRows, count - first));
    for (; row < indices.length && (indices[row]! - first) * width < values.length; row++) {
      const from = (indices[row]! - first) * width;
      rows.set(values.subarray(from, from + width), row * width);
    }
  }
  return featuresOf(rows, width);
}
