import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';

import { ModelError } from '../../errors.js';
import { elementCount } from '../../shape.js';
import { fromHalf, toFloat16 } from '../../io/float16.js';
import type { TensorProto } from './proto.js';

/** Element types of a tensor by their number in TensorProto.DataType. */
export const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

export type DataType = keyof typeof DATA_TYPES;

const NAMES = new Map<number, DataType>(
  Object.entries(DATA_TYPES).map(([name, number]) => [number, name as DataType]),
);
const BYTES: Record<DataType, number> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  string: 0,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  bfloat16: 2,
};

/** The name of a TensorProto.DataType number, or undefined for a type that fastsde does not handle. */
export function dataTypeName(number: number | undefined): DataType | undefined {
  return NAMES.get(number ?? 0);
}

export function isFloat(type: DataType): boolean {
  return type === 'float32' || type === 'float64' || type === 'float16' || type === 'bfloat16';
}

/**
 * Checks that a tensor says what it is and holds as many bytes as its shape needs, without touching its data.
 * @throws ModelError naming the tensor.
 */
export function checkTensor(tensor: TensorProto): void {
  const name = `tensor "${tensor.name ?? ''}"`;
  const type = dataTypeName(tensor.data_type);
  if (type === undefined) {
    // A type of a newer ONNX (float8, int4, ...) is carried along untouched; no type at all is damage.
    if (tensor.data_type === undefined || tensor.data_type === 0)
      throw new ModelError(`${name} has no data type.`);
    return;
  }
  const count = elementCount(tensor.dims);
  if (tensor.dims.some((size) => size < 0) || !Number.isSafeInteger(count)) {
    throw new ModelError(`${name} has the impossible shape [${tensor.dims.join(', ')}].`);
  }
  const expected = count * BYTES[type];
  if (isExternal(tensor)) {
    const { length } = externalEntry(tensor);
    if (length !== undefined && length !== expected) {
      throw new ModelError(`${name} needs ${expected} bytes and declares ${length} bytes of external data.`);
    }
  } else if (tensor.raw_data !== undefined && type !== 'string' && tensor.raw_data.length !== expected) {
    throw new ModelError(`${name} needs ${expected} bytes and holds ${tensor.raw_data.length}.`);
  }
}

export function isExternal(tensor: TensorProto): boolean {
  return tensor.data_location === 1;
}

interface ExternalEntry {
  location: string;
  offset: number;
  length?: number;
}

function externalEntry(tensor: TensorProto): ExternalEntry {
  const entries = new Map(tensor.external_data.map(({ key, value }) => [key, value]));
  const name = `tensor "${tensor.name ?? ''}"`;
  const location = entries.get('location');
  if (location === undefined || location === '')
    throw new ModelError(`${name} has external data without a location.`);
  const integer = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
      throw new ModelError(`${name}: the ${key} of its external data is not a number of bytes.`, {
        value: text,
      });
    }
    return value;
  };
  const length = integer('length');
  return { location, offset: integer('offset') ?? 0, ...(length === undefined ? {} : { length }) };
}

/**
 * The path of a tensor's external data file.
 * @throws ModelError where the location is absolute or leaves the model's folder.
 */
export function externalPath(tensor: TensorProto, folder: string): string {
  const { location } = externalEntry(tensor);
  const path = normalize(location);
  if (isAbsolute(path) || /^([A-Za-z]:|\\)/.test(location) || path === '..' || path.startsWith(`..${sep}`)) {
    throw new ModelError(
      `The external data of tensor "${tensor.name ?? ''}" points outside the folder of the model.`,
      { option: 'location', value: location },
    );
  }
  return join(folder, path);
}

/**
 * The little-endian bytes of a tensor. Raw data is a view; external data is read from the model's folder.
 * @throws ModelError where the data is absent or its length does not fit the shape.
 */
export function tensorBytes(tensor: TensorProto, folder?: string): Uint8Array {
  checkTensor(tensor);
  if (isExternal(tensor)) return externalBytes(tensor, folder);
  if (tensor.raw_data !== undefined) return tensor.raw_data;
  const type = dataTypeName(tensor.data_type);
  const typed = typedData(tensor, type);
  const bytes = typed === undefined ? new Uint8Array(0) : narrow(typed, type!);
  if (bytes.length !== elementCount(tensor.dims) * BYTES[type!]) {
    throw new ModelError(
      `tensor "${tensor.name ?? ''}" of shape [${tensor.dims.join(', ')}] holds ${bytes.length} bytes of data.`,
    );
  }
  return bytes;
}

function typedData(
  tensor: TensorProto,
  type: DataType | undefined,
): TensorProto['float_data' | 'int64_data' | 'int32_data' | 'double_data' | 'uint64_data'] {
  switch (type) {
    case 'float32':
      return tensor.float_data;
    case 'float64':
      return tensor.double_data;
    case 'int64':
      return tensor.int64_data;
    case 'uint32':
    case 'uint64':
      return tensor.uint64_data;
    default:
      return tensor.int32_data;
  }
}

