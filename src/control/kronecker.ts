import { Room } from '../device/room.js';
import type { Device } from '../device/device.js';
import { linearAlgebra } from '../score/mixture/linear-algebra.js';
import { elementCount } from '../shape.js';
import type { DeviceMap, LinearOperator, Spectrum } from './operator.js';

/** A matrix, row-major. */
export interface DenseMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

/** What acts along an axis: a matrix, or, as a size, nothing. */
export type AxisFactor = DenseMatrix | number;

/** Singular values below this share of the largest count as zero: what is measured along them is rounding. */
const LEAST_SHARE = 1e-6;

/**
 * An operator that acts along each axis of a sample by a matrix of its own: the Kronecker product of these. Blurs, means of blocks
 * and mixtures of channels are such products, and a matrix is one of a single factor.
 */
export function productOperator(
  name: string,
  options: Readonly<Record<string, unknown>>,
  factors: readonly AxisFactor[],
): LinearOperator {
  const transposes = factors.map(transposed);
  let spectrum: Spectrum | undefined;
  return {
    name,
    options,
    shape: factors.map(columnsOf),
    measuredShape: transposes.map(columnsOf),
    apply: (x) => alongAxes(x, factors),
    adjoint: (y) => alongAxes(y, transposes),
    bind: (device) => ({
      apply: boundAlongAxes(device, factors),
      adjoint: boundAlongAxes(device, transposes),
    }),
    spectrum: () => (spectrum ??= productSpectrum(factors)),
  };
}

/** The decomposition of a Kronecker product, from those of its factors. */
export function productSpectrum(factors: readonly AxisFactor[]): Spectrum {
  const parts = factors.map((factor) => (typeof factor === 'number' ? undefined : decomposed(factor)));
  const along = (name: 'u' | 'v') => parts.map((part, axis) => part?.[name] ?? (factors[axis] as number));
  const [u, v] = [along('u'), along('v')];
  const [ut, vt] = [u.map(transposed), v.map(transposed)];
  let values = Float64Array.of(1);
  parts.forEach((part, axis) => {
    const own = part?.values ?? new Float64Array(factors[axis] as number).fill(1);
    values = Float64Array.from({ length: values.length * own.length }, (_, i) => {
      return values[Math.floor(i / own.length)]! * own[i % own.length]!;
    });
  });
  return {
    values,
    unreached:
      elementCount(factors.map((factor) => (typeof factor === 'number' ? factor : factor.rows))) -
      values.length,
    coordinates: (x) => alongAxes(x, vt),
    deviations: (x) => alongAxes(x, vt.map(absolute)),
    sample: (w) => alongAxes(w, v),
    measured: (y) => alongAxes(y, ut),
    bind: (device) => ({
      coordinates: boundAlongAxes(device, vt),
      measured: boundAlongAxes(device, ut),
      sample: boundAlongAxes(device, v),
    }),
  };
}

/** U, the singular values that count, and V of a matrix, both with a column for each of these. */
function decomposed({ rows, columns, values }: DenseMatrix): {
  u: DenseMatrix;
  values: Float64Array;
  v: DenseMatrix;
} {
  const { Matrix, SingularValueDecomposition } = linearAlgebra();
  const svd = new SingularValueDecomposition(Matrix.from1DArray(rows, columns, Array.from(values)), {
    autoTranspose: true,
  });
  const most = Math.max(...svd.diagonal);
  const kept = svd.diagonal.flatMap((value, i) => (value > LEAST_SHARE * most ? [i] : []));
  const chosen = (matrix: InstanceType<typeof Matrix>): DenseMatrix => ({
    rows: matrix.rows,
    columns: kept.length,
    values: Float64Array.from({ length: matrix.rows * kept.length }, (_, i) =>
      matrix.get(Math.floor(i / kept.length), kept[i % kept.length]!),
    ),
  });
  return {
    u: chosen(svd.leftSingularVectors),
    values: Float64Array.from(kept, (i) => svd.diagonal[i]!),
    v: chosen(svd.rightSingularVectors),
  };
}

/** Applies a factor along each axis in turn. */
function alongAxes(x: Float64Array, factors: readonly AxisFactor[]): Float64Array {
  const shape = factors.map(columnsOf);
  let out = x;
  factors.forEach((factor, axis) => {
    if (typeof factor === 'number') return;
    out = alongAxis(out, factor, elementCount(shape.slice(axis + 1)));
    shape[axis] = factor.rows;
  });
  return out === x ? x.slice() : out;
}

/** The same by commands of a device. */
function boundAlongAxes(device: Device, factors: readonly AxisFactor[]): DeviceMap {
  const room = new Room(device);
  const shape = factors.map(columnsOf);
  const size = elementCount(shape);
  const maps = factors.flatMap((factor, axis) => {
    if (typeof factor === 'number') return [];
    const { values, rows, columns } = factor;
    const matrix = device.allocate(values.length, 'double');
    device.write(matrix, values);
    const inner = elementCount(shape.slice(axis + 1));
    shape[axis] = rows;
    return [{ matrix, columns, inner, size: elementCount(shape) }];
  });
  return (out, x) => {
    const rows = x.length / size;
    if (maps.length === 0) device.copy(out, x);
    let from = x;
    maps.forEach((map, i) => {
      const to = i === maps.length - 1 ? out : room.place(`axis ${i}`, rows * map.size, 'double');
      device.multiplyAxis(to, from, map.matrix, map.columns, map.inner);
      from = to;
    });
  };
}

/** A matrix along an axis whose elements lie `inner` apart. */
function alongAxis(x: Float64Array, { rows, columns, values }: DenseMatrix, inner: number): Float64Array {
  const outer = x.length / (columns * inner);
  const out = new Float64Array(outer * rows * inner);
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < rows; j++) {
      const to = (o * rows + j) * inner;
      for (let k = 0; k < columns; k++) {
        const factor = values[j * columns + k]!;
        if (factor === 0) continue;
        const from = (o * columns + k) * inner;
        for (let i = 0; i < inner; i++) out[to + i]! += factor * x[from + i]!;
      }
    }
  }
  return out;
}

function absolute(factor: AxisFactor): AxisFactor {
  return typeof factor === 'number' ? factor : { ...factor, values: factor.values.map(Math.abs) };
}

function transposed(factor: AxisFactor): AxisFactor {
  if (typeof factor === 'number') return factor;
  const { rows, columns, values } = factor;
  return {
    rows: columns,
    columns: rows,
    values: Float64Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!),
  };
}

function columnsOf(factor: AxisFactor): number {
  return typeof factor === 'number' ? factor : factor.columns;
}
