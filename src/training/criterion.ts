import type { ParameterSelection } from '../autodiff/parameters.js';
import type { GraphForm, TrainingGraph } from '../autodiff/training.js';
import type { Model } from '../onnx/file/model.js';
import type { Tensor } from '../onnx/run/runtime.js';
import type { ModelDescription } from '../score/network/description.js';
import type { Level } from '../sde/level.js';
import type { InputValue } from '../score/network/input-values.js';
import type { Roles } from '../score/network/roles.js';
import type { Target } from './target.js';

/** A network that is trained, and what it is. */
export interface TrainedNetwork {
  readonly model: Model;
  readonly roles: Roles;
  readonly description: ModelDescription;
  /** What its inputs beside state, time and class are fed, in every row the same. */
  readonly inputs: readonly InputValue[];
  /** Elements of a sample. */
  readonly elements: number;
}

/** The level at which one row is trained, the factor of its loss that its law of times asks for, and what the network should say there. */
export interface TrainingPoint extends Level {
  readonly weight: number;
  /** Of a criterion that has one. */
  readonly target: Target | undefined;
}

/** Rows of a batch of training data. */
export interface TrainingRows {
  /** `[n, ...shape]`: floats in the model's space, or bytes, of which 0 and 255 are the ends of its data range. */
  readonly x0: Float32Array | Uint8Array;
  /** One per row: not 0 where the image is to be mirrored left to right. Default: none is. */
  readonly flips?: Uint8Array;
  /** Class of each row, where the network takes one. */
  readonly labels?: Int32Array;
  /** Index of the first row within the whole batch. */
  readonly first: number;
  /** Number of the training step, part of the noise address. */
  readonly step: number;
  /** Unsigned 64-bit seed. */
  readonly seed: bigint;
}

/** What one kind of objective adds to noised rows. */
export interface Criterion {
  /** Number of classes that the network tells apart, for a classifier. */
  readonly classes?: number;
  trainingGraph(parameters: ParameterSelection, form: GraphForm): Promise<TrainingGraph>;
  /** What the network should say, fed as the input "target"; absent where nothing is compared with the output. */
  readonly target?: (level: Level) => Target;
  /** Inputs of the graph beside the network's own and the target. */
  feeds(points: readonly TrainingPoint[], rows: TrainingRows): Record<string, Tensor>;
}

/** An input [N] of one number for every row. */
export function rowTensor(points: readonly TrainingPoint[], value: (point: TrainingPoint) => number): Tensor {
  const data = new Float32Array(points.length);
  for (let i = 0; i < data.length; i++) data[i] = value(points[i]!);
  return { data, dims: [data.length] };
}
