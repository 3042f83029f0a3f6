export * from './errors.js';

export { vp, type VpOptions } from './sde/vp.js';
export { subvp, type SubVpOptions } from './sde/subvp.js';
export { ve, type VeOptions } from './sde/ve.js';
export { edm, type EdmOptions } from './sde/edm.js';
export { customSde, type CustomSdeOptions } from './sde/custom.js';
export { sdeFromName, sdeNames, type SdeName } from './sde/named.js';
export { priorLogDensity } from './sde/prior.js';
export type { Sde, Transition } from './sde/sde.js';
export type { CommonOptions } from './sde/constants.js';
export {
  ddpmLadder,
  geometricSigmas,
  ladderTransition,
  linearBetas,
  respacedLevels,
  smldLadder,
  type Ladder,
} from './sde/ladder.js';
export { ladderGrid, spacedTimes, timeGrid, type GridOptions, type Spacing, type Step } from './sde/grid.js';
export { chainTransitions, eulerTransitions, perturb, simulate, type ForwardNoise } from './sde/forward.js';

export type { At, ClosedForm, Parameterization, ScoreCoefficients, ScoreModel, Vjp } from './score/model.js';
export { loadModel, type LoadOptions, type OnnxScoreModel } from './score/onnx.js';
export { inspectModel, type Inspection, type ModelSummary } from './score/inspect.js';
export type { ProbeReport } from './score/probe.js';
export type { Finding, LevelReading } from './score/findings.js';
export { metadataProperties, readMetadata, type ModelMetadata, type TensorNames } from './score/metadata.js';
export { labelNames } from './score/labels.js';
export type { DescriptionOptions } from './score/description.js';
export type { Roles } from './score/roles.js';
export { embeddedModel } from './score/embedded.js';
export { functionModel, type FunctionModelOptions } from './score/function.js';
export { GaussianMixture, type MixtureSpec } from './score/mixture.js';
export { mixtureModel, type MixtureModelOptions } from './score/mixture-model.js';
export { mixturePosterior, type LinearObservation } from './score/mixture-posterior.js';

export {
  ancestral,
  eulerMaruyama,
  noPredictor,
  probabilityFlow,
  reverseDiffusion,
} from './solvers/predictors.js';
export type { AncestralOptions, Predictor, Update } from './solvers/predictors.js';
export {
  ald,
  langevin,
  noCorrector,
  type Corrector,
  type LangevinOptions,
  type Level,
} from './solvers/correctors.js';
export type { CorrectorName, PredictorName } from './solvers/named.js';
export {
  predictorCorrector,
  type Denoise,
  type Order,
  type PredictorCorrectorOptions,
} from './solvers/predictor-corrector.js';
export { annealedLangevin, type AnnealedLangevinOptions } from './solvers/annealed-langevin.js';
export { langevinDynamics, type LangevinDynamicsOptions } from './solvers/langevin-dynamics.js';
export { rk45, type Rk45Options } from './solvers/rk45.js';
export { fixedStep, type FixedStepOptions } from './solvers/fixed-step.js';
export type { RungeKuttaMethod } from './solvers/runge-kutta.js';
export type { Coupling, Tolerances } from './solvers/adaptive-step.js';
export type { FlowTolerances, Variable } from './solvers/flow-integration.js';
export type { Observer, Plan, Solver } from './solvers/solver.js';
export type { Batch, BatchOptions, Counts, Time } from './solvers/batch.js';

export { sample } from './workflows/sample.js';
export type { Preview, Progress, SampleOptions, SampleResult, Trajectory } from './workflows/sample.js';
export type { Sampling } from './workflows/sampling.js';
export { writePlane, type PlaneOptions } from './workflows/plane.js';
export { sampleShards, type ShardsOptions, type ShardsResult } from './workflows/shards.js';
export { mergeShards, type Merged } from './workflows/merge.js';
export type { Manifest, Run, Shard } from './workflows/manifest.js';

