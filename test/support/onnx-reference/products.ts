import { at, broadcastAt, broadcastShapes, build, indices, reshape, type NdArray } from './array.js';
import { float, int, ints, text, type Operator } from './operator.js';

const matMul: Operator = ([a, b]) => {
  const left = a!.shape.length === 1 ? reshape(a!, [1, ...a!.shape]) : a!;
  const right = b!.shape.length === 1 ? reshape(b!, [...b!.shape, 1]) : b!;
  const [rows, inner] = left.shape.slice(-2) as [number, number];
  const columns = right.shape.at(-1)!;
  const batch = broadcastShapes([left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  const product = build([...batch, rows, columns], (index) => {
    const lead = index.slice(0, -2);
    const [row, column] = index.slice(-2) as [number, number];
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      sum += broadcastMatrix(left, lead, row, k) * broadcastMatrix(right, lead, k, column);
    }
    return sum;
  });
  const shape = [
    ...batch,
    ...(a!.shape.length === 1 ? [] : [rows]),
    ...(b!.shape.length === 1 ? [] : [columns]),
  ];
  return reshape(product, shape);
};

function broadcastMatrix(x: NdArray, lead: readonly number[], row: number, column: number): number {
  const rank = x.shape.length - 2;
  const own = lead.slice(lead.length - rank).map((each, axis) => (x.shape[axis] === 1 ? 0 : each));
  return at(x, [...own, row, column]);
}

const gemm: Operator = ([a, b, c], node) => {
  const [transA, transB] = [int(node, 'transA', 0), int(node, 'transB', 0)];
  const inner = a!.shape[transA ? 0 : 1]!;
  const shape = [a!.shape[transA ? 1 : 0]!, b!.shape[transB ? 0 : 1]!];
  return build(shape, (index) => {
    const [row, column] = index as [number, number];
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      sum += at(a!, transA ? [k, row] : [row, k]) * at(b!, transB ? [column, k] : [k, column]);
    }
    return (
      float(node, 'alpha', 1) * sum + (c === undefined ? 0 : float(node, 'beta', 1) * broadcastAt(c, index))
    );
  });
};

const einsum: Operator = (inputs, node) => {
  const [left, right] = text(node, 'equation', '').replaceAll(' ', '').split('->') as [string, string];
  const operands = left.split(',');
  const sizes = new Map<string, number>();
  operands.forEach((names, k) => {
    names.split('').forEach((name, axis) => sizes.set(name, inputs[k]!.shape[axis]!));
  });
  const summed = [...sizes.keys()].filter((name) => !right.includes(name));
  const order = [...right.split('').filter((name) => name !== ''), ...summed];
  return build(
    right.split('').map((name) => sizes.get(name)!),
    (index) => {
      let sum = 0;
      for (const inner of indices(summed.map((name) => sizes.get(name)!))) {
        const all = [...index, ...inner];
        const position = (names: string): number[] =>
          names.split('').map((name) => all[order.indexOf(name)]!);
        sum += inputs.reduce((product, each, k) => product * at(each, position(operands[k]!)), 1);
      }
      return sum;
    },
  );
};

/** Strides, dilations and pads of a convolution or pool, with auto_pad resolved. */
export function windowOf(
  x: NdArray,
  kernel: readonly number[],
  node: Parameters<Operator>[1],
): { strides: number[]; dilations: number[]; begin: number[]; out: number[] } {
  const spatial = x.shape.slice(2);
  const strides = ints(node, 'strides') ?? kernel.map(() => 1);
  const dilations = ints(node, 'dilations') ?? kernel.map(() => 1);
  const pads = ints(node, 'pads') ?? [...kernel, ...kernel].map(() => 0);
  const mode = text(node, 'auto_pad', 'NOTSET');
  const round = int(node, 'ceil_mode', 0) ? Math.ceil : Math.floor;
  const begin: number[] = [];
  const out = spatial.map((size, axis) => {
    const span = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const stride = strides[axis]!;
    if (mode.startsWith('SAME')) {
      const wanted = Math.ceil(size / stride);
      const total = Math.max(0, (wanted - 1) * stride + span - size);
      begin.push(mode === 'SAME_LOWER' ? Math.ceil(total / 2) : Math.floor(total / 2));
      return wanted;
    }
    begin.push(pads[axis]!);
    const padded = size + pads[axis]! + pads[axis + kernel.length]!;
    const steps = round((padded - span) / stride) + 1;
    // Rounding up may add a window that starts beyond the image and its front padding; it is dropped.
    return round === Math.ceil && (steps - 1) * stride >= size + pads[axis]! ? steps - 1 : steps;
  });
  return { strides, dilations, begin, out };
}

const conv: Operator = ([x, w, bias], node) => {
  const kernel = w!.shape.slice(2);
  const { strides, dilations, begin, out } = windowOf(x!, kernel, node);
  const group = int(node, 'group', 1);
  const [m, c] = w!.shape as [number, number];
  return build([x!.shape[0]!, m, ...out], ([n, k, ...o]) => {
    let sum = bias?.data[k!] ?? 0;
    const first = Math.floor(k! / (m / group)) * c;
    for (const j of indices(kernel)) {
      const position = o.map(
        (each, axis) => each * strides[axis]! + j[axis]! * dilations[axis]! - begin[axis]!,
      );
      for (let channel = 0; channel < c; channel++) {
        sum += at(x!, [n!, first + channel, ...position]) * at(w!, [k!, channel, ...j]);
      }
    }
    return sum;
  });
};

const convTranspose: Operator = ([x, w, bias], node) => {
  const kernel = w!.shape.slice(2);
  const strides = ints(node, 'strides') ?? kernel.map(() => 1);
  const dilations = ints(node, 'dilations') ?? kernel.map(() => 1);
  const pads = ints(node, 'pads') ?? [...kernel, ...kernel].map(() => 0);
  const extra = ints(node, 'output_padding') ?? kernel.map(() => 0);
  const group = int(node, 'group', 1);
  const [c, perGroup] = w!.shape as [number, number];
  const out = kernel.map((size, axis) => {
    const span = (size - 1) * dilations[axis]! + 1;
    const full = (x!.shape[axis + 2]! - 1) * strides[axis]! + span + extra[axis]!;
    return full - pads[axis]! - pads[axis + kernel.length]!;
  });
  const shape = [x!.shape[0]!, perGroup * group, ...out];
  const y = build(shape, ([, k]) => bias?.data[k!] ?? 0);
  for (const [n, channel, ...i] of indices(x!.shape)) {
    const g = Math.floor(channel! / (c / group));
    for (const [k, ...j] of indices([perGroup, ...kernel])) {
      const o = i.map((each, axis) => each * strides[axis]! + j[axis]! * dilations[axis]! - pads[axis]!);
      if (o.some((each, axis) => each < 0 || each >= out[axis]!)) continue;
      const position = [n!, g * perGroup + k!, ...o].reduce((p, each, axis) => p * shape[axis]! + each, 0);
      y.data[position]! += at(x!, [n!, channel!, ...i]) * at(w!, [channel!, k!, ...j]);
    }
  }
  return y;
};

export const products: Readonly<Record<string, Operator>> = {
  MatMul: matMul,
  Gemm: gemm,
  Einsum: einsum,
  Conv: conv,
  ConvTranspose: convTranspose,
};
