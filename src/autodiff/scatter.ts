import type { NodeProto } from '../onnx/file/proto.js';
import type { Builder, Value } from '../onnx/graph/builder.js';
import { DATA_TYPES } from '../onnx/file/tensor.js';
import { elementCount } from '../shape.js';

/**
 * The transpose of an operator that only moves elements of its first input: it is applied to the elements' numbers, and
 * each cotangent is added at the number that arrived in its place. Fits every shape, at the price of a scatter.
 * @param type the type of the numbers: int64, or int32 for operators that do not take int64
 */
export function scatterBack(
  b: Builder,
  node: NodeProto,
  cotangent: Value,
  type: 'int64' | 'int32' = 'int64',
): Value {
  const x = node.input[0]!;
  const sizes = b.sizes(x);
  const total = sizes === undefined ? b.op('Size', [x]) : b.constant('int64', [], [elementCount(sizes)]);
  const range = b.op('Range', [b.constant('int64', [], [0]), total, b.constant('int64', [], [1])]);
  const numbers = b.op('Reshape', [range, b.shapeOf(x)]);
  const cast = type === 'int64' ? numbers : b.op('Cast', [numbers], { to: 6 });
  const moved = b.copy(node, [cast, ...node.input.slice(1)])[0]!;
  const indices = type === 'int64' ? moved : b.op('Cast', [moved], { to: 7 });
  return scatterFlat(b, x, indices, cotangent);
}

/** Adds each element of `cotangent` at the flat position in x that `indices` (of the same shape) names. */
export function scatterFlat(b: Builder, x: Value, indices: Value, cotangent: Value): Value {
  const flat = b.ints([-1]);
  const zeros = b.op('Reshape', [b.zeros(x), flat]);
  const sum = addAt(b, x, zeros, b.op('Reshape', [indices, flat]), b.op('Reshape', [cotangent, flat]), 0);
  return b.reshapeLike(sum, x);
}

/** ScatterElements that adds, of values of the type of x. Those in half precision are added in single, as ONNX Runtime knows no other way. */
export function addAt(
  b: Builder,
  x: Value,
  data: Value,
  indices: Value,
  updates: Value,
  axis: number,
): Value {
  const scatter = (to: Value, from: Value): Value =>
    b.op('ScatterElements', [to, indices, from], { axis, reduction: 'add' });
  if (b.type(x) !== 'float16') return scatter(data, updates);
  const wide = (value: Value): Value => b.op('Cast', [value], { to: DATA_TYPES.float32 });
  return b.op('Cast', [scatter(wide(data), wide(updates))], { to: DATA_TYPES.float16 });
}
