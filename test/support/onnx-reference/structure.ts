import {
  array,
  at,
  broadcastAt,
  broadcastShapes,
  build,
  count,
  flat,
  indices,
  normalAxis,
  reshape,
  transpose,
  vector,
  type NdArray,
} from './array.js';
import { int, ints, text, type Operator } from './operator.js';

const numbers = (x: NdArray | undefined): number[] => [...(x?.data ?? [])];

const reshapeTo: Operator = ([x, shape]) => {
  const wanted = numbers(shape).map((size, axis) => (size === 0 ? x!.shape[axis]! : size));
  const known = count(wanted.filter((size) => size >= 0));
  return reshape(
    x!,
    wanted.map((size) => (size < 0 ? x!.data.length / known : size)),
  );
};

const squeeze: Operator = ([x, axes]) => {
  const drop = numbers(axes).map((axis) => normalAxis(axis, x!.shape.length));
  return reshape(
    x!,
    x!.shape.filter((size, axis) => (drop.length === 0 ? size !== 1 : !drop.includes(axis))),
  );
};

const unsqueeze: Operator = ([x, axes]) => {
  const rank = x!.shape.length + axes!.data.length;
  const added = numbers(axes).map((axis) => normalAxis(axis, rank));
  const rest = [...x!.shape];
  return reshape(
    x!,
    Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : rest.shift()!)),
  );
};

const concat: Operator = (inputs, node) => {
  const axis = normalAxis(int(node, 'axis', 0), inputs[0]!.shape.length);
  const length = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
  return build(
    inputs[0]!.shape.with(axis, length),
    (index) => {
      let position = index[axis]!;
      let k = 0;
      while (position >= inputs[k]!.shape[axis]!) position -= inputs[k++]!.shape[axis]!;
      return at(inputs[k]!, index.with(axis, position));
    },
    inputs[0]!.integer,
  );
};

const split: Operator = ([x, sizes], node) => {
  const axis = normalAxis(int(node, 'axis', 0), x!.shape.length);
  const parts = node.output.length;
  const each = Math.ceil(x!.shape[axis]! / parts);
  const lengths = sizes
    ? numbers(sizes)
    : Array.from({ length: parts }, (_, k) => Math.min(each, x!.shape[axis]! - k * each));
  let start = 0;
  return lengths.map((length) => {
    const from = start;
    start += length;
    return build(
      x!.shape.with(axis, length),
      (index) => at(x!, index.with(axis, index[axis]! + from)),
      x!.integer,
    );
  });
};

const slice: Operator = ([x, starts, ends, axes, steps]) => {
  const rank = x!.shape.length;
  const from = Array<number>(rank).fill(0);
  const by = Array<number>(rank).fill(1);
  const shape = [...x!.shape];
  numbers(starts).forEach((start, k) => {
    const axis = normalAxis(axes ? axes.data[k]! : k, rank);
    const size = x!.shape[axis]!;
    const step = steps ? steps.data[k]! : 1;
    const clamp = (position: number): number => {
      const absolute = position < 0 ? position + size : position;
      return step > 0 ? Math.min(size, Math.max(0, absolute)) : Math.min(size - 1, Math.max(-1, absolute));
    };
    from[axis] = clamp(start);
    by[axis] = step;
    shape[axis] = Math.max(0, Math.ceil((clamp(ends!.data[k]!) - from[axis]) / step));
  });
  return build(
    shape,
    (index) =>
      at(
        x!,
        index.map((each, axis) => from[axis]! + each * by[axis]!),
      ),
    x!.integer,
  );
};

