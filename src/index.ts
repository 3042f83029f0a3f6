/**
 * Score models and SDEs, samplers, likelihoods and latent codes, engines, and pictures of samples.
 *
 * @module fastsde
 */
import './globals.js';

export * from './errors.js';
export type { Closable } from './closing.js';
export type { FilePath, FileUrl, ModelFile } from './io/path.js';

export { vp, type VpOptions } from './sde/vp.js';
export { subvp, type SubVpOptions } from './sde/subvp.js';
export { ve, type VeOptions } from './sde/ve.js';
export { edm, type EdmOptions } from './sde/edm.js';
export { flow } from './sde/flow.js';
export { customSde, type CustomSdeOptions } from './sde/custom.js';
export { sdeFromName } from './sde/named.js';
export {
  sdeNames,
  gridNames,
  ladderNames,
  type SdeName,
  type GridName,
  type LadderName,
} from './sde/names.js';
export { dataLevel, levelAt, type Level, type Process } from './sde/level.js';
export { priorLogDensity } from './sde/prior.js';
export type { Ladder, Sde, Transition } from './sde/sde.js';
export type { CommonOptions } from './sde/constants.js';
export {
  ddpmLadder,
  geometricSigmas,
  ladderTransition,
  linearBetas,
  respacedLevels,
  smldLadder,
} from './sde/ladder.js';
export { tableSde, type SdeTable, type TableOptions } from './sde/table.js';
export { readSde } from './score/network/table-file.js';
export { ladderSde } from './sde/ladder-sde.js';
export type {
  DistilledSpacing,
  DynamicShift,
  EdmSpacing,
  FlowSpacing,
  Scheduler,
  Spacing,
} from './sde/scheduler.js';
export { ladderFromName, ladderFromNumbers, zeroTerminalSnr, type NamedLadder } from './sde/named-ladder.js';
export { readLadder, type LadderReading } from './score/network/ladder-file.js';
export { ladderGrid, spacedTimes, timeGrid, type Grid, type GridOptions, type Step } from './sde/grid.js';
export { chainTransitions, eulerTransitions, perturb, simulate, type ForwardNoise } from './sde/forward.js';

export type {
  ClosedForm,
  FedInput,
  Guidance,
  Inputs,
  Linearize,
  ModelInputs,
  Parameterization,
  ScoreCoefficients,
  ScoreModel,
  Vjp,
} from './score/model.js';
export { loadModel, type LoadOptions } from './score/network/load.js';
export type { OnnxScoreModel } from './score/network/model.js';
export { inspectModel, type Inspection, type ModelSummary } from './score/network/inspect.js';
export type { ProbeReport } from './score/network/probe.js';
export type { Finding, LevelReading } from './score/network/findings.js';
export { labelNames } from './score/network/labels.js';
export type { DescriptionOptions } from './score/network/description.js';
export type { Roles } from './score/network/roles.js';
export { embeddedModel } from './score/network/embedded.js';
export { functionModel, type FunctionModelOptions } from './score/function.js';
export { withEvaluate } from './score/wrapped.js';
export { withInputs } from './score/inputs.js';
export {
  guide,
  type AutoguidanceOptions,
  type ClassifierFreeOptions,
  type ClassifierOptions,
  type GuidanceOptions,
  type GuidanceStrength,
} from './control/guidance.js';
export { embeddedClassifier, guideAs, type GuidanceDescription } from './control/describe.js';
export { loadClassifier, type Classifier, type ClassifierLoadOptions } from './control/classifier.js';
export { GaussianMixture } from './score/mixture/mixture.js';
export type { MixtureSpec } from './score/mixture/spec.js';
export { mixtureModel, type MixtureModelOptions } from './score/mixture/model.js';
export { mixturePosterior, type LinearObservation } from './score/mixture/posterior.js';

export {
  linearPredictor,
  type LinearPredictor,
  type Move,
  type Predictor,
  type Walked,
  type Resolved,
} from './solvers/predictor.js';
export { ancestral, type AncestralOptions } from './solvers/predictors/ancestral.js';
export { consistency, type ConsistencyOptions } from './solvers/predictors/consistency.js';
export { ddim, type DdimOptions } from './solvers/predictors/ddim.js';
export { deis, type DeisOptions } from './solvers/predictors/deis.js';
export {
  dpmSolver1,
  dpmSolver2S,
  dpmSolver3S,
  dpmpp2S,
  dpmpp3S,
  type SinglestepOptions,
  type TwoStageOptions,
} from './solvers/predictors/dpm-solver.js';
export {
  dpmpp2M,
  dpmpp2MSde,
  dpmpp3M,
  dpmpp3MSde,
  dpmppSde,
  type SecondOrderOptions,
  type ThirdOrderOptions,
} from './solvers/predictors/dpm-solver-multistep.js';
export { edmHeun, type EdmHeunOptions } from './solvers/predictors/edm-heun.js';
export { ipndm, type IpndmOptions } from './solvers/predictors/ipndm.js';
export { pndm, type PndmOptions } from './solvers/predictors/pndm.js';
export { restart, type RestartInterval, type RestartOptions } from './solvers/predictors/restart.js';
export { erSde, saSolver, type ErSdeOptions, type SaSolverOptions } from './solvers/predictors/sa-solver.js';
export { unipc, type UnipcOptions } from './solvers/predictors/unipc.js';
export { multistep, type Combination, type Multistep, type MultistepOptions } from './solvers/multistep.js';
export { erSdeTau, type Tau } from './solvers/tau.js';
export { eulerMaruyama } from './solvers/predictors/euler-maruyama.js';
export { noPredictor } from './solvers/predictors/none.js';
export { probabilityFlow, reverseDiffusion } from './solvers/predictors/reverse-diffusion.js';
export { euler, heun, midpoint, rk4, rungeKutta, type Tableau } from './solvers/predictors/runge-kutta.js';
export type { Corrector } from './solvers/corrector.js';
export { ald, langevin, noCorrector, type LangevinOptions } from './solvers/correctors/langevin.js';
export {
  correctorNames,
  predictorNames,
  solverNames,
  type CorrectorName,
  type PredictorName,
  type SolverName,
} from './solvers/names.js';
export type { Described, Named } from './solvers/named.js';
export {
  predictorCorrector,
  type Denoise,
  type Sequence,
  type PredictorCorrectorOptions,
  type WalkOptions,
} from './solvers/predictor-corrector.js';
export { annealedLangevin, type AnnealedLangevinOptions } from './solvers/annealed-langevin.js';
export { gottaGoFast, type GottaGoFastOptions } from './solvers/gotta-go-fast.js';
export { langevinDynamics, type LangevinDynamicsOptions } from './solvers/langevin-dynamics.js';
export { rk45, type Rk45Options } from './solvers/ode/rk45.js';
export type { Coupling, Tolerances } from './solvers/ode/adaptive-step.js';
export type { FlowTolerances, Variable } from './solvers/ode/flow-integration.js';
export type { Observer, Plan, Solver } from './solvers/solver.js';

