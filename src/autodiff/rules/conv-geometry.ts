import { ModelError } from '../../errors.js';
import { describeNode, intAttribute, intsAttribute, stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';

/** The geometry of a convolution: y[o] = sum_j x[o stride + j dilation - begin] w[j] along each spatial axis. */
export interface ConvGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly group: number;
}

/** Reads a convolution's geometry; `auto_pad` is resolved from the sizes of `input`, the convolution's larger side. */
export function convGeometry(b: Builder, node: NodeProto, input: Value, output: Value): ConvGeometry {
  const kernel = b.sizes(node.input[1]!)?.slice(2);
  if (kernel === undefined)
    throw new ModelError(`${describeNode(node)}: the size of the kernel is not known.`);
  const rank = kernel.length;
  const strides = intsAttribute(node, 'strides') ?? Array<number>(rank).fill(1);
  const dilations = intsAttribute(node, 'dilations') ?? Array<number>(rank).fill(1);
  const pads = autoPads(b, node, { kernel, strides, dilations }, input, output);
  const group = intAttribute(node, 'group', 1);
  return { kernel, strides, dilations, begin: pads.slice(0, rank), end: pads.slice(rank), group };
}

/** The pads of a convolution or a pool, before and after each spatial axis, with `auto_pad` resolved. */
export function autoPads(
  b: Builder,
  node: NodeProto,
  { kernel, strides, dilations }: Pick<ConvGeometry, 'kernel' | 'strides' | 'dilations'>,
  input: Value,
  output: Value,
): number[] {
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const shaped = intsAttribute(node, 'output_shape') !== undefined;
  const zeros = Array<number>(2 * kernel.length).fill(0);
  if (mode === 'VALID' && !shaped) return zeros;
  if (mode === 'NOTSET' && !shaped) return intsAttribute(node, 'pads') ?? zeros;
  const totals = kernel.map((size, axis) => {
    const span = (size - 1) * dilations[axis]! + 1;
    const from = b.shape(input)[axis + 2]!;
    const to = b.shape(output)[axis + 2]!;
    if (strides[axis] === 1 && !shaped) return span - 1;
    if (typeof from !== 'number' || typeof to !== 'number') {
      throw new ModelError(
        `${describeNode(node)}: auto_pad needs a known spatial size; fix the size of the input.`,
      );
    }
    return Math.max(0, (to - 1) * strides[axis]! + span - from);
  });
  const more = totals.map((total) => Math.ceil(total / 2));
  const less = totals.map((total) => Math.floor(total / 2));
  return mode === 'SAME_LOWER' ? [...more, ...less] : [...less, ...more];
}