const pad: Operator = ([x, pads, value, axes], node) => {
  const rank = x!.shape.length;
  const list = axes ? numbers(axes).map((axis) => normalAxis(axis, rank)) : x!.shape.map((_, axis) => axis);
  const before = Array<number>(rank).fill(0);
  const shape = [...x!.shape];
  list.forEach((axis, k) => {
    before[axis] = pads!.data[k]!;
    shape[axis]! += pads!.data[k]! + pads!.data[k + list.length]!;
  });
  const mode = text(node, 'mode', 'constant');
  const source = (position: number, size: number): number => {
    if (mode === 'edge') return Math.min(size - 1, Math.max(0, position));
    if (mode === 'wrap') return ((position % size) + size) % size;
    if (mode !== 'reflect') return position;
    const period = Math.max(1, 2 * (size - 1));
    const k = ((position % period) + period) % period;
    return k < size ? k : period - k;
  };
  return build(
    shape,
    (index) =>
      at(
        x!,
        index.map((each, axis) => source(each - before[axis]!, x!.shape[axis]!)),
        value?.data[0] ?? 0,
      ),
    x!.integer,
  );
};

const gather: Operator = ([x, picks], node) => {
  const axis = normalAxis(int(node, 'axis', 0), x!.shape.length);
  const inner = picks!.shape.length;
  const shape = [...x!.shape.slice(0, axis), ...picks!.shape, ...x!.shape.slice(axis + 1)];
  return build(
    shape,
    (index) => {
      const pick = normalAxis(at(picks!, index.slice(axis, axis + inner)), x!.shape[axis]!);
      return at(x!, [...index.slice(0, axis), pick, ...index.slice(axis + inner)]);
    },
    x!.integer,
  );
};

const gatherElements: Operator = ([x, picks], node) => {
  const axis = normalAxis(int(node, 'axis', 0), x!.shape.length);
  return build(
    picks!.shape,
    (index) => at(x!, index.with(axis, normalAxis(at(picks!, index), x!.shape[axis]!))),
    x!.integer,
  );
};

const gatherNd: Operator = ([x, picks]) => {
  const depth = picks!.shape.at(-1)!;
  const lead = picks!.shape.slice(0, -1);
  return build(
    [...lead, ...x!.shape.slice(depth)],
    (index) => {
      const pick = Array.from({ length: depth }, (_, k) => at(picks!, [...index.slice(0, lead.length), k]));
      return at(x!, [...pick, ...index.slice(lead.length)]);
    },
    x!.integer,
  );
};

const scatterElements: Operator = ([x, picks, updates], node) => {
  const axis = normalAxis(int(node, 'axis', 0), x!.shape.length);
  const adds = text(node, 'reduction', 'none') === 'add';
  const y = array(x!.shape, x!.data, x!.integer);
  for (const index of indices(picks!.shape)) {
    const position = flat(x!.shape, index.with(axis, normalAxis(at(picks!, index), x!.shape[axis]!)));
    y.data[position] = (adds ? y.data[position]! : 0) + at(updates!, index);
  }
  return y;
};

const scatterNd: Operator = ([x, picks, updates], node) => {
  const depth = picks!.shape.at(-1)!;
  const lead = picks!.shape.slice(0, -1);
  const adds = text(node, 'reduction', 'none') === 'add';
  const y = array(x!.shape, x!.data, x!.integer);
  for (const index of indices(updates!.shape)) {
    const pick = Array.from({ length: depth }, (_, k) => at(picks!, [...index.slice(0, lead.length), k]));
    const position = flat(x!.shape, [...pick, ...index.slice(lead.length)]);
    y.data[position] = (adds ? y.data[position]! : 0) + at(updates!, index);
  }
  return y;
};

const depthToSpace: Operator = ([x], node) => {
  const [n, c, h, w] = x!.shape as [number, number, number, number];
  const b = int(node, 'blocksize', 1);
  const out = c / b / b;
  const dcr = text(node, 'mode', 'DCR') === 'DCR';
  const split = reshape(x!, dcr ? [n, b, b, out, h, w] : [n, out, b, b, h, w]);
  return reshape(transpose(split, dcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), [n, out, h * b, w * b]);
};

const spaceToDepth: Operator = ([x], node) => {
  const [n, c, h, w] = x!.shape as [number, number, number, number];
  const b = int(node, 'blocksize', 1);
  const split = reshape(x!, [n, c, h / b, b, w / b, b]);
  return reshape(transpose(split, [0, 3, 5, 1, 2, 4]), [n, c * b * b, h / b, w / b]);
};

