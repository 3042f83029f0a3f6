import type { Builder, Value } from '../onnx/graph/builder.js';

/** Whether two values of the graph have provably the same shape. */
export function sameShape(b: Builder, left: Value, right: Value): boolean {
  const a = b.shape(left);
  const c = b.shape(right);
  return a.length === c.length && a.every((size, axis) => size === c[axis]);
}

/**
 * Sums a cotangent of the shape of `output` back to the shape of `input`, which was broadcast to it. Where the shapes
 * do not tell, the axes are found at run time.
 */
export function unbroadcast(b: Builder, cotangent: Value, output: Value, input: Value): Value {
  if (sameShape(b, output, input)) return cotangent;
  const to = b.shape(input);
  const from = b.shape(output);
  const extra = from.length - to.length;
  const stretched: number[] = [];
  for (let axis = extra; axis < from.length; axis++) {
    const size = to[axis - extra]!;
    if (size === from[axis]) continue;
    if (size === 1) stretched.push(axis);
    // A fixed size other than 1 cannot have been stretched.
    else if (typeof size !== 'number') return unbroadcastAtRunTime(b, cotangent, output, input);
  }
  const leading = Array.from({ length: extra }, (_, axis) => axis);
  if (stretched.length === 0) return extra === 0 ? cotangent : b.sum(cotangent, leading, false);
  const summed = b.sum(cotangent, [...leading, ...stretched]);
  return extra === 0 ? summed : b.op('Squeeze', [summed, b.ints(leading)]);
}

function unbroadcastAtRunTime(b: Builder, cotangent: Value, output: Value, input: Value): Value {
  const extra = b.rank(output) - b.rank(input);
  const shape = b.shapeOf(input);
  const padded =
    extra === 0 ? shape : b.op('Concat', [b.ints(Array<number>(extra).fill(1)), shape], { axis: 0 });
  const differs = b.op('Not', [b.op('Equal', [padded, b.shapeOf(output)])]);
  const axes = b.op('Squeeze', [b.op('NonZero', [differs]), b.ints([0])]);
  const summed = b.op('ReduceSum', [cotangent, axes], { keepdims: 1, noop_with_empty_axes: 1 });
  return b.op('Reshape', [summed, shape]);
}

/** A tangent of the shape of `input` in the shape of `output`. */
export function broadcast(b: Builder, tangent: Value, input: Value, output: Value): Value {
  return sameShape(b, output, input) ? tangent : b.op('Expand', [tangent, b.shapeOf(output)]);
}
