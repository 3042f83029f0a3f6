import type { Float32Tensor } from '../io/safetensors.js';
import { elementCount } from '../shape.js';

/** The state of a run: all that a step changes. Parameters of all tensors lie in one array ({@link layoutOf}). */
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

/** Tensors begin at multiples of 256 bytes, as the kernels of GPUs want it; what lies between is no parameter, and 0. */
const ALIGNMENT = 64;

/** Where each tensor lies in the one array of all, and its length. */
export function layoutOf(parameters: readonly Pick<ParameterShape, 'shape'>[]): {
  readonly places: readonly { readonly begin: number; readonly end: number }[];
  readonly length: number;
} {
  let length = 0;
  const places = parameters.map(({ shape }) => {
    const [begin, end] = [length, length + elementCount(shape)];
    length = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    return { begin, end };
  });
  return { places, length };
}

/** What the queues of a run share. */
export interface Memory extends TrainingState {
  /** The gradient of each part of a batch; after the sum, that of the step in the first of them. */
  readonly gradients: readonly Float32Array[];
  /** The sum of the squares of each part's slice of that. */
  readonly squares: Float64Array;
}

/** Zeroed shared memory for arrays of this length. */
export function allocate(length: number, averages: number, parts: number): Memory {
  const squares = new Float64Array(new SharedArrayBuffer(8 * parts));
  return { ...allocateState(length, averages), gradients: zeros(length, parts), squares };
}

export function allocateState(length: number, averages: number): TrainingState {
  const [parameters, firstMoments, secondMoments] = zeros(length, 3) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { parameters, firstMoments, secondMoments, averages: zeros(length, averages) };
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
  const { places } = layoutOf(parameters);
  return new Map(
    parameters.map(({ name, shape }, i) => {
      const { begin, end } = places[i]!;
      return [name, { shape, data: values.subarray(begin, end) }];
    }),
  );
}
