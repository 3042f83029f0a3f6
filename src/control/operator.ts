import type { Device, Elements } from '../device/device.js';
import { OptionError } from '../errors.js';
import { checkInteger, isList, isRecord } from '../options.js';
import { elementCount } from '../shape.js';

/** A map of every row of an array of a device, double, by commands; out and x are apart. */
export type DeviceMap = (out: Elements, x: Elements) => void;

/**
 * The singular value decomposition A = U diag(s) V^T of an operator, singular values of zero left out. Coordinates of a sample are
 * V^T x, those of a measurement U^T y.
 */
export interface Spectrum {
  /** s, all above zero. */
  readonly values: Float64Array;
  /** Measured numbers beyond these, which tell of the noise alone. */
  readonly unreached: number;
  /** V^T x. */
  coordinates(x: Float64Array): Float64Array;
  /** A bound for each coordinate on its deviation: |V|^T applied to those of the elements of a sample. */
  deviations(ofElements: Float64Array): Float64Array;
  /** V u. */
  sample(u: Float64Array): Float64Array;
  /** U^T y. */
  measured(y: Float64Array): Float64Array;
  /** Maps of arrays of a device, where they are made of its verbs. */
  readonly bind?: (device: Device) => Readonly<Record<'coordinates' | 'measured' | 'sample', DeviceMap>>;
}

/** Rows of an orthonormal basis over the channels of every pixel, as the kernel that replaces what is known takes them. */
export interface OrthonormalRows {
  /** [...shape], in the coordinates of the basis: 1 where a coordinate is measured. */
  readonly mask: Float32Array;
  /** Row-major [channels, channels]; default: the channels themselves. */
  readonly basis?: Float32Array;
  /** A measurement in its place among all coordinates, [...shape]. */
  readonly place: (y: Float64Array) => Float32Array;
}

/** What is measured of a sample, y = A x + noise: a linear map A with its transpose. */
export interface LinearOperator {
  /** Name, for records and errors. */
  readonly name: string;
  /** What it is made of, for the record of a run. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Shape of a sample. */
  readonly shape: readonly number[];
  /** Shape of a measurement. */
  readonly measuredShape: readonly number[];
  /** A x, of one sample. */
  apply(x: Float64Array): Float64Array;
  /** A^T y, of one measurement. */
  adjoint(y: Float64Array): Float64Array;
  /** The decomposition, made at first use. */
  spectrum(): Spectrum;
  /** The same of arrays of a device, where it is made of its verbs. */
  readonly bind?: (device: Device) => { readonly apply: DeviceMap; readonly adjoint: DeviceMap };
  /** Present where its singular values are all 1 and it takes pixels one by one. */
  readonly rows?: OrthonormalRows;
}

/** What is measured of a sample by a map A that need not be linear, with its derivative. Rows do not depend on each other. */
export interface DifferentiableOperator {
  /** Name, for records and errors. */
  readonly name: string;
  /** What it is made of, for the record of a run. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Shape of a sample. */
  readonly shape: readonly number[];
  /** Shape of a measurement. */
  readonly measuredShape: readonly number[];
  /** A(x) of samples [rows, ...shape]: [rows, ...measuredShape]. */
  images(x: Float64Array, signal?: AbortSignal): Promise<Float64Array>;
  /** (dA/dx)^T v of samples [rows, ...shape] and vectors [rows, ...measuredShape]: [rows, ...shape]. */
  products(x: Float64Array, v: Float64Array, signal?: AbortSignal): Promise<Float64Array>;
  /** Releases what it was loaded into. */
  close?(): Promise<void>;
}

/** What is measured of a sample, by a linear map or by another that can be differentiated. */
export type Operator = LinearOperator | DifferentiableOperator;

export function isLinear(operator: Operator): operator is LinearOperator {
  return 'spectrum' in operator;
}

/** Either kind in the form of the second. */
export function differentiable(operator: Operator): DifferentiableOperator {
  if (!isLinear(operator)) return operator;
  const { name, shape, measuredShape } = operator;
  const [d, m] = [elementCount(shape), elementCount(measuredShape)];
  return {
    ...{ name, shape, measuredShape },
    images: (x) => Promise.resolve(byRow(x.length / d, m, (i) => operator.apply(rowOf(x, i, d)))),
    products: (_, v) => Promise.resolve(byRow(v.length / m, d, (i) => operator.adjoint(rowOf(v, i, m)))),
  };
}

/** An array [rows, width] that is made row by row. */
export function byRow(rows: number, width: number, make: (i: number) => Float64Array): Float64Array {
  const out = new Float64Array(rows * width);
  for (let i = 0; i < rows; i++) out.set(make(i), i * width);
  return out;
}

/** A copy of row i of [rows, width]: a user's function may keep or change what it is given. */
export function rowOf(values: Float64Array, i: number, width: number): Float64Array {
  return values.slice(i * width, (i + 1) * width);
}

/** Throws unless the value is a list of sizes. */
export function checkShape(option: string, shape: unknown): asserts shape is readonly number[] {
  if (!isList(shape) || shape.length === 0) throw new OptionError(option, shape, 'a list of sizes');
  shape.forEach((size, i) => checkInteger(`${option}[${i}]`, size as number, 1));
}

/** Throws unless a value is an operator on samples of this shape. */
export function checkOperator(
  option: string,
  operator: unknown,
  shape: readonly number[],
): asserts operator is Operator {
  const isOperator = (value: unknown): value is Operator =>
    isRecord(value) &&
    [
      ['apply', 'adjoint', 'spectrum'],
      ['images', 'products'],
    ].some((parts) => parts.every((part) => typeof value[part] === 'function'));
  if (!isOperator(operator))
    throw new OptionError(
      option,
      operator,
      'an operator, such as inpainting(mask, shape) returns or loadOperator(path) resolves to',
    );
  checkShape(`${option}.shape`, operator.shape);
  checkShape(`${option}.measuredShape`, operator.measuredShape);
  if (operator.shape.join() !== shape.join())
    throw new OptionError(
      `${option}.shape`,
      operator.shape,
      `[${shape.join(', ')}], the shape of the model's samples`,
    );
}
