import { stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import { linearRule, type Rule, type RuleTable } from '../rule.js';
import { scatterBack } from '../scatter.js';
import { elementCount } from '../../shape.js';

/**
 * Resize is linear and separable. Nearest by a whole factor sums blocks, other nearest modes scatter, and interpolation
 * multiplies each axis by the transpose of its matrix, which is what the operator makes of an identity matrix.
 */
const resize: Rule = linearRule((b, node, cotangent) => {
  const mode = stringAttribute(node, 'mode', 'nearest');
  const coordinates = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  if (coordinates === 'tf_crop_and_resize') return undefined;
  if (mode === 'nearest') {
    return blockSum(b, node, cotangent, coordinates) ?? scatterBack(b, node, cotangent, 'int32');
  }
  return interpolationTranspose(b, node, cotangent);
});

/** y repeats each element in a block: the blocks' sums, as averages times their size. */
function blockSum(b: Builder, node: NodeProto, cotangent: Value, coordinates: string): Value | undefined {
  const x = node.input[0]!;
  const nearest = stringAttribute(node, 'nearest_mode', 'round_prefer_floor');
  const centred = coordinates === 'half_pixel' && nearest.startsWith('round');
  if (!centred && !(coordinates === 'asymmetric' && nearest === 'floor')) return undefined;
  const factors = b.shape(x).map((size, axis) => {
    const to = b.shape(node.output[0]!)[axis]!;
    if (size === to) return 1;
    return typeof size === 'number' && typeof to === 'number' ? to / size : scaleOf(b, node, axis);
  });
  const fits = factors.every((factor, axis) =>
    axis < 2 ? factor === 1 : Number.isInteger(factor) && factor >= 1,
  );
  if (!fits || factors.length < 3) return undefined;
  const kernel_shape = factors.slice(2);
  const size = elementCount(kernel_shape);
  return b.mul(b.op('AveragePool', [cotangent], { kernel_shape, strides: kernel_shape }), b.scalar(size, x));
}

/** The scale of an axis where the scales are constants for all axes; NaN where it is not known. */
function scaleOf(b: Builder, node: NodeProto, axis: number): number {
  const scales = node.input[2] ? b.numbers(node.input[2]) : undefined;
  return scales?.length === b.rank(node.input[0]!) ? scales[axis]! : NaN;
}

function interpolationTranspose(b: Builder, node: NodeProto, cotangent: Value): Value | undefined {
  const x = node.input[0]!;
  const rank = b.rank(x);
  let value = cotangent;
  for (let axis = 0; axis < rank; axis++) {
    const from = b.shape(x)[axis]!;
    const to = b.shape(node.output[0]!)[axis]!;
    if (from === to) continue;
    if (typeof from !== 'number' || typeof to !== 'number' || axis < rank - 2) return undefined;
    const matrix = axisMatrix(b, node, axis, from, to);
    value =
      axis === rank - 1
        ? b.op('MatMul', [value, b.transpose(matrix, [1, 0])])
        : b.op('MatMul', [matrix, value]);
  }
  return value;
}

/** The transposed interpolation matrix [from, to] of one axis. */
function axisMatrix(b: Builder, node: NodeProto, axis: number, from: number, to: number): Value {
  const x = node.input[0]!;
  const eye = Array.from({ length: from * from }, (_, index) => (index % (from + 1) === 0 ? 1 : 0));
  const rows = b.constant(b.numberType(x), [1, from, from, 1], eye);
  // The scale itself enters the coordinates, so it is passed on as it was given.
  const scale = scaleOf(b, node, axis);
  const size = Number.isNaN(scale)
    ? [undefined, undefined, b.ints([1, from, to, 1])]
    : [undefined, b.constant('float32', [4], [1, 1, scale, 1]), undefined];
  const attribute = node.attribute.filter(
    ({ name }) => name !== 'axes' && name !== 'keep_aspect_ratio_policy',
  );
  const resized = b.copy({ ...node, output: [node.output[0]!], attribute }, [rows, ...size])[0]!;
  return b.op('Reshape', [resized, b.ints([from, to])]);
}

export const resizeRules: RuleTable = { Resize: resize };