/** The typed fields store small types as int32; this is their width in memory. */
function narrow(values: NonNullable<ReturnType<typeof typedData>>, type: DataType): Uint8Array {
  let array: ArrayBufferView = values;
  if (values instanceof Int32Array && type !== 'int32') {
    array = BYTES[type] === 1 ? Uint8Array.from(values) : Uint16Array.from(values);
  } else if (values instanceof BigUint64Array && type === 'uint32') array = Uint32Array.from(values, Number);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Node reads at most 2 GiB at a time. */
const LARGEST_READ = 2 ** 30;

function externalBytes(tensor: TensorProto, folder: string | undefined): Uint8Array {
  const name = `tensor "${tensor.name ?? ''}"`;
  if (folder === undefined) {
    throw new ModelError(`${name} has external data: read the model from a path, or name its folder.`);
  }
  const path = externalPath(tensor, folder);
  const { offset } = externalEntry(tensor);
  const type = dataTypeName(tensor.data_type);
  if (type === undefined)
    throw new ModelError(`${name} has data type ${tensor.data_type ?? 0}, which is not handled.`);
  const length = elementCount(tensor.dims) * BYTES[type];
  let file: number;
  try {
    const real = realpathSync(path);
    if (relative(realpathSync(folder), real).split(sep)[0] === '..') {
      throw new ModelError(
        `The external data of ${name} is a link out of the folder of the model: ${path}.`,
        {
          value: path,
        },
      );
    }
    // Opening a pipe or a device may never return.
    if (!statSync(real).isFile()) throw new Error('it is no regular file');
    file = openSync(real, 'r');
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`The external data of ${name} cannot be read: ${path}.`, { value: path, cause });
  }
  try {
    const available = fstatSync(file).size - offset;
    if (available < length) {
      throw new ModelError(
        `${path} has ${Math.max(0, available)} of the ${length} bytes that ${name} needs.`,
      );
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const read = readSync(file, bytes, at, Math.min(length - at, LARGEST_READ), offset + at);
      if (read === 0) throw new ModelError(`${path} became shorter while it was read.`, { value: path });
      at += read;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

/**
 * The values of a numeric tensor as doubles, for the small constants that a transform looks at (axes, scales, bounds).
 * @throws ModelError for strings and bfloat16.
 */
export function tensorNumbers(tensor: TensorProto, folder?: string): number[] {
  const bytes = tensorBytes(tensor, folder);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = dataTypeName(tensor.data_type);
  const read = type === undefined ? undefined : READERS[type];
  if (read === undefined) {
    throw new ModelError(
      `The values of tensor "${tensor.name ?? ''}" of type ${type ?? '?'} cannot be read.`,
    );
  }
  const size = BYTES[type!];
  return Array.from({ length: bytes.length / size }, (_, index) => read(view, index * size));
}

const READERS: Partial<Record<DataType, (view: DataView, offset: number) => number>> = {
  float32: (view, offset) => view.getFloat32(offset, true),
  float64: (view, offset) => view.getFloat64(offset, true),
  float16: (view, offset) => fromHalf(view.getUint16(offset, true)),
  int64: (view, offset) => Number(view.getBigInt64(offset, true)),
  uint64: (view, offset) => Number(view.getBigUint64(offset, true)),
  int32: (view, offset) => view.getInt32(offset, true),
  uint32: (view, offset) => view.getUint32(offset, true),
  int16: (view, offset) => view.getInt16(offset, true),
  uint16: (view, offset) => view.getUint16(offset, true),
  int8: (view, offset) => view.getInt8(offset),
  uint8: (view, offset) => view.getUint8(offset),
  bool: (view, offset) => view.getUint8(offset),
};

/** The types of which {@link makeTensor} makes tensors. */
export type NumberType = 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'bool';

export function isNumberType(type: string): type is NumberType {
  return Object.hasOwn(ARRAYS, type);
}

/** A tensor from numbers. */
export function makeTensor(
  name: string,
  type: NumberType,
  dims: readonly number[],
  values: ArrayLike<number>,
): TensorProto {
  return {
    name,
    dims: [...dims],
    data_type: DATA_TYPES[type],
    raw_data: new Uint8Array(ARRAYS[type](values).buffer),
    string_data: [],
    external_data: [],
  };
}

/** The constructors copy arrays of their own type at the speed of memory. */
const ARRAYS: Record<NumberType, (values: ArrayLike<number>) => ArrayBufferView<ArrayBuffer>> = {
  float32: (values) => new Float32Array(values),
  float64: (values) => new Float64Array(values),
  float16: (values) => {
    const halves = new Uint16Array(values.length);
    toFloat16(new Float32Array(values), halves);
    return halves;
  },
  int64: (values) => BigInt64Array.from(Array.from(values), BigInt),
  int32: (values) => new Int32Array(values),
  bool: (values) => new Uint8Array(values),
};