export { likelihood } from './workflows/likelihood.js';
export type {
  LikelihoodOptions,
  LikelihoodProgress,
  LikelihoodResult,
  MeanBits,
} from './workflows/likelihood.js';
export { decode, encode, interpolate } from './workflows/latent.js';
export type {
  DecodeOptions,
  Flowed,
  InterpolateOptions,
  LatentOptions,
  LatentProgress,
} from './workflows/latent.js';
export type { Data } from './workflows/model-space.js';
export type { DerivativeMethod } from './score/derivative.js';

export { openEngines, type Engines, type EnginesOptions } from './engine/engines.js';
export type { MixtureSource, ModelSource } from './engine/source.js';

export { fillNormal, fillRademacher, fillUniform } from './native/kernels.js';
export { Stream, type NoiseAddress, type NormMode, type State } from './native/binding.js';
export { nativeInfo, setThreads, type NativeInfo } from './native/addon.js';

export {
  encodePng,
  imageGrid,
  readImage,
  writeAnimation,
  writeImageFolder,
  writeImageGrid,
} from './io/image.js';
export type { FitOptions, GridLayout, ImageBatch, Picture } from './io/image.js';
export { writeScatter, type Scatter } from './io/scatter.js';
export { decodeNpy, encodeNpy, type NdArray, type NumericArray } from './io/npy.js';
export { decodeNpz, encodeNpz } from './io/npz.js';

export { encodeCsv } from './io/csv.js';
export { writeHistogram, type Histogram } from './io/histogram.js';
export { writeChart, type Chart, type Curve } from './io/chart.js';

export { loadData, type LoadDataOptions } from './data/load.js';
export type { PictureOptions } from './data/pictures.js';
export { holdOut, modelValues, type Dataset, type DataSpace } from './data/dataset.js';
export { eightGaussians, toys, type Toy, type ToyName, type ToyOptions } from './data/toys.js';
export { dataFolder, mnist, type Split } from './data/mnist.js';
export { decodeIdx } from './data/idx.js';
export { decodeCifar10 } from './data/cifar10.js';

export { buildNetwork } from './networks/build.js';
export { withoutDropout } from './networks/dropout.js';
export { defaultNetwork } from './networks/presets.js';
export type {
  ClassifierDescription,
  MlpDescription,
  NetworkDescription,
  UNetDescription,
} from './networks/description.js';

export { readModel, withMetadata, writeModel, type Model, type TensorInfo } from './onnx/model.js';
export { createSession, type Session, type SessionOptions, type Tensor } from './onnx/runtime.js';
export { vjp, type VjpOptions } from './onnx/autodiff/vjp.js';
export { jvp, type JvpOptions } from './onnx/autodiff/jvp.js';
export { grad, type GradOptions } from './onnx/autodiff/grad.js';
export {
  readTrainingGraph,
  trainingGraph,
  type Parameter,
  type TrainingGraph,
  type TrainingOptions,
} from './onnx/autodiff/training.js';
export { parameterValues, withParameters, type ParameterSelection } from './onnx/autodiff/parameters.js';
export type { Loss } from './onnx/autodiff/loss.js';
export {
  objective,
  objectiveKinds,
  type Feeds,
  type Objective,
  type ObjectiveKind,
  type ObjectiveOptions,
  type Rows,
} from './training/objective.js';
export { timeLaws, type TimeLaw, type TimesOptions } from './training/times.js';
export { weightings, type Weighting, type WeightingOptions } from './training/weighting.js';
export {
  fisherDivergence,
  type FisherDivergence,
  type FisherDivergenceOptions,
} from './training/explicit.js';
export type { NoisingOptions } from './training/noising.js';
export type { ImplicitOptions } from './training/implicit.js';
export type { ConditionOptions } from './training/conditions.js';
export { support, type Support, type SupportOptions } from './onnx/autodiff/support.js';
export { operators, registerJvp, registerVjp } from './onnx/autodiff/registry.js';
export { checkDerivative, type CheckOptions, type DirectionCheck } from './onnx/autodiff/check.js';

export { train } from './workflows/train.js';
export type {
  CheckpointOptions,
  TimeBucket,
  Training,
  TrainOptions,
  TrainProgress,
  TrainResult,
} from './workflows/train.js';
export type { Validation } from './training/checkpoint.js';
export type { Ema } from './training/ema.js';
export type { ScheduleOptions } from './training/schedule.js';
