import type { Float32Tensor } from '../io/safetensors.js';
import { elementCount } from '../shape.js';

/** The state of a run: all that a step changes. Parameters of all tensors lie in one array, in the order of the names. */
export interface TrainingState {
  readonly parameters: Float32Array;
  readonly firstMoments: Float32Array;
  readonly secondMoments: Float32Array;
  /** One for each moving average. */
  readonly averages: readonly Float32Array[];
}

/** A trained tensor, in the order in which they lie in memory. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the queues of a run share. */
export interface Memory extends TrainingState {
  /** The gradient of each part of a batch; after the sum, that of the step in the first of them. */
  readonly gradients: readonly Float32Array[];
  /** The sum of the squares of each part's slice of that. */
  readonly squares: Float64Array;
}

/** Zeroed shared memory for so many parameters. */
export function allocate(parameters: number, averages: number, parts: number): Memory {
  const squares = new Float64Array(new SharedArrayBuffer(8 * parts));
  return { ...allocateState(parameters, averages), gradients: zeros(parameters, parts), squares };
}

export function allocateState(count: number, averages: number): TrainingState {
  const [parameters, firstMoments, secondMoments] = zeros(count, 3) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { parameters, firstMoments, secondMoments, averages: zeros(count, averages) };
}

/** The arrays of a state, always in the same order. */
export function arraysOf({
  parameters,
  firstMoments,
  secondMoments,
  averages,
}: TrainingState): Float32Array[] {
  return [parameters, firstMoments, secondMoments, ...averages];
}

function zeros(length: number, count: number): Float32Array[] {
  return Array.from({ length: count }, () => new Float32Array(new SharedArrayBuffer(4 * length)));
}

/** The tensors that lie in one array, by name, as views. */
export function tensorsOf(
  parameters: readonly ParameterShape[],
  values: Float32Array,
): Map<string, Float32Tensor> {
  let begin = 0;
  return new Map(
    parameters.map(({ name, shape }) => {
      const data = values.subarray(begin, (begin += elementCount(shape)));
      return [name, { shape, data }];
    }),
  );
}
