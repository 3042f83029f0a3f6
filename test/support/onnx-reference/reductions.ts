import { array, at, broadcastAt, build, flat, indices, normalAxis, reduce, type NdArray } from './array.js';
import { float, int, ints, type Operator } from './operator.js';
import { windowOf } from './products.js';

const total = (values: number[]): number => values.reduce((sum, value) => sum + value, 0);
const average = (values: number[]): number => total(values) / values.length;

function reduction(f: (values: number[]) => number): Operator {
  return ([x, axes], node) => {
    const given = [...(axes?.data ?? ints(node, 'axes') ?? [])].map((axis) =>
      normalAxis(axis, x!.shape.length),
    );
    if (given.length === 0 && int(node, 'noop_with_empty_axes', 0)) return x!;
    const all = given.length === 0 ? x!.shape.map((_, axis) => axis) : given;
    return reduce(x!, all, int(node, 'keepdims', 1) === 1, f);
  };
}

function overSpace(f: (values: number[]) => number): Operator {
  return ([x]) => reduce(x!, x!.shape.map((_, axis) => axis).slice(2), true, f);
}

function alongAxis(x: NdArray, axis: number, f: (line: number[], position: number) => number): NdArray {
  const each = normalAxis(axis, x.shape.length);
  return build(x.shape, (index) => {
    const line = Array.from({ length: x.shape[each]! }, (_, k) => at(x, index.with(each, k)));
    return f(line, index[each]!);
  });
}

const logSumExp = (values: number[]): number => {
  const top = Math.max(...values);
  return top + Math.log(total(values.map((value) => Math.exp(value - top))));
};

const layerNormalization: Operator = ([x, scale, bias], node) => {
  const start = normalAxis(int(node, 'axis', -1), x!.shape.length);
  const axes = x!.shape.map((_, axis) => axis).slice(start);
  const mean = reduce(x!, axes, true, average);
  const inverse = reduce(x!, axes, true, (values) => {
    const centre = average(values);
    return (
      1 / Math.sqrt(average(values.map((value) => (value - centre) ** 2)) + float(node, 'epsilon', 1e-5))
    );
  });
  const y = build(x!.shape, (index) => {
    const normal = (at(x!, index) - broadcastAt(mean, index)) * broadcastAt(inverse, index);
    return normal * broadcastAt(scale!, index) + (bias === undefined ? 0 : broadcastAt(bias, index));
  });
  return [y, mean, inverse];
};

const instanceNormalization: Operator = ([x, scale, bias], node) => {
  const axes = x!.shape.map((_, axis) => axis).slice(2);
  const one = array([], [1]);
  const [normal] = layerNormalization([x!, one], {
    ...node,
    attribute: [
      ...node.attribute,
      { name: 'axis', i: BigInt(axes[0]!), floats: [], ints: [], strings: [], graphs: [] },
    ],
  }) as NdArray[];
  return build(x!.shape, (index) => at(normal!, index) * scale!.data[index[1]!]! + bias!.data[index[1]!]!);
};

/** Operator set 21: scale and bias per channel. */
const groupNormalization: Operator = ([x, scale, bias], node) => {
  const groups = int(node, 'num_groups', 1);
  const rows = array([x!.shape[0]!, groups, x!.data.length / x!.shape[0]! / groups], x!.data);
  const [normal] = layerNormalization([rows, array([], [1])], node) as NdArray[];
  const back = array(x!.shape, normal!.data);
  return build(x!.shape, (index) => at(back, index) * scale!.data[index[1]!]! + bias!.data[index[1]!]!);
};

const rmsNormalization: Operator = ([x, scale], node) => {
  const epsilon = float(node, 'epsilon', 1e-5);
  const square = (line: number[]): number => average(line.map((value) => value * value));
  const normal = alongAxis(x!, -1, (line, k) => line[k]! / Math.sqrt(square(line) + epsilon));
  return build(x!.shape, (index) => at(normal, index) * broadcastAt(scale!, index));
};

const batchNormalization: Operator = ([x, scale, bias, mean, variance], node) =>
  build(x!.shape, (index) => {
    const c = index[1]!;
    const inverse = 1 / Math.sqrt(variance!.data[c]! + float(node, 'epsilon', 1e-5));
    return (at(x!, index) - mean!.data[c]!) * inverse * scale!.data[c]! + bias!.data[c]!;
  });

