import type { Builder, Value } from '../../onnx/graph/builder.js';
import type { ConvGeometry } from './conv-geometry.js';
import { elementCount } from '../../shape.js';

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
export function weightGradient(b: Builder, x: Value, g: Value, shape: ConvGeometry, shapes: Shapes): Value {
  const { kernel, strides, begin, end, group } = shape;
  const taps = elementCount(kernel);
  const plain =
    [...strides, ...kernel].every((size) => size === 1) && [...begin, ...end].every((pad) => pad === 0);
  if (group === 1 && plain) return pointwiseGradient(b, x, g, shapes);
  const sizes = b.shape(shapes.output).slice(2);
  const known = sizes.every((size) => typeof size === 'number');
  if (group === 1 && taps <= MAX_TAPS && known) return tapGradient(b, x, g, shape, sizes, shapes.weight);
  return swappedGradient(b, x, g, shape, shapes);
}

/** A larger kernel would write too many nodes. */
const MAX_TAPS = 49;

/**
 * One matrix product per position of the kernel, between the cotangent and the part of x that this position meets. The
 * fastest form measured on CPUs, for known sizes and a single group.
 */
function tapGradient(
  b: Builder,
  x: Value,
  g: Value,
  { kernel, strides, dilations, begin, end }: ConvGeometry,
  output: readonly number[],
  weight: Value,
): Value {
  const rank = kernel.length + 2;
  const [m, c] = b.shape(weight) as [number, number];
  const padding = [...begin, ...end].some((pad) => pad > 0);
  const framed = padding ? b.op('Pad', [x, b.ints([0, 0, ...begin, 0, 0, ...end]), b.scalar(0, weight)]) : x;
  const source = b.transpose(framed, swapFirst(rank));
  const rows = channelRows(b, g, m, rank);
  const last = b.ints([-1]);
  // Axis by axis from the last one, so that positions share slices and the later slices copy long runs of memory.
  const at = (position: readonly number[]): Value =>
    position.reduceRight<Value>((part, each, axis) => {
      const start = each * dilations[axis]!;
      const stop = start + (output[axis]! - 1) * strides[axis]! + 1;
      return b.op('Slice', [
        part,
        b.ints([start]),
        b.ints([stop]),
        b.ints([axis + 2]),
        b.ints([strides[axis]!]),
      ]);
    }, source);
  const products = positions(kernel).map((position) => {
    const part = at(position);
    const product = b.op('Gemm', [rows, b.reshape(part, [c, -1])], { transB: 1 });
    return b.op('Unsqueeze', [product, last]);
  });
  return b.reshapeLike(b.op('Concat', products, { axis: -1 }), weight);
}

/** All positions of a kernel, in row-major order. */
function positions(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (found, size) => found.flatMap((head) => Array.from({ length: size }, (_, each) => [...head, each])),
    [[]],
  );
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
  shape: ConvGeometry,
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
