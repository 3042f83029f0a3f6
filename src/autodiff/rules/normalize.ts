import { floatAttribute, intAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import { Builder, type Value } from '../../onnx/graph/builder.js';
import { linearRule, type Rule, type RuleTable } from '../rule.js';

/** The axes of a normalisation: from `axis` to the last. */
function trailing(b: Builder, node: NodeProto, value: Value): number[] {
  const axis = intAttribute(node, 'axis', -1);
  const start = axis < 0 ? axis + b.rank(value) : axis;
  return Array.from({ length: b.rank(value) - start }, (_, index) => start + index);
}

/**
 * y = (x - mean) r with r = 1 / sqrt(var + epsilon), the form without scale to which normalisations are lowered.
 * The Jacobian r (v - mean(v) - y mean(y v)) is symmetric, so it serves both directions.
 */
function normalJacobian(b: Builder, node: NodeProto, value: Value): Value {
  const y = node.output[0]!;
  const inverse = b.output(node, 2);
  const axes = trailing(b, node, y);
  const along = b.mul(y, b.mean(b.mul(y, value), axes));
  const centred = b.op('Sub', [value, b.mean(value, axes)]);
  return b.mul(b.op('Sub', [centred, along]), inverse);
}

/**
 * The statistics mean and r as functions of x: d mean = mean(v) and dr = -r^2 mean(y v), which a second derivative needs,
 * since the first one reads them. Only the scale 1 that lowering writes; a scale that remains belongs to a type that was
 * not lowered.
 */
const layerNormalization: Rule = {
  vjp: (b, node, [cotangent, mean, inverse]) => {
    if (!isPlain(b, node)) return [undefined];
    const [x, y] = [node.input[0]!, node.output[0]!];
    const count = b.count(x, trailing(b, node, x));
    const terms: Value[] = [];
    if (cotangent !== undefined) terms.push(normalJacobian(b, node, cotangent));
    if (mean !== undefined) terms.push(b.op('Expand', [b.op('Div', [mean, count]), b.shapeOf(x)]));
    if (inverse !== undefined) {
      const factor = b.op('Div', [b.mul(inverse, square(b, b.output(node, 2))), count]);
      terms.push(b.op('Neg', [b.mul(y, factor)]));
    }
    return [b.add(terms)];
  },
  jvp: (b, node, [tangent]) => {
    if (tangent === undefined || !isPlain(b, node)) return [undefined];
    const axes = trailing(b, node, node.input[0]!);
    const along = (): Value => b.mean(b.mul(node.output[0]!, tangent), axes);
    return [
      normalJacobian(b, node, tangent),
      node.output[1] ? b.mean(tangent, axes) : undefined,
      node.output[2] ? b.op('Neg', [b.mul(square(b, node.output[2]), along())]) : undefined,
    ];
  },
};

function square(b: Builder, value: Value): Value {
  return b.mul(value, value);
}

function isPlain(b: Builder, node: NodeProto): boolean {
  const scale = b.numbers(node.input[1]);
  return node.input.length < 3 && scale !== undefined && scale.every((each) => each === 1);
}

/** Inference: y = (x - mean) scale / sqrt(var + epsilon) + bias with constant statistics. */
const batchNormalization: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    if (intAttribute(node, 'training_mode', 0) === 1) return [];
    const [x, , bias, mean] = node.input as [Value, Value, Value, Value];
    const g = cotangent!;
    const axes = Array.from({ length: b.rank(x) }, (_, axis) => axis).filter((axis) => axis !== 1);
    const { gain, inverse, column } = batchScale(b, node);
    const scale = (): Value => {
      const normal = b.mul(b.op('Sub', [x, column(mean)]), column(inverse));
      return b.sum(b.mul(g, normal), axes, false);
    };
    return [
      needs[0] ? b.mul(g, gain) : undefined,
      needs[1] ? scale() : undefined,
      needs[2] && bias ? b.sum(g, axes, false) : undefined,
    ];
  },
  jvp: (b, node, tangents) => {
    if (intAttribute(node, 'training_mode', 0) === 1) return [];
    const [x, , , mean] = node.input as [Value, Value, Value, Value];
    const { gain, inverse, column } = batchScale(b, node);
    const terms: Value[] = [];
    if (tangents[0]) terms.push(b.mul(tangents[0], gain));
    if (tangents[1]) {
      const normal = b.mul(b.op('Sub', [x, column(mean)]), column(inverse));
      terms.push(b.mul(normal, column(tangents[1])));
    }
    if (tangents[2]) terms.push(b.op('Expand', [column(tangents[2]), b.shapeOf(x)]));
    return [terms.length === 0 ? undefined : b.add(terms)];
  },
};

