import { ModelError } from '../../errors.js';
import { describeNode, floatAttribute, intAttribute, stringAttribute } from '../../onnx/graph/graph.js';
import type { NodeProto } from '../../onnx/file/proto.js';
import { unbroadcast } from '../broadcast.js';
import type { Builder, Value } from '../../onnx/graph/builder.js';
import type { JvpRule, Rule, RuleTable } from '../rule.js';

/** Swaps the last two axes. */
function transposed(b: Builder, value: Value, rank: number): Value {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm.splice(-2, 2, rank - 1, rank - 2);
  return b.transpose(value, perm);
}

/** The tangent of a product: the operator on each input's tangent in turn. */
function productJvp(inputs: number): JvpRule {
  return (b, node, tangents) => {
    const terms = tangents.slice(0, inputs).flatMap((tangent, index) => {
      if (tangent === undefined) return [];
      const input = node.input.slice(0, inputs).map((each, other) => (other === index ? tangent : each));
      return [b.copy(node, input)[0]!];
    });
    return [terms.length === 0 ? undefined : b.add(terms)];
  };
}

const matMul: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const [left, right] = node.input as [Value, Value];
    const y = node.output[0]!;
    const [p, q] = [b.rank(left), b.rank(right)];
    if (p >= 2 && q === 2)
      return [
        needs[0] ? timesTransposed(b, cotangent!, right) : undefined,
        needs[1] ? weightGradient(b, left, cotangent!, p) : undefined,
      ];
    // A vector takes part as a matrix with one row or column.
    const g0 = p === 1 ? b.op('Unsqueeze', [cotangent!, b.ints([q === 1 ? 0 : -2])]) : cotangent!;
    const g = q === 1 ? b.op('Unsqueeze', [g0, b.ints([-1])]) : g0;
    const a = p === 1 ? b.op('Unsqueeze', [left, b.ints([0])]) : left;
    const c = q === 1 ? b.op('Unsqueeze', [right, b.ints([-1])]) : right;
    return [
      needs[0]
        ? reduceBatch(b, b.op('MatMul', [g, transposed(b, c, Math.max(q, 2))]), y, left, p, q)
        : undefined,
      needs[1]
        ? reduceBatch(b, b.op('MatMul', [transposed(b, a, Math.max(p, 2)), g]), y, right, q, p)
        : undefined,
    ];
  },
  jvp: productJvp(2),
};

function timesTransposed(b: Builder, cotangent: Value, right: Value): Value {
  return b.op('MatMul', [cotangent, transposed(b, right, 2)]);
}

/** a^T g over all leading axes at once, as one matrix product. */
function weightGradient(b: Builder, left: Value, cotangent: Value, rank: number): Value {
  const rows = (value: Value, width: Value): Value =>
    rank === 2 ? value : b.op('Reshape', [value, b.op('Concat', [b.ints([-1]), width], { axis: 0 })]);
  const a = rows(left, b.size(left, -1));
  const g = rank === 2 ? cotangent : b.op('Flatten', [cotangent], { axis: rank - 1 });
  return b.op('Gemm', [a, g], { transA: 1 });
}

/** Sums a matrix product over the batch axes along which an operand was broadcast, and drops a vector's extra axis. */
function reduceBatch(b: Builder, product: Value, y: Value, input: Value, rank: number, other: number): Value {
  const batch = Math.max(rank, other, 2) - 2;
  const own = b.shape(input).slice(0, Math.max(rank - 2, 0));
  const all = b.shape(y).slice(0, batch);
  const pad = batch - own.length;
  const same = all.every((size, axis) => axis >= pad && own[axis - pad] === size);
  if (same && rank > 1) return product;
  const reduced = all.flatMap((size, axis) =>
    axis < pad || (own[axis - pad] === 1 && size !== 1) ? [axis] : [],
  );
  const unclear = all.some(
    (size, axis) => axis >= pad && typeof own[axis - pad] === 'string' && own[axis - pad] !== size,
  );
  if (unclear) {
    const shape = b.op('Concat', [b.ints(Array<number>(pad).fill(1)), b.shapeOf(input)], { axis: 0 });
    const differs = b.op('Not', [b.op('Equal', [shape, b.op('Shape', [product])])]);
    const axes = b.op('Squeeze', [b.op('NonZero', [differs]), b.ints([0])]);
    const summed = b.op('ReduceSum', [product, axes], { noop_with_empty_axes: 1 });
    return b.op('Reshape', [summed, b.shapeOf(input)]);
  }
  const summed = reduced.length === 0 ? product : b.sum(product, reduced);
  return b.reshapeLike(summed, input);
}

