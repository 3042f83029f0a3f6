/** An n-dimensional array in double precision; `integer` marks int64 and bool, which divide and cast differently. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  readonly integer: boolean;
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function array(shape: readonly number[], values: ArrayLike<number>, integer = false): NdArray {
  if (values.length !== count(shape)) throw new Error(`${values.length} values for [${shape.join(', ')}]`);
  return { shape: [...shape], data: Float64Array.from(values), integer };
}

export function vector(values: readonly number[]): NdArray {
  return array([values.length], values, true);
}

/** All index tuples of a shape, in row-major order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  if (count(shape) === 0) return;
  for (;;) {
    yield [...index];
    let axis = shape.length - 1;
    while (axis >= 0 && ++index[axis]! === shape[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

export function flat(shape: readonly number[], index: readonly number[]): number {
  return index.reduce((position, each, axis) => position * shape[axis]! + each, 0);
}

/** The element at an index; outside the array it is `outside`. */
export function at(x: NdArray, index: readonly number[], outside = 0): number {
  if (index.some((each, axis) => each < 0 || each >= x.shape[axis]!)) return outside;
  return x.data[flat(x.shape, index)]!;
}

/** An array from a function of the index. */
export function build(
  shape: readonly number[],
  value: (index: number[]) => number,
  integer = false,
): NdArray {
  const data = new Float64Array(count(shape));
  let position = 0;
  for (const index of indices(shape)) data[position++] = value(index);
  return { shape: [...shape], data, integer };
}

export function broadcastShapes(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** The element that broadcasting puts at an index. */
export function broadcastAt(x: NdArray, index: readonly number[]): number {
  const lead = index.length - x.shape.length;
  return at(
    x,
    x.shape.map((size, axis) => (size === 1 ? 0 : index[axis + lead]!)),
  );
}

export function elementwise(
  inputs: readonly NdArray[],
  f: (...values: number[]) => number,
  integer: boolean = inputs.every((each) => each.integer),
): NdArray {
  const shape = broadcastShapes(inputs.map((each) => each.shape));
  return build(shape, (index) => f(...inputs.map((each) => broadcastAt(each, index))), integer);
}

export function reshape(x: NdArray, shape: readonly number[]): NdArray {
  return array(shape, x.data, x.integer);
}

export function transpose(x: NdArray, perm: readonly number[]): NdArray {
  const shape = perm.map((axis) => x.shape[axis]!);
  return build(
    shape,
    (index) =>
      at(
        x,
        perm.map((_, axis) => index[perm.indexOf(axis)]!),
      ),
    x.integer,
  );
}

export function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Reduces axes with a function of the list of values. */
export function reduce(
  x: NdArray,
  axes: readonly number[],
  keep: boolean,
  f: (values: number[]) => number,
): NdArray {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const groups = Array.from({ length: count(kept) }, (): number[] => []);
  for (const index of indices(x.shape)) {
    groups[
      flat(
        kept,
        index.map((each, axis) => (axes.includes(axis) ? 0 : each)),
      )
    ]!.push(at(x, index));
  }
  const shape = keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  return array(shape, groups.map(f), x.integer);
}