export { denoise, stayAt, walk, type Visit } from './solvers/walk.js';

export type { Batch, BatchOptions, Constraint, Update } from './solvers/batch.js';
export type { Counts } from './solvers/counts.js';
export type { SolverChoice } from './solvers/choice.js';
export type { Elements, Precision } from './device/device.js';

export { sample } from './sampling/sample.js';
export type { SampleOptions, SampleResult, Sampling } from './sampling/sample.js';
export type { Preview, Previewed, PreviewOptions, Progress, Trajectory } from './sampling/previews.js';
export {
  loadDecoder,
  loadEncoder,
  type AutoencoderOptions,
  type Decoder,
  type Encoder,
  type EncoderOptions,
} from './latent/autoencoder.js';
export { encodePrompt, type EncodedPrompt, type PromptOptions } from './latent/prompt.js';
export { sampleShards, type ShardsOptions, type ShardsResult } from './sampling/shards.js';
export { findGrid, type FindGridOptions, type GridCost } from './sampling/find-grid.js';
export { mergeShards, type Merged } from './sampling/merge.js';
export type { Manifest, Run, Shard } from './shards/manifest.js';

export { restore, type RestoreResult, type Restoring } from './control/restore.js';
export {
  restoreShards,
  type RestoreShardsOptions,
  type RestoreShardsResult,
} from './control/restore-shards.js';
export type { RestoreOptions } from './control/restore-options.js';
export { measure, type Measurement, type MeasureOptions } from './control/measurement.js';
export type {
  DifferentiableOperator,
  LinearOperator,
  Operator,
  OrthonormalRows,
  Spectrum,
} from './control/operator.js';
export {
  differentiableOperator,
  type DifferentiableOperatorOptions,
} from './control/differentiable-operator.js';
export { loadOperator, type OperatorLoadOptions } from './control/network-operator.js';
export { linearOperator, type LinearOperatorOptions } from './control/linear-operator.js';
export {
  blur,
  colorization,
  downsample,
  gaussianBlur,
  inpainting,
  matrixOperator,
} from './control/operators.js';
export { maskFromName, operatorFromName } from './control/from-name.js';
export { evidenceWeights } from './control/particle-system.js';
export { restorationMethods, type RestorationMethod } from './control/names.js';
export type { ReplacementLevel } from './control/replacement.js';

export { likelihood } from './likelihood/likelihood.js';
export {
  likelihoodShards,
  type LikelihoodShardsOptions,
  type LikelihoodShardsResult,
} from './likelihood/shards.js';
export type { LikelihoodOptions, TraceMethod } from './likelihood/job.js';
export type { LikelihoodResult, MeanBits } from './likelihood/summary.js';
export type { IntegrationOptions, IntegrationProgress } from './likelihood/integration.js';
export { decode, encode, interpolate } from './likelihood/latent.js';
export type { DecodeOptions, InterpolateOptions, LatentResult } from './likelihood/latent.js';
export type { Data } from './likelihood/data-space.js';
export type { DerivativeMethod } from './score/derivative.js';

export { openEngines, type Engines, type EnginesOptions } from './engine/engines.js';
export type { GuidedSource, MixtureSource, ModelSource } from './engine/source.js';

export { fillNormal, fillRademacher, fillUniform } from './device/kernels.js';
export { Stream, type NoiseAddress, type NormMode, type State } from './device/binding.js';
export { setDevice } from './device/where.js';
export type { DeviceName } from './device/device.js';
export { nativeInfo, setThreads } from './device/addon.js';
export type { NativeInfo } from './device/addon-interface.js';

export { encodePng, imageGrid, writeAnimation, writeImageFolder, writeImageGrid } from './io/image.js';
export type { GridLayout, ImageBatch, Picture } from './io/image.js';
export { writeScatter, type Scatter } from './io/scatter.js';
