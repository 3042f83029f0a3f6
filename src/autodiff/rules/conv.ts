import { ModelError } from '../../errors.js';
import { describeNode, intsAttribute, stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import type { Rule, RuleTable } from '../rule.js';
import { convGeometry, type ConvGeometry } from './conv-geometry.js';
import { weightGradient } from './conv-weight.js';

const conv: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const [x, w] = node.input as [Value, Value];
    const shape = convGeometry(b, node, x, node.output[0]!);
    return [
      needs[0] ? inputGradient(b, x, w, cotangent!, shape, () => flipped(b, w, shape.group)) : undefined,
      needs[1]
        ? weightGradient(b, x, cotangent!, shape, { input: x, output: node.output[0]!, weight: w })
        : undefined,
      needs[2] ? channelSum(b, cotangent!, b.rank(x)) : undefined,
    ];
  },
  jvp: (b, node, tangents) => convJvp(b, node, tangents),
};

/**
 * The transpose of a convolution of x: a convolution with turned weights where the stride is 1, else a transposed one.
 * @param turned weights turned around with input and output channels exchanged
 */
export function inputGradient(
  b: Builder,
  x: Value,
  w: Value,
  cotangent: Value,
  shape: ConvGeometry,
  turned: () => Value,
): Value {
  const { kernel, strides, dilations, begin, end, group } = shape;
  const span = kernel.map((size, axis) => (size - 1) * dilations[axis]!);
  const plain = strides.every((stride) => stride === 1);
  if (plain && span.every((size, axis) => begin[axis]! <= size && end[axis]! <= size)) {
    const pads = [
      ...span.map((size, axis) => size - begin[axis]!),
      ...span.map((size, axis) => size - end[axis]!),
    ];
    return b.op('Conv', [cotangent, turned()], { kernel_shape: kernel, dilations, pads, group });
  }
  const attributes = { kernel_shape: kernel, strides, dilations, group };
  const size = b.shape(x).slice(2);
  if (size.every((each) => typeof each === 'number')) {
    // What the last stride did not reach.
    const rest = size.map(
      (each, axis) => (each + begin[axis]! + end[axis]! - span[axis]! - 1) % strides[axis]!,
    );
    return b.op('ConvTranspose', [cotangent, w], {
      ...attributes,
      pads: [...begin, ...end],
      output_padding: rest,
    });
  }
  // An unknown size: spread out fully, then cut out the part where x was.
  const output_padding = strides.map((stride) => stride - 1);
  const full = b.op('ConvTranspose', [cotangent, w], { ...attributes, output_padding });
  const axes = kernel.map((_, axis) => axis + 2);
  const start = b.ints(begin);
  const stop = b.op('Add', [start, b.op('Shape', [x], { start: 2 })]);
  return b.op('Slice', [full, start, stop, b.ints(axes)]);
}

/** Weights [M, C/G, k] turned around and with input and output channels exchanged: [C, M/G, k]. */
function flipped(b: Builder, w: Value, group: number): Value {
  const [m, c, ...kernel] = b.sizes(w)!;
  const spatial = kernel.map((_, axis) => axis);
  const axes = kernel.flatMap((size, axis) => (size > 1 ? [axis + 2] : []));
  const ones = axes.map(() => -1);
  const low = axes.map(() => -(2 ** 31));
  const turned =
    axes.length === 0 ? w : b.op('Slice', [w, b.ints(ones), b.ints(low), b.ints(axes), b.ints(ones)]);
  if (group === 1) return b.transpose(turned, [1, 0, ...spatial.map((axis) => axis + 2)]);
  const split = b.reshape(turned, [group, m! / group, c!, ...kernel]);
  const swapped = b.transpose(split, [0, 2, 1, ...spatial.map((axis) => axis + 3)]);
  return b.reshape(swapped, [c! * group, m! / group, ...kernel]);
}

function channelSum(b: Builder, cotangent: Value, rank: number): Value {
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
  return b.sum(cotangent, axes, false);
}

/** y = sum over j of x[i] w[j] at o = i stride + j dilation - begin: the transpose of a convolution from y to x. */
const convTranspose: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const [x, w] = node.input as [Value, Value];
    const y = node.output[0]!;
    const { kernel, strides, dilations, begin, end, group } = transposedGeometry(b, node, x, y);
    const attributes = { kernel_shape: kernel, strides, dilations, pads: [...begin, ...end], group };
    const shape = { kernel, strides, dilations, begin, end, group };
    return [
      needs[0] ? b.op('Conv', [cotangent!, w], attributes) : undefined,
      needs[1] ? weightGradient(b, cotangent!, x, shape, { input: y, output: x, weight: w }) : undefined,
      needs[2] ? channelSum(b, cotangent!, b.rank(x)) : undefined,
    ];
  },
  jvp: (b, node, tangents) => convJvp(b, node, tangents),
};

function transposedGeometry(b: Builder, node: NodeProto, x: Value, y: Value): ConvGeometry {
  const shape = convGeometry(b, node, y, x);
  const padding = intsAttribute(node, 'output_padding');
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const automatic = intsAttribute(node, 'output_shape') !== undefined || mode.startsWith('SAME');
  if (automatic && padding?.some((size) => size > 0)) {
    throw new ModelError(
      `${describeNode(node)}: output_padding together with a requested output shape is not handled.`,
    );
  }
  return shape;
}

/** Linear in x, in the weights and in the bias. */
function convJvp(
  b: Builder,
  node: NodeProto,
  tangents: readonly (Value | undefined)[],
): (Value | undefined)[] {
  const [x, w] = node.input as [Value, Value];
  const terms: Value[] = [];
  if (tangents[0]) terms.push(b.copy(node, [tangents[0], w])[0]!);
  if (tangents[1]) terms.push(b.copy(node, [x, tangents[1]])[0]!);
  if (tangents[2]) {
    const axes = Array.from({ length: b.rank(x) - 2 }, (_, axis) => axis + 1);
    const column = b.op('Unsqueeze', [tangents[2], b.ints(axes)]);
    terms.push(terms.length > 0 ? column : b.op('Expand', [column, b.shapeOf(node.output[0]!)]));
  }
  return [terms.length === 0 ? undefined : b.add(terms)];
}

export const convRules: RuleTable = { Conv: conv, ConvTranspose: convTranspose };