/** alpha A' B' + beta C with A' and B' transposed where the attributes say so. */
const gemm: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const [left, right, bias] = node.input as [Value, Value, Value?];
    const transA = intAttribute(node, 'transA', 0);
    const transB = intAttribute(node, 'transB', 0);
    const alpha = { float: floatAttribute(node, 'alpha', 1) };
    const product = (inputs: Value[], first: number, second: number): Value =>
      b.op('Gemm', inputs, { alpha, transA: first, transB: second });
    const g = cotangent!;
    return [
      needs[0] ? (transA ? product([right, g], transB, 1) : product([g, right], 0, 1 - transB)) : undefined,
      needs[1] ? (transB ? product([g, left], 1, transA) : product([left, g], 1 - transA, 0)) : undefined,
      needs[2] && bias ? gemmBias(b, node, g, bias) : undefined,
    ];
  },
  jvp: (b, node, tangents) => {
    const terms: Value[] = [];
    const [left, right, bias] = node.input as [Value, Value, Value?];
    if (tangents[0]) terms.push(b.copy(node, [tangents[0], right])[0]!);
    if (tangents[1]) terms.push(b.copy(node, [left, tangents[1]])[0]!);
    if (tangents[2] && bias) {
      const beta = floatAttribute(node, 'beta', 1);
      const scaled = beta === 1 ? tangents[2] : b.mul(tangents[2], b.scalar(beta, bias));
      terms.push(terms.length === 0 ? b.op('Expand', [scaled, b.shapeOf(node.output[0]!)]) : scaled);
    }
    return [terms.length === 0 ? undefined : b.add(terms)];
  },
};

function gemmBias(b: Builder, node: NodeProto, cotangent: Value, bias: Value): Value {
  const beta = floatAttribute(node, 'beta', 1);
  const scaled = beta === 1 ? cotangent : b.mul(cotangent, b.scalar(beta, bias));
  return unbroadcast(b, scaled, node.output[0]!, bias);
}

/** "ij,jk->ik" as the indices of each operand and of the result. */
function equation(b: Builder, node: NodeProto): { operands: string[]; result: string } {
  const text = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  const [left, right] = text.split('->') as [string, string?];
  const operands = left.split(',');
  const implied = [...new Set(left.replaceAll(',', ''))]
    .sort()
    .filter((index) => left.split(index).length === 2);
  const result = right ?? implied.join('');
  const repeated = [...operands, result].some((indices) => new Set(indices).size < indices.length);
  if (text.includes('.') || repeated) {
    throw new ModelError(
      `${describeNode(node)}: "${text}" has an ellipsis or a repeated index; write it without.`,
    );
  }
  node.input.forEach((input, index) => {
    if (operands[index]!.length !== b.rank(input))
      throw new ModelError(`${describeNode(node)}: "${text}" does not fit.`);
  });
  return { operands, result };
}

const einsum: Rule = {
  vjp: (b, node, [cotangent], needs) => {
    const { operands, result } = equation(b, node);
    return node.input.map((input, target) => {
      if (!needs[target]) return undefined;
      const others = operands.flatMap((indices, index) => (index === target ? [] : [{ indices, index }]));
      const available = new Set([result, ...others.map(({ indices }) => indices)].join(''));
      const wanted = operands[target]!.split('');
      const reached = wanted.filter((index) => available.has(index)).join('');
      const sources = [result, ...others.map(({ indices }) => indices)].join(',');
      const product = b.op('Einsum', [cotangent!, ...others.map(({ index }) => node.input[index]!)], {
        equation: `${sources}->${reached}`,
      });
      // An index that only this operand has was summed over: its cotangent is the same everywhere.
      const lost = wanted.flatMap((index, axis) => (available.has(index) ? [] : [axis]));
      if (lost.length === 0) return product;
      return b.op('Expand', [b.op('Unsqueeze', [product, b.ints(lost)]), b.shapeOf(input)]);
    });
  },
  jvp: (b, node, tangents) => productJvp(node.input.length)(b, node, tangents),
};

export const matmulRules: RuleTable = { MatMul: matMul, Gemm: gemm, Einsum: einsum };
