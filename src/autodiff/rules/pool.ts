import { intAttribute, intsAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import { linearRule, type Rule, type RuleTable } from '../rule.js';
import { scatterFlat } from '../scatter.js';
import { inputGradient } from './conv.js';
import { autoPads, type ConvGeometry } from './conv-geometry.js';
import { elementCount } from '../../shape.js';

/** The windows of a pool; with ceil_mode the last one may reach beyond the padding. */
function windows(b: Builder, node: NodeProto): { shape: ConvGeometry; beyond: number[] } {
  const [x, y] = [node.input[0]!, node.output[0]!];
  const kernel = intsAttribute(node, 'kernel_shape')!;
  const rank = kernel.length;
  const strides = intsAttribute(node, 'strides') ?? Array<number>(rank).fill(1);
  const dilations = intsAttribute(node, 'dilations') ?? Array<number>(rank).fill(1);
  const pads = autoPads(b, node, { kernel, strides, dilations }, x, y);
  const beyond = kernel.map((size, axis) => {
    const from = b.shape(x)[axis + 2]!;
    const to = b.shape(y)[axis + 2]!;
    if (typeof from !== 'number' || typeof to !== 'number') return 0;
    const reach = (to - 1) * strides[axis]! + (size - 1) * dilations[axis]! + 1;
    return Math.max(0, reach - from - pads[axis]! - pads[rank + axis]!);
  });
  const shape = { kernel, strides, dilations, begin: pads.slice(0, rank), end: pads.slice(rank), group: 1 };
  return { shape, beyond };
}

/** y = (sum over the window of x) / count, so the cotangent of y / count is spread back over the window. */
const averagePool: Rule = linearRule((b, node, cotangent) => {
  const x = node.input[0]!;
  const { shape, beyond } = windows(b, node);
  const { kernel, strides, dilations, begin, end } = shape;
  const ceil = intAttribute(node, 'ceil_mode', 0) === 1;
  if (
    ceil &&
    b
      .shape(x)
      .slice(2)
      .some((size) => typeof size !== 'number')
  )
    return undefined;
  const size = elementCount(kernel);
  const ones = b.constant(b.numberType(x), [1, 1, ...kernel], Array<number>(size).fill(1));
  const padded = [...begin, ...end].some((pad) => pad > 0);
  const includesPadding = intAttribute(node, 'count_include_pad', 0) === 1;
  // Each channel is an image of its own.
  const images = (value: Value, like: Value): Value => {
    const sizes = b.op('Shape', [like], { start: 2 });
    return b.op('Reshape', [value, b.op('Concat', [b.ints([-1, 1]), sizes], { axis: 0 })]);
  };
  const g = images(cotangent, node.output[0]!);
  let scaled: Value;
  if ((padded && !includesPadding) || beyond.some((pad) => pad > 0)) {
    const one = b.op('Expand', [
      b.scalar(1, x),
      b.op('Concat', [b.ints([1, 1]), b.op('Shape', [x], { start: 2 })], { axis: 0 }),
    ]);
    const frame = b.ints([0, 0, ...begin, 0, 0, ...end]);
    const inside = padded ? b.op('Pad', [one, frame, b.scalar(includesPadding ? 1 : 0, x)]) : one;
    const pads = [...begin.map(() => 0), ...beyond];
    const count = b.op('Conv', [inside, ones], { kernel_shape: kernel, strides, dilations, pads });
    scaled = b.op('Div', [g, count]);
  } else scaled = b.op('Div', [g, b.scalar(size, x)]);
  const covered = { ...shape, end: end.map((pad, axis) => pad + beyond[axis]!) };
  return b.reshapeLike(
    inputGradient(b, x, ones, scaled, covered, () => ones),
    x,
  );
});

/** The second output says where each maximum was, as a flat index into x. */
const maxPool: Rule = {
  vjp: (b, node, [cotangent]) =>
    intAttribute(node, 'storage_order', 0) === 1
      ? [undefined]
      : [scatterFlat(b, node.input[0]!, b.output(node, 1), cotangent!)],
  jvp: (b, node, [tangent]) => {
    if (intAttribute(node, 'storage_order', 0) === 1) return [undefined];
    const flat = b.ints([-1]);
    const indices = b.op('Reshape', [b.output(node, 1), flat]);
    const picked = b.op('GatherElements', [b.op('Reshape', [tangent, flat]), indices]);
    return [b.reshapeLike(picked, node.output[0]!), undefined];
  },
};

export const poolRules: RuleTable = { AveragePool: averagePool, MaxPool: maxPool };
