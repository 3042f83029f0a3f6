/**
 * ONNX models as data: reading, writing and running them, their metadata, and their derivatives.
 *
 * @module onnx
 */
import './globals.js';

export {
  metadataProperties,
  readMetadata,
  type ModelMetadata,
  type TensorNames,
} from './score/network/metadata.js';
export { readModel, withMetadata, writeModel, type Model, type TensorInfo } from './onnx/file/model.js';
export { createSession, type Session, type SessionOptions, type Tensor } from './onnx/run/runtime.js';
export { vjp, type VjpOptions } from './autodiff/vjp.js';
export { jvp, type JvpOptions } from './autodiff/jvp.js';
export { grad, type GradOptions } from './autodiff/grad.js';
export {
  readTrainingGraph,
  trainingGraph,
  type Parameter,
  type TrainingGraph,
  type TrainingOptions,
} from './autodiff/training.js';
export { parameterValues, withParameters, type ParameterSelection } from './autodiff/parameters.js';
export type { Loss } from './autodiff/loss.js';
export { support, type Support, type SupportOptions } from './autodiff/support.js';
export { operators, registerJvp, registerVjp } from './autodiff/registry.js';
export { checkDerivative, type CheckOptions, type DirectionCheck } from './autodiff/check.js';
