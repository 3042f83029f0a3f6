import { createHash } from 'node:crypto';
import { OptionError } from '../../errors.js';
import type { NumericArray } from '../../io/npy.js';
import type { TensorInfo } from '../../onnx/file/model.js';
import { isWithin, shownTensor } from '../../onnx/file/sizes.js';
import type { Tensor } from '../../onnx/run/runtime.js';
import { checkKnown, isList, isRecord } from '../../options.js';
import { elementCount } from '../../shape.js';
import type { FedInput, Inputs } from '../model.js';
import { toFloat16 } from '../../io/float16.js';
import type { Roles } from './roles.js';

/** The value of an input as the network takes it. */
export interface InputValue {
  readonly name: string;
  readonly data: Tensor['data'];
  /** Of all, or of a row where there are rows. */
  readonly shape: readonly number[];
  /** 1 for one that is the same in every row of a batch, or one for every sample; absent where the input has no batch dimension. */
  readonly rows?: number;
  readonly record: FedInput;
}

/**
 * The values of inputs.
 * @throws OptionError, by the name of the input, for one that the network does not have, of another shape or of values that do not
 *   fit its type, and for rows of two inputs that are not of the same number of samples.
 */
export function inputValues(roles: Roles, inputs: Inputs, before: readonly InputValue[] = []): InputValue[] {
  const known = roles.inputs.map(({ name }) => name);
  const [stray] = Object.keys(inputs).filter((name) => inputs[name] !== undefined && !known.includes(name));
  if (stray !== undefined) {
    if (known.length > 0) checkKnown({ [stray]: shown(inputs[stray]) }, known, 'inputs');
    const expected = 'absent: the network takes a state, a time and perhaps a class alone';
    throw new OptionError(`inputs.${stray}`, shown(inputs[stray]), expected);
  }
  const values = roles.inputs.flatMap((info) => {
    const given = inputs[info.name];
    const found =
      given === undefined ? before.find(({ name }) => name === info.name) : valueOf(info, given, roles);
    return found ? [found] : [];
  });
  const byRow = values.filter(({ rows = 1 }) => rows > 1);
  const other = byRow.find(({ rows }) => rows !== byRow[0]!.rows);
  if (other) {
    const expected = `as many rows as "${byRow[0]!.name}" has, ${byRow[0]!.rows}, or 1`;
    throw new OptionError(`inputs.${other.name}`, other.record.shape, expected);
  }
  return values;
}

/** Rows of the samples that some of the values have one for each. */
export function samplesGiven(values: readonly InputValue[]): number | undefined {
  return values.find(({ rows = 1 }) => rows > 1)?.rows;
}

/** The value of an input as errors show it: a number, or the shape of an array. */
export function shown(value: Inputs[string] | undefined): unknown {
  return isRecord(value) && isList(value.shape) ? `[${value.shape.join(', ')}]` : value;
}

/** The tensor of a batch. @param samples whose row is taken, one for each row of the batch. */
export function inputTensor({ data, shape, rows }: InputValue, size: number, samples: Int32Array): Tensor {
  if (rows === undefined) return { data, dims: shape };
  const elements = elementCount(shape);
  const dims = [size, ...shape];
  const out = new (data.constructor as new (length: number) => Tensor['data'])(size * elements);
  for (let row = 0; row < size; row++) {
    const sample = rows === 1 ? 0 : samples[row]!;
    const own = data.subarray(sample * elements, (sample + 1) * elements);
    (out as Float32Array).set(own as Float32Array, row * elements);
  }
  return { data: out, dims };
}

function valueOf(info: TensorInfo, given: Inputs[string], { state }: Roles): InputValue {
  const { name, type } = info;
  const option = `inputs.${name}`;
  const isByRow = hasRows(info, state);
  const sizes = isByRow ? info.shape?.slice(1) : info.shape;
  const wanted = `${shownTensor(info)}${isByRow ? `, one for all samples ([1${listed(sizes)}]) or a row for each` : ''}`;
  if (typeof given === 'number') {
    if (sizes === undefined || sizes.some((size) => typeof size === 'string'))
      throw new OptionError(option, given, `an array, ${wanted}: the file leaves its shape open`);
    const shape = sizes as number[];
    const numbers = new Float64Array(elementCount(shape)).fill(given);
    const data = converted(option, info, numbers);
    const record = { name, shape: [], type, value: given };
    return { name, data, shape, ...(isByRow && { rows: 1 }), record };
  }
  if (!isRecord(given) || !isList(given.shape) || !ArrayBuffer.isView(given.data))
    throw new OptionError(option, given, `a number or { data, shape }: ${wanted}`);
  const { shape, data } = given;
  const text = `[${shape.join(', ')}]`;
  if (!shape.every((size) => Number.isInteger(size) && size > 0) || elementCount(shape) !== data.length)
    throw new OptionError(option, text, `the sizes of an array of ${data.length} elements`);
  const hasBatch = isByRow && (sizes === undefined || shape.length > sizes.length);
  const own = hasBatch ? shape.slice(1) : shape;
  if (sizes !== undefined && !isWithin(own, sizes)) throw new OptionError(option, text, wanted);
  const fed = converted(option, info, data);
  const sha256 = createHash('sha256')
    .update(new Uint8Array(fed.buffer, fed.byteOffset, fed.byteLength))
    .digest('hex');
  const record = { name, shape, type, sha256 };
  return { name, data: fed, shape: own, ...(isByRow && { rows: hasBatch ? shape[0]! : 1 }), record };
}

/** Whether the first dimension of an input is that of the batch: it is called as the state's, or neither says. */
function hasRows({ shape }: TensorInfo, state: TensorInfo): boolean {
  if (shape === undefined) return true;
  const [own, batch] = [shape[0], state.shape?.[0]];
  if (own === undefined) return false;
  if (typeof own === 'number') return own === batch;
  return typeof batch !== 'string' || batch === '' || own === '' || own === batch;
}

function listed(sizes: readonly (number | string)[] | undefined): string {
  if (sizes === undefined) return ', ...';
  return sizes.map((size) => `, ${size === '' ? '?' : size}`).join('');
}

const integers: Readonly<Record<string, readonly [least: number, most: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  bool: [0, 1],
};

/** Numbers in the type of an input. @throws OptionError for the first that does not fit. */
function converted(option: string, { name, type }: TensorInfo, values: NumericArray): Tensor['data'] {
  const range = integers[type];
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (range ? Number.isInteger(value) && value >= range[0] && value <= range[1] : Number.isFinite(value))
      continue;
    const expected = range ? `an integer from ${range[0]} to ${range[1]}, as ${type} is` : 'a finite number';
    throw new OptionError(`${option}[${i}]`, value, expected);
  }
  switch (type) {
    case 'float32':
      return Float32Array.from(values as Float64Array, Number);
    case 'float64':
      return Float64Array.from(values as Float64Array, Number);
    case 'float16': {
      const halves = new Uint16Array(values.length);
      toFloat16(Float32Array.from(values as Float64Array, Number), halves);
      return halves;
    }
    case 'int64':
      return BigInt64Array.from(values as ArrayLike<number>, BigInt);
    case 'int32':
      return Int32Array.from(values as Float64Array, Number);
    case 'bool':
      return Uint8Array.from(values as Float64Array, Number);
    default:
      throw new OptionError(
        option,
        type,
        `of another type: "${name}" is ${type}, and fastsde feeds float32, float64, float16, int64, int32 and bool`,
      );
  }
}
