/**
 * Training: recipes, objectives, the loop and its checkpoints; networks from a description; pictures of what was learned.
 *
 * @module training
 */
import './globals.js';

export { writePlane, type PlaneOptions } from './evaluation/plane.js';
export { buildNetwork } from './networks/build.js';
export { withoutDropout } from './networks/dropout.js';
export { defaultNetwork } from './networks/presets.js';
export type {
  ClassifierDescription,
  MlpDescription,
  NetworkDescription,
  UNetDescription,
} from './networks/description.js';
export { objective, type ObjectiveFeeds, type Objective } from './training/objective.js';
export {
  objectiveKinds,
  timeLaws,
  weightings,
  type ObjectiveKind,
  type TimeLaw,
  type Weighting,
} from './training/names.js';
export type { TrainingRows } from './training/criterion.js';
export type { TimesOptions } from './training/times.js';
export type { WeightingOptions } from './training/weighting.js';
export {
  fisherDivergence,
  type FisherDivergence,
  type FisherDivergenceOptions,
} from './training/explicit.js';
export type { NoisingOptions } from './training/noising.js';
export type { ImplicitOptions } from './training/implicit.js';
export type { ConditionOptions } from './training/conditions.js';
export { chooseRecipe, splitData, type Recipe, type RecipeOptions } from './training/recipe.js';
export { train, type Training } from './training/train.js';
export type {
  CheckpointOptions,
  ObjectiveOptions,
  SnapshotOptions,
  TrainOptions,
  TrainSettings,
} from './training/options.js';
export type { TimeBucket, TrainProgress, TrainResult } from './training/results.js';
export type { Validation } from './training/checkpoint.js';
export { heldOutLoss, type HeldOutLossOptions } from './training/held-out.js';
export { postHocAverage, type PostHocAverage, type PostHocOptions } from './training/snapshots.js';
export type { Ema } from './training/ema.js';
export type { ScheduleOptions } from './training/schedule.js';
