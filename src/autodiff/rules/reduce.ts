import { ModelError } from '../../errors.js';
import { describeNode, intAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import { again, linearRule, type Rule, type RuleTable } from '../rule.js';
import { addAt } from '../scatter.js';

/** The axes that a node reduces, and a way to give a reduced value back the axes that it lost. */
interface Reduction {
  readonly axes: readonly number[];
  readonly keep: (value: Value) => Value;
}

function reduction(b: Builder, node: NodeProto): Reduction {
  const x = node.input[0]!;
  const rank = b.rank(x);
  const global = node.op_type!.startsWith('Global');
  const given = node.input[1] ? b.numbers(node.input[1]) : [];
  if (given === undefined) throw new ModelError(`${describeNode(node)}: the axes are computed at run time.`);
  const nothing = given.length === 0 && intAttribute(node, 'noop_with_empty_axes', 0) === 1;
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const axes = global
    ? all.slice(2)
    : given.length === 0 && !nothing
      ? all
      : given.map((axis) => (axis < 0 ? axis + rank : axis));
  const kept = global || intAttribute(node, 'keepdims', 1) === 1;
  return {
    axes,
    keep: (value) => (kept || axes.length === 0 ? value : b.op('Unsqueeze', [value, b.ints(axes)])),
  };
}

/** Sums and means: constant slope. */
function constantSlope(mean: boolean): Rule {
  return linearRule((b, node, cotangent) => {
    const x = node.input[0]!;
    const { axes, keep } = reduction(b, node);
    const each = mean ? b.op('Div', [cotangent, b.count(x, axes)]) : cotangent;
    return b.op('Expand', [keep(each), b.shapeOf(x)]);
  });
}

/** dy = sum over the reduced axes of s(x, y) dx, so dx = s(x, y) g; `y` has the axes that it lost. */
function slope(s: (b: Builder, x: Value, y: Value, axes: readonly number[]) => Value): Rule {
  const factor = (b: Builder, node: NodeProto, { axes, keep }: Reduction): Value =>
    s(b, node.input[0]!, keep(node.output[0]!), axes);
  return {
    vjp: (b, node, [cotangent]) => {
      const reduced = reduction(b, node);
      return [b.mul(factor(b, node, reduced), reduced.keep(cotangent!))];
    },
    jvp: (b, node, [tangent]) => {
      const reduced = reduction(b, node);
      const global = node.op_type!.startsWith('Global');
      const product = b.mul(factor(b, node, reduced), tangent!);
      return [b.sum(product, reduced.axes, global || intAttribute(node, 'keepdims', 1) === 1)];
    },
  };
}

/** Ties share the derivative equally. */
const extremum = slope((b, x, y, axes) => {
  const hits = b.op('CastLike', [b.op('Equal', [x, y]), x]);
  return b.op('Div', [hits, b.sum(hits, axes)]);
});

/** 2 x g, with g doubled while it is small. */
const sumOfSquares: Rule = {
  ...slope((b, x) => b.mul(x, b.scalar(2, x))),
  vjp: (b, node, [cotangent]) => {
    const x = node.input[0]!;
    return [b.mul(x, reduction(b, node).keep(b.mul(cotangent!, b.scalar(2, x))))];
  },
};

/** The largest or smallest values and where they were. */
const topK: Rule = {
  vjp: (b, node, [cotangent]) => {
    const x = node.input[0]!;
    const axis = intAttribute(node, 'axis', -1);
    const indices = b.output(node, 1);
    return [addAt(b, x, b.zeros(x), indices, cotangent!, axis)];
  },
  jvp: (b, node, [tangent]) => {
    const axis = intAttribute(node, 'axis', -1);
    return [b.op('GatherElements', [tangent, b.output(node, 1)], { axis }), undefined];
  },
};

const mean = constantSlope(true);

export const reduceRules: RuleTable = {
  ReduceSum: constantSlope(false),
  ReduceMean: mean,
  GlobalAveragePool: { ...mean, jvp: (b, node, [tangent]) => again(b, node, tangent!) },
  ReduceMax: extremum,
  ReduceMin: extremum,
  GlobalMaxPool: extremum,
  ReduceSumSquare: sumOfSquares,
  ReduceL1: slope((b, x) => b.op('Sign', [x])),
  ReduceL2: slope((b, x, y) => b.op('Div', [x, y])),
  ReduceLogSum: slope((b, x, y) => b.op('Expand', [b.op('Exp', [b.op('Neg', [y])]), b.shapeOf(x)])),
  ReduceLogSumExp: slope((b, x, y) => b.op('Exp', [b.op('Sub', [x, y])])),
  ReduceProd: slope((b, x, y) => b.op('Div', [y, x])),
  TopK: topK,
};
