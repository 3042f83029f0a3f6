import type { Builder, Value } from '../builder.js';
import type { Geometry } from './conv.js';

/** Values of the graph whose shapes describe a weight gradient: the convolution's input, output and weights. */
interface Shapes {
  readonly input: Value;
  readonly output: Value;
  readonly weight: Value;
}

/**
 * dw[m, c, j] = sum over n, o of g[n, m, o] x[n, c, o stride + j dilation - begin], for the input x [N, C, ...] and the
 * cotangent g [N, M, ...] of a convolution.
 */
export function weightGradient(b: Builder, x: Value, g: Value, shape: Geometry, shapes: Shapes): Value {
  const { kernel, strides, begin, end, group } = shape;
  const pointwise =
    [...kernel, ...strides].every((size) => size === 1) && [...begin, ...end].every((pad) => pad === 0);
  return pointwise && group === 1
    ? pointwiseGradient(b, x, g, shapes)
    : swappedGradient(b, x, g, shape, shapes);
}

/** A 1 x 1 convolution is one matrix product over samples and positions. */
function pointwiseGradient(b: Builder, x: Value, g: Value, { weight }: Shapes): Value {
  const rank = b.rank(weight);
  const [m, c] = b.shape(weight) as [number, number];
  const product = b.op('Gemm', [channelRows(b, g, m, rank), channelRows(b, x, c, rank)], { transB: 1 });
  return b.reshapeLike(product, weight);
}

/** [N, C, ...] as [C, N ...]: one row per channel. */
function channelRows(b: Builder, value: Value, channels: number, rank: number): Value {
  return b.reshape(b.transpose(value, swapFirst(rank)), [channels, -1]);
}

function swapFirst(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis));
}

/**
 * The weight gradient as a convolution in which batch and channels change places, and stride and dilation too. Exact
 * for every geometry; the last positions, which the forward pass never reached, are cut off.
 */
function swappedGradient(
  b: Builder,
  x: Value,
  g: Value,
  shape: Geometry,
  { input, output, weight }: Shapes,
): Value {
  const { kernel, strides, dilations, begin, end, group } = shape;
  const rank = kernel.length + 2;
  const perGroup = b.shape(weight)[1] as number;
  const product = b.op(
    'Conv',
    [groupedInput(b, x, input, group, perGroup, rank), b.transpose(g, swapFirst(rank))],
    {
      strides: dilations,
      dilations: strides,
      pads: [...begin, ...end],
      group,
    },
  );
  const swapped = b.transpose(product, swapFirst(rank));
  const exact = kernel.every((size, axis) => {
    const from = b.shape(input)[axis + 2]!;
    const to = b.shape(output)[axis + 2]!;
    if (strides[axis] === 1) return true;
    if (typeof from !== 'number' || typeof to !== 'number') return false;
    const reach = from + begin[axis]! + end[axis]! - (to - 1) * strides[axis]! - 1;
    return Math.floor(reach / dilations[axis]!) + 1 === size;
  });
  if (exact) return swapped;
  const axes = kernel.map((_, axis) => axis + 2);
  return b.op('Slice', [swapped, b.ints(axes.map(() => 0)), b.ints(kernel), b.ints(axes)]);
}

/** [N, G C/G, ...] as [C/G, G N, ...], so that each group meets the cotangents of its own channels. */
function groupedInput(
  b: Builder,
  x: Value,
  input: Value,
  group: number,
  perGroup: number,
  rank: number,
): Value {
  if (group === 1) return b.transpose(x, swapFirst(rank));
  const spatial = Array.from({ length: rank - 2 }, (_, axis) => axis);
  const sizes = b.op('Shape', [input], { start: 2 });
  const split = b.op('Concat', [b.ints([-1, group, perGroup]), sizes], { axis: 0 });
  const parts = b.op('Reshape', [x, split]);
  const swapped = b.transpose(parts, [2, 1, 0, ...spatial.map((axis) => axis + 3)]);
  const merged = b.op('Concat', [b.ints([perGroup, -1]), sizes], { axis: 0 });
  return b.op('Reshape', [swapped, merged]);
}