function batchScale(
  b: Builder,
  node: NodeProto,
): { gain: Value; inverse: Value; column: (v: Value) => Value } {
  const [x, scale, , , variance] = node.input as [Value, Value, Value, Value, Value];
  const rest = Array.from({ length: b.rank(x) - 2 }, (_, axis) => axis + 1);
  const column = (vector: Value): Value =>
    rest.length === 0 ? vector : b.op('Unsqueeze', [vector, b.ints(rest)]);
  const epsilon = b.scalar(floatAttribute(node, 'epsilon', 1e-5), x);
  const inverse = b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
  return { gain: column(b.mul(scale, inverse)), inverse, column };
}

/** y (v - sum(y v)): symmetric, the same in both directions. */
function softmaxJacobian(b: Builder, node: NodeProto, value: Value): Value {
  const y = node.output[0]!;
  const weighted = b.mul(y, value);
  return b.op('Sub', [weighted, b.mul(y, sumAlong(b, weighted, y, intAttribute(node, 'axis', -1)))]);
}

/**
 * The sum along an axis, kept, of a value in the shape of `like`. ONNX Runtime's ReduceSum over the last axis adds in an order that
 * depends on where a row lies in memory, and so on the place of a sample in its batch; a product with ones does not.
 */
function sumAlong(b: Builder, value: Value, like: Value, axis: number): Value {
  const [size, type] = [b.shape(like).at(axis), b.type(like)];
  const isLast = axis === -1 || axis === b.rank(like) - 1;
  if (!isLast || typeof size !== 'number' || (type !== 'float32' && type !== 'float64'))
    return b.sum(value, [axis]);
  return b.op('MatMul', [value, b.constant(type, [size, 1], new Array<number>(size).fill(1))]);
}

const logSoftmax: Rule = {
  vjp: (b, node, [cotangent]) => {
    const total = b.sum(cotangent!, [intAttribute(node, 'axis', -1)]);
    return [b.op('Sub', [cotangent!, b.mul(b.op('Exp', [node.output[0]!]), total)])];
  },
  jvp: (b, node, [tangent]) => {
    const weighted = b.mul(b.op('Exp', [node.output[0]!]), tangent!);
    return [b.op('Sub', [tangent!, b.sum(weighted, [intAttribute(node, 'axis', -1)])])];
  },
};

/** Running sums: the transpose runs the other way. */
const cumSum: Rule = linearRule((b, node, cotangent) =>
  b.op('CumSum', [cotangent, node.input[1]], {
    exclusive: intAttribute(node, 'exclusive', 0),
    reverse: 1 - intAttribute(node, 'reverse', 0),
  }),
);

export const normalizeRules: RuleTable = {
  LayerNormalization: layerNormalization,
  BatchNormalization: batchNormalization,
  Softmax: {
    vjp: (b, node, [cotangent]) => [softmaxJacobian(b, node, cotangent!)],
    jvp: (b, node, [tangent]) => [softmaxJacobian(b, node, tangent!)],
  },
  LogSoftmax: logSoftmax,
  CumSum: cumSum,
};
