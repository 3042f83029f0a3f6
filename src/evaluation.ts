/**
 * How far samples are from data: distances of features with their standard errors, and what they would be if both were equal.
 *
 * @module evaluation
 */
import './globals.js';

export { featuresOf, type Features, type PassOptions } from './evaluation/features.js';
export {
  gaussianOf,
  mergeMoments,
  featureMoments,
  type Gaussian,
  type FeatureMoments,
} from './evaluation/moments.js';
export { frechetDistance, type Estimate, type FrechetDistance } from './evaluation/frechet.js';
export { kernelDistance, type KernelDistance, type KernelDistanceOptions } from './evaluation/kernel.js';
export {
  manifoldMetrics,
  type Fidelity,
  type Manifold,
  type ManifoldOptions,
} from './evaluation/manifold.js';
export { inceptionScore } from './evaluation/inception-score.js';
export { slicedWasserstein, type SlicedWassersteinOptions } from './evaluation/sliced-wasserstein.js';
export {
  memorisation,
  nearestNeighbours,
  type Memorisation,
  type NearestOptions,
  type Neighbours,
} from './evaluation/nearest.js';
export { resizePictures, type ResizeRule } from './evaluation/resize.js';
export { evaluate, type EvaluateOptions, type Evaluation, type MetricName } from './evaluation/evaluate.js';
export {
  embeddedFeatures,
  loadFeatureNetwork,
  type FeatureNetwork,
  type FeatureNetworkOptions,
} from './evaluation/feature-network.js';
export type { EmbeddedData } from './embedded-file.js';
export { extractFeatures, rawFeatures, type Extracted, type ExtractOptions } from './evaluation/extract.js';
export { openSamples, samplesOf, type Piece, type Samples } from './evaluation/samples.js';
export { compare, type Comparing, type Comparison, type ComparisonRow } from './evaluation/compare.js';
export type { CompareOptions, CompareProgress } from './evaluation/comparison-job.js';
export { writeComparison, writeComparisonCsv } from './evaluation/comparison-files.js';
export type { Sampler } from './evaluation/cells.js';
export type { Distance, DistanceName, Distances, ExactLaw, ReferenceData } from './evaluation/distances.js';
export { writeNeighbours } from './evaluation/neighbours-picture.js';
