import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import { DATA_TYPES } from '../../onnx/file/tensor.js';
import { unbroadcast } from '../broadcast.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import { again, linearRule, type Rule, type RuleTable } from '../rule.js';
import { addAt, scatterBack } from '../scatter.js';

/** Operators that only name the axes anew. */
const reshape: Rule = linearRule((b, node, cotangent) => b.reshapeLike(cotangent, node.input[0]!));

const transpose: Rule = linearRule((b, node, cotangent) => {
  const rank = b.rank(node.input[0]!);
  const perm = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  return b.transpose(
    cotangent,
    perm.map((_, axis) => perm.indexOf(axis)),
  );
});

const cast: Rule = linearRule((b, node, cotangent) =>
  b.op('Cast', [cotangent], { to: DATA_TYPES[b.type(node.input[0]!)] }),
);

const concat: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const axis = intAttribute(node, 'axis', 0);
    const lengths = node.input.map((input) => b.shape(input).at(axis)!);
    const sizes = lengths.every((length) => typeof length === 'number')
      ? b.ints(lengths)
      : b.op(
          'Concat',
          node.input.map((input) => b.size(input, axis)),
          { axis: 0 },
        );
    const parts = b.ops('Split', [cotangent, sizes], { axis }, node.input.length);
    return parts.map((part, index) => (needs[index] ? part : undefined));
  },
  jvp: (b, node, tangents) =>
    b.copy(
      node,
      node.input.map((input, index) => tangents[index] ?? b.zeros(input)),
    ),
};

const split: Rule = {
  vjp: (b, node, cotangents) => {
    const parts = node.output.map((output, index) => cotangents[index] ?? b.zeros(output));
    return [b.op('Concat', parts, { axis: intAttribute(node, 'axis', 0) })];
  },
  jvp: (b, node, [tangent]) => again(b, node, tangent!),
};

const expand: Rule = linearRule((b, node, cotangent) =>
  unbroadcast(b, cotangent, node.output[0]!, node.input[0]!),
);

/** Steps of 1 along axes of known sizes are undone by padding; anything else by a scatter. */
const slice: Rule = linearRule((b, node, cotangent) => {
  const x = node.input[0]!;
  const starts = b.numbers(node.input[1]);
  const ends = b.numbers(node.input[2]);
  const steps = node.input[4] ? b.numbers(node.input[4]) : starts?.map(() => 1);
  const axes = node.input[3] ? b.numbers(node.input[3]) : starts?.map((_, axis) => axis);
  if (!starts || !ends || !axes || !steps?.every((step) => step === 1))
    return scatterBack(b, node, cotangent);
  const rank = b.rank(x);
  const pads = Array<number>(2 * rank).fill(0);
  for (const [index, each] of axes.entries()) {
    const axis = each < 0 ? each + rank : each;
    const size = b.shape(x)[axis]!;
    if (typeof size !== 'number') return scatterBack(b, node, cotangent);
    const clamp = (position: number): number =>
      Math.min(size, Math.max(0, position < 0 ? position + size : position));
    pads[axis] = clamp(starts[index]!);
    pads[rank + axis] = size - clamp(ends[index]!);
  }
  return b.op('Pad', [cotangent, b.ints(pads), b.scalar(0, x)]);
});

const pad: Rule = {
  vjp: (b, node, [cotangent]) => {
    if (stringAttribute(node, 'mode', 'constant') !== 'constant') return [scatterBack(b, node, cotangent!)];
    const pads = b.numbers(node.input[1]);
    const negative = pads ? b.ints(pads.map((size) => -size)) : b.op('Neg', [node.input[1]]);
    return [b.op('Pad', [cotangent, negative, b.scalar(0, node.input[0]!), node.input[3]])];
  },
  jvp: (b, node, tangents) => {
    const [x, pads, value, axes] = node.input as [Value, Value, Value?, Value?];
    if (tangents[2]) return [undefined];
    return b.copy(node, [tangents[0]!, pads, value === undefined ? value : b.scalar(0, x), axes]);
  },
};

/** Operators that move elements, with the scatter that undoes every such operator. */
const move: Rule = linearRule((b, node, cotangent) => scatterBack(b, node, cotangent));

const gatherElements: Rule = linearRule((b, node, cotangent) => {
  const x = node.input[0]!;
  return addAt(b, x, b.zeros(x), node.input[1]!, cotangent, intAttribute(node, 'axis', 0));
});

/** Overwriting or adding at indices. */
function scatter(gather: (b: Builder, node: NodeProto, value: Value) => Value): Rule {
  const adds = (node: NodeProto): boolean | undefined => {
    const reduction = stringAttribute(node, 'reduction', 'none');
    return reduction === 'add' ? true : reduction === 'none' ? false : undefined;
  };
  return {
    vjp: (b, node, [cotangent], needs) => {
      const sum = adds(node);
      if (sum === undefined) return [];
      const [, indices, updates] = node.input as [Value, Value, Value];
      const kept = (): Value => (sum ? cotangent! : b.copy(node, [cotangent, indices, b.zeros(updates)])[0]!);
      return [needs[0] ? kept() : undefined, undefined, needs[2] ? gather(b, node, cotangent!) : undefined];
    },
    jvp: (b, node, tangents) => {
      if (adds(node) === undefined) return [undefined];
      const [data, indices, updates] = node.input as [Value, Value, Value];
      return b.copy(node, [tangents[0] ?? b.zeros(data), indices, tangents[2] ?? b.zeros(updates)]);
    },
  };
}

/** Blocks to channels and back; the transpose of a permutation is its inverse. */
const depthToSpace: Rule = linearRule((b, node, cotangent) => {
  const blocksize = intAttribute(node, 'blocksize', 1);
  if (stringAttribute(node, 'mode', 'DCR') === 'DCR') return b.op('SpaceToDepth', [cotangent], { blocksize });
  const x = node.input[0]!;
  const channels = b.shape(x)[1]!;
  if (typeof channels !== 'number') return scatterBack(b, node, cotangent);
  const block = b.ints([blocksize]);
  const shape = [b.ints([-1, channels / blocksize ** 2]), b.size(x, 2), block, b.size(x, 3), block];
  const split = b.op('Reshape', [cotangent, b.op('Concat', shape, { axis: 0 })]);
  return b.reshapeLike(b.transpose(split, [0, 1, 3, 5, 2, 4]), x);
});

const spaceToDepth: Rule = linearRule((b, node, cotangent) =>
  b.op('DepthToSpace', [cotangent], { blocksize: intAttribute(node, 'blocksize', 1), mode: 'DCR' }),
);

/** A triangle of a matrix is its own transpose as a map. */
const trilu: Rule = linearRule((b, node, cotangent) => again(b, node, cotangent)[0]!);

export const shapeRules: RuleTable = {
  Reshape: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Flatten: reshape,
  Transpose: transpose,
  Cast: cast,
  CastLike: cast,
  Concat: concat,
  Split: split,
  Expand: expand,
  Slice: slice,
  Pad: pad,
  Gather: move,
  GatherND: move,
  Tile: move,
  GatherElements: gatherElements,
  ScatterElements: scatter((b, node, value) =>
    b.op('GatherElements', [value, node.input[1]], { axis: intAttribute(node, 'axis', 0) }),
  ),
  ScatterND: scatter((b, node, value) => b.op('GatherND', [value, node.input[1]])),
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: trilu,
};
