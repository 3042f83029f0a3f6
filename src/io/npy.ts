import { DataError, OptionError } from '../errors.js';
import { isList } from '../options.js';
import { elementCount } from '../shape.js';
import { fromFloat16 } from './float16.js';

/** Arrays of numbers that npy and npz files hold here. */
export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** A dense array in row-major order. */
export interface NdArray<T extends NumericArray = NumericArray> {
  /** Elements. */
  readonly data: T;
  /** Size of every axis. */
  readonly shape: readonly number[];
  /** Whether the bytes are NumPy's booleans, 0 and 1. */
  readonly boolean?: true;
}

const arrayTypes = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
} as const;

const magic = Buffer.from('\x93NUMPY', 'latin1');

/** What is read: those, and half precision, of which float32 is made. */
const readTypes = { ...arrayTypes, f2: Uint16Array } as const;

/** Elements in a piece of a file: a buffer of Node ends at 4 GiB. */
const PIECE = 2 ** 24;

/** The bytes of a .npy file, format version 1.0 (NumPy enhancement proposal 1), in pieces that share the array's memory. */
export function* npyPieces({ data, shape, boolean }: NdArray): Generator<Uint8Array> {
  const type = Object.entries(arrayTypes).find(([, constructor]) => data instanceof constructor)?.[0];
  if (type === undefined) throw new OptionError('data', data, 'a typed array of numbers');
  if (!isList(shape) || elementCount(shape) !== data.length)
    throw new OptionError('shape', shape, `the sizes of an array of ${data.length} elements`);
  const order = data.BYTES_PER_ELEMENT === 1 ? '|' : '<';
  yield npyHeader(boolean ? '|b1' : `${order}${type}`, shape);
  for (let start = 0; start < data.length; start += PIECE) {
    const { buffer, byteOffset, byteLength } = data.subarray(start, start + PIECE);
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** An array as the bytes of a .npy file, of at most 4 GiB. */
export function encodeNpy(array: NdArray): Uint8Array {
  return Buffer.concat([...npyPieces(array)]);
}

/** What a .npy file begins with; the elements follow in row-major order. `type` is NumPy's, such as `<f4`. */
export function npyHeader(type: string, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape.join()},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // The data start at a multiple of 64 bytes: 10 bytes of preamble, the dictionary, spaces, a newline.
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10);
  magic.copy(header);
  header.writeUInt8(1, 6);
  header.writeUInt16LE(length, 8);
  return Buffer.concat([header, Buffer.from(`${dictionary.padEnd(length - 1)}\n`, 'latin1')]);
}

/**
 * Reads the bytes of a .npy file, format versions 1 to 3; arrays in Fortran order are put in row-major order, and float16 comes as float32.
 *
 * @param name How errors call the file.
 * @throws DataError where the bytes are not a .npy file of little-endian numbers, or are cut short.
 */
export function decodeNpy(bytes: Uint8Array, name = 'The .npy file'): NdArray {
  if (!((bytes as unknown) instanceof Uint8Array))
    throw new OptionError('bytes', bytes, 'the bytes of a file as a Uint8Array');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || !buffer.subarray(0, 6).equals(magic)) {
    throw new DataError(`${name} is not a .npy file: it does not begin with the NumPy magic string.`);
  }
  const wide = buffer[6]! > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? buffer.readUInt32LE(8) : buffer.readUInt16LE(8));
  const header = buffer.toString('latin1', start, end);
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const tuple = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined || fortran === undefined || tuple === undefined) {
    throw new DataError(`${name} has a header that cannot be read (structured types are not supported).`);
  }
  const type = descr === '|b1' ? 'u1' : descr.slice(1);
  if (!Object.hasOwn(readTypes, type) || descr.startsWith('>')) {
    throw new DataError(
      `${name} holds numbers of type ${descr}; save them as float32, float64, float16, an integer or uint8.`,
    );
  }
  const shape = tuple
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const count = elementCount(shape);
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0) || !Number.isSafeInteger(count)) {
    throw new DataError(`${name} has the impossible shape (${tuple}).`);
  }
  const ArrayType = readTypes[type as keyof typeof readTypes];
  const length = count * ArrayType.BYTES_PER_ELEMENT;
  if (buffer.length - end < length) {
    throw new DataError(
      `${name} is cut short: ${length} bytes of data expected, ${buffer.length - end} found.`,
    );
  }
  // A copy, since the data need not be aligned in the file's bytes.
  const stored = new ArrayType(new Uint8Array(buffer.subarray(end, end + length)).buffer);
  const data = type === 'f2' ? singles(stored as Uint16Array) : stored;
  return {
    data: fortran === 'True' ? rowMajor(data, shape) : data,
    shape,
    ...(descr === '|b1' && { boolean: true }),
  };
}

function singles(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  fromFloat16(halves, values);
  return values;
}

function rowMajor(columnMajor: NumericArray, shape: readonly number[]): NumericArray {
  const result = columnMajor.slice();
  const index = shape.map(() => 0);
  for (let from = 0; from < columnMajor.length; from++) {
    const to = index.reduce((offset, i, axis) => offset * shape[axis]! + i, 0);
    result[to] = columnMajor[from]!;
    for (let axis = 0; axis < shape.length && ++index[axis]! === shape[axis]; axis++) index[axis] = 0;
  }
  return result;
}