const resize: Operator = ([x, , scales, sizes], node) => {
  const given = scales?.data.length ? numbers(scales) : undefined;
  const shape = given ? x!.shape.map((size, axis) => Math.floor(size * given[axis]!)) : numbers(sizes);
  const factors = given ?? shape.map((size, axis) => size / x!.shape[axis]!);
  const coordinates = text(node, 'coordinate_transformation_mode', 'half_pixel');
  const source = (o: number, axis: number): number => {
    if (factors[axis] === 1) return o;
    if (coordinates === 'asymmetric') return o / factors[axis]!;
    if (coordinates === 'align_corners') return (o * (x!.shape[axis]! - 1)) / (shape[axis]! - 1);
    return (o + 0.5) / factors[axis]! - 0.5;
  };
  const clamp = (i: number, axis: number): number => Math.min(x!.shape[axis]! - 1, Math.max(0, i));
  if (text(node, 'mode', 'nearest') === 'nearest') {
    const modes: Record<string, (i: number) => number> = {
      floor: Math.floor,
      ceil: Math.ceil,
      round_prefer_ceil: Math.round,
      round_prefer_floor: (i) => Math.ceil(i - 0.5),
    };
    const nearest = modes[text(node, 'nearest_mode', 'round_prefer_floor')]!;
    return build(
      shape,
      (index) =>
        at(
          x!,
          index.map((o, axis) => clamp(nearest(source(o, axis)), axis)),
        ),
      x!.integer,
    );
  }
  return build(shape, (index) => {
    const positions = index.map((o, axis) => clamp(source(o, axis), axis));
    let sum = 0;
    for (const corner of indices(shape.map(() => 2))) {
      const low = positions.map(Math.floor);
      const weight = corner.reduce(
        (w, up, axis) => w * (up ? positions[axis]! - low[axis]! : 1 + low[axis]! - positions[axis]!),
        1,
      );
      if (weight > 0)
        sum +=
          weight *
          at(
            x!,
            corner.map((up, axis) => clamp(low[axis]! + up, axis)),
          );
    }
    return sum;
  });
};

export const structure: Readonly<Record<string, Operator>> = {
  Shape: ([x], node) => {
    const end = int(node, 'end', x!.shape.length);
    return vector(x!.shape.slice(int(node, 'start', 0), end));
  },
  Size: ([x]) => array([], [x!.data.length], true),
  Reshape: reshapeTo,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: ([x], node) => {
    const axis = normalAxis(int(node, 'axis', 1), x!.shape.length);
    return reshape(x!, [count(x!.shape.slice(0, axis)), count(x!.shape.slice(axis))]);
  },
  Transpose: ([x], node) =>
    transpose(x!, ints(node, 'perm') ?? x!.shape.map((_, axis) => x!.shape.length - 1 - axis)),
  Concat: concat,
  Split: split,
  Slice: slice,
  Expand: ([x, shape]) =>
    build(broadcastShapes([x!.shape, numbers(shape)]), (index) => broadcastAt(x!, index), x!.integer),
  Pad: pad,
  Tile: ([x, repeats]) =>
    build(
      x!.shape.map((size, axis) => size * repeats!.data[axis]!),
      (index) =>
        at(
          x!,
          index.map((each, axis) => each % x!.shape[axis]!),
        ),
      x!.integer,
    ),
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Resize: resize,
  Range: ([start, limit, delta]) => {
    const length = Math.max(0, Math.ceil((limit!.data[0]! - start!.data[0]!) / delta!.data[0]!));
    return array(
      [length],
      Array.from({ length }, (_, k) => start!.data[0]! + k * delta!.data[0]!),
      start!.integer,
    );
  },
  NonZero: ([x]) => {
    const found = [...indices(x!.shape)].filter((index) => at(x!, index) !== 0);
    return build([x!.shape.length, found.length], ([axis, k]) => found[k!]![axis!]!, true);
  },
  Trilu: ([x, k], node) => {
    const upper = int(node, 'upper', 1) === 1;
    const shift = k?.data[0] ?? 0;
    return build(x!.shape, (index) => {
      const [row, column] = index.slice(-2) as [number, number];
      return (upper ? column >= row + shift : column <= row + shift) ? at(x!, index) : 0;
    });
  },
};
