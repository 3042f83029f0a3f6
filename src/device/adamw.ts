import { OptionError } from '../errors.js';
import { addon } from './addon.js';
import type { QueueNumber } from './addon-interface.js';
import { requireDisjoint, requireFloat32, requireFloat64 } from './arguments.js';

/** Scalars of one step of AdamW. */
export interface AdamWOptions {
  /** Learning rate of this step (schedules and warm-up are the caller's). */
  readonly learningRate: number;
  /** Number of this step, 1 for the first: bias correction divides by 1 - beta^step. */
  readonly step: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled: parameters shrink by learningRate * weightDecay; default 0. */
  readonly weightDecay?: number;
  /** Factor on the gradients, as global-norm clipping wants it: min(1, limit / {@link globalNorm}); default 1. */
  readonly gradientScale?: number;
  /** Norm down to which the gradients are scaled where theirs is larger, in place of `gradientScale`. */
  readonly clip?: GradientClip | undefined;
}

/** Clipping by a norm that is known only when the step is made. */
export interface GradientClip {
  /** Infinity for no clipping. */
  readonly norm: number;
  /** They add up to the square of the norm of all gradients. */
  readonly squares: Float64Array;
}

/** A moving average of the parameters: values = decay values + (1 - decay) parameters. */
export interface ParameterAverage {
  readonly values: Float32Array;
  /** Between 0 and 1. */
  readonly decay: number;
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) and of the parameter averages, in place, in a single pass:
 *
 *     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
 *     p = p - learningRate (weightDecay p + m' / (sqrt(v') + epsilon)),   m' and v' bias-corrected
 *
 * All arrays have the length of `parameters`. Keep the tensors of a network as views of one array to update them in one call.
 */
export function adamw(
  parameters: Float32Array,
  gradients: Float32Array,
  firstMoments: Float32Array,
  secondMoments: Float32Array,
  averages: readonly ParameterAverage[],
  options: AdamWOptions,
  queue?: QueueNumber,
): void {
  requireFloat32('parameters', parameters);
  const others = { gradients, firstMoments, secondMoments };
  const tensors = new Map<string, Float32Array>([['parameters', parameters]]);
  const requireTensor = (name: string, values: Float32Array) => {
    requireFloat32(name, values, parameters.length);
    for (const [other, written] of tensors) requireDisjoint(name, values, other, written);
    tensors.set(name, values);
  };
  for (const [name, values] of Object.entries(others)) requireTensor(name, values);
  for (const [i, { values, decay }] of averages.entries()) {
    requireTensor(`averages[${i}].values`, values);
    requireNumber(`averages[${i}].decay`, decay, 0, 1);
  }
  const {
    learningRate,
    step,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = 0,
    gradientScale = 1,
    clip,
  } = options;
  requireNumber('learningRate', learningRate, 0, Infinity);
  requireNumber('epsilon', epsilon, 0, Infinity);
  requireNumber('weightDecay', weightDecay, 0, Infinity);
  requireNumber('gradientScale', gradientScale, 0, Infinity);
  if (clip) {
    if (!(clip.norm >= 0)) throw new OptionError('clip.norm', clip.norm, 'a number, 0 or more');
    requireFloat64('clip.squares', clip.squares, clip.squares.length);
  }
  for (const [name, beta] of Object.entries({ beta1, beta2 })) {
    requireNumber(name, beta, 0, 1);
    if (beta === 1) throw new OptionError(name, beta, 'below 1');
  }
  if (!Number.isSafeInteger(step) || step < 1) throw new OptionError('step', step, 'an integer from 1');
  addon().adamw(
    queue,
    parameters,
    gradients,
    firstMoments,
    secondMoments,
    averages.map(({ values }) => values),
    Float64Array.from(averages, ({ decay }) => decay),
    Float64Array.of(
      ...[learningRate, beta1, beta2, epsilon, weightDecay],
      ...[clip ? clip.norm : gradientScale, step],
    ),
    clip?.squares,
  );
}

/** L2 norm of all elements of all tensors, summed in double in a fixed order. */
export function globalNorm(tensors: readonly Float32Array[]): number {
  const sum = new Float64Array(1);
  sumOfSquares(tensors, sum);
  return Math.sqrt(sum[0]!);
}

/** out[0] is the sum of the squares of all elements of all tensors, added in double in a fixed order. */
export function sumOfSquares(tensors: readonly Float32Array[], out: Float64Array, queue?: QueueNumber): void {
  for (const [i, tensor] of tensors.entries()) requireFloat32(`tensors[${i}]`, tensor);
  requireFloat64('out', out, 1);
  addon().sumOfSquares(queue, tensors, out);
}

function requireNumber(name: string, value: number, low: number, high: number): void {
  const inside = typeof value === 'number' && value >= low && value <= high && value !== Infinity;
  if (!inside)
    throw new OptionError(name, value, high === 1 ? 'a number from 0 to 1' : 'a finite number, 0 or more');
}
