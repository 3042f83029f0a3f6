import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';

/** Where the initial weights of one tensor come from: the network's seed and the tensor's number in the network. */
export interface WeightAddress {
  /** Unsigned 64-bit seed. */
  readonly seed: bigint;
  readonly tensor: number;
}

/**
 * Weights uniform in (-1, 1) / sqrt(fan), with `fan` the number of inputs of one output: PyTorch's default for linear and
 * convolutional layers, and for their biases.
 */
export function uniformWeights(count: number, fan: number, { seed, tensor }: WeightAddress): Float32Array {
  const values = new Float32Array(count);
  fillUniform(values, 1, { seed, samples: tensor, step: 0, stream: Stream.initialization });
  const bound = 1 / Math.sqrt(fan);
  return values.map((value) => bound * (2 * value - 1));
}