const averagePool: Operator = ([x], node) => {
  const kernel = ints(node, 'kernel_shape')!;
  const { strides, dilations, begin, out } = windowOf(x!, kernel, node);
  const pads = ints(node, 'pads') ?? [...kernel, ...kernel].map(() => 0);
  const withPadding = int(node, 'count_include_pad', 0) === 1;
  return build([...x!.shape.slice(0, 2), ...out], ([n, c, ...o]) => {
    let sum = 0;
    let size = 0;
    for (const j of indices(kernel)) {
      const i = o.map((each, axis) => each * strides[axis]! + j[axis]! * dilations[axis]! - begin[axis]!);
      const inside = i.every((each, axis) => each >= 0 && each < x!.shape[axis + 2]!);
      const padded = i.every((each, axis) => each < x!.shape[axis + 2]! + pads[axis + kernel.length]!);
      if (inside) sum += at(x!, [n!, c!, ...i]);
      if (withPadding ? padded : inside) size++;
    }
    return sum / size;
  });
};

const maxPool: Operator = ([x], node) => {
  const kernel = ints(node, 'kernel_shape')!;
  const { strides, dilations, begin, out } = windowOf(x!, kernel, node);
  const shape = [...x!.shape.slice(0, 2), ...out];
  const where = build(
    shape,
    ([n, c, ...o]) => {
      let best = -1;
      for (const j of indices(kernel)) {
        const i = o.map((each, axis) => each * strides[axis]! + j[axis]! * dilations[axis]! - begin[axis]!);
        if (i.some((each, axis) => each < 0 || each >= x!.shape[axis + 2]!)) continue;
        const position = flat(x!.shape, [n!, c!, ...i]);
        if (best < 0 || x!.data[position]! > x!.data[best]!) best = position;
      }
      return best;
    },
    true,
  );
  return [
    array(
      shape,
      where.data.map((position) => x!.data[position]!),
    ),
    where,
  ];
};

const cumSum: Operator = ([x, axis], node) => {
  const [reverse, exclusive] = [int(node, 'reverse', 0), int(node, 'exclusive', 0)];
  return alongAxis(x!, axis!.data[0]!, (line, k) => {
    const part = reverse ? line.slice(k + exclusive) : line.slice(0, k + 1 - exclusive);
    return total(part);
  });
};

const topK: Operator = ([x, k], node) => {
  const axis = normalAxis(int(node, 'axis', -1), x!.shape.length);
  const sign = int(node, 'largest', 1) ? -1 : 1;
  const shape = x!.shape.with(axis, k!.data[0]!);
  const where = build(
    shape,
    (index) => {
      const line = Array.from({ length: x!.shape[axis]! }, (_, i) => ({ i, v: at(x!, index.with(axis, i)) }));
      return line.sort((a, b) => sign * (a.v - b.v) || a.i - b.i)[index[axis]!]!.i;
    },
    true,
  );
  return [build(shape, (index) => at(x!, index.with(axis, at(where, index)))), where];
};

export const reductions: Readonly<Record<string, Operator>> = {
  ReduceSum: reduction(total),
  ReduceMean: reduction(average),
  ReduceMax: reduction((values) => Math.max(...values)),
  ReduceMin: reduction((values) => Math.min(...values)),
  ReduceProd: reduction((values) => values.reduce((product, value) => product * value, 1)),
  ReduceL1: reduction((values) => total(values.map(Math.abs))),
  ReduceL2: reduction((values) => Math.hypot(...values)),
  ReduceSumSquare: reduction((values) => total(values.map((value) => value * value))),
  ReduceLogSum: reduction((values) => Math.log(total(values))),
  ReduceLogSumExp: reduction(logSumExp),
  GlobalAveragePool: overSpace(average),
  GlobalMaxPool: overSpace((values) => Math.max(...values)),
  Softmax: ([x], node) =>
    alongAxis(x!, int(node, 'axis', -1), (line, k) => Math.exp(line[k]! - logSumExp(line))),
  LogSoftmax: ([x], node) => alongAxis(x!, int(node, 'axis', -1), (line, k) => line[k]! - logSumExp(line)),
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  RMSNormalization: rmsNormalization,
  BatchNormalization: batchNormalization,
  AveragePool: averagePool,
  MaxPool: maxPool,
  CumSum: cumSum,
  TopK: topK,
};
