import { DataError } from '../errors.js';
import { isList, isRecord } from '../options.js';
import { elementCount } from '../shape.js';

/** A float32 tensor. */
export interface Float32Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The contents of a safetensors file. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Float32Tensor>;
  /** The file's own strings. */
  readonly metadata: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const METADATA = '__metadata__';

/**
 * The bytes of a safetensors file of float32 tensors, in pieces that share the tensors' memory
 * (https://github.com/huggingface/safetensors: a length, a JSON header, and the data without gaps).
 */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array[] {
  const header: Record<string, unknown> = { [METADATA]: metadata };
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    const begin = end;
    end += data.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const head = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  head.writeBigUInt64LE(BigInt(padded));
  json.copy(head, LENGTH_BYTES);
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return [head, ...Array.from(tensors.values(), ({ data }) => bytes(data))];
}

/**
 * Reads a safetensors file of float32 tensors; the arrays are views of the bytes where their alignment allows it.
 *
 * @throws DataError for a file that is truncated or damaged, or has tensors of other types.
 */
export function decodeSafetensors(file: Uint8Array): Safetensors {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < LENGTH_BYTES) throw damaged('it is too short');
  const start = LENGTH_BYTES + Number(view.getBigUint64(0, true));
  if (start > file.length) throw damaged('its header is longer than the file');
  let metadata: Readonly<Record<string, string>> = {};
  const tensors = new Map<string, Float32Tensor>();
  for (const [name, entry] of Object.entries(parseHeader(file.subarray(LENGTH_BYTES, start)))) {
    if (name === METADATA) {
      if (!isRecord(entry) || Object.values(entry).some((value) => typeof value !== 'string'))
        throw damaged('its metadata are not strings');
      metadata = entry as Record<string, string>;
    } else {
      tensors.set(name, tensorAt(file.subarray(start), name, entry));
    }
  }
  return { tensors, metadata };
}

function parseHeader(json: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (cause) {
    throw damaged(`its header is not JSON (${(cause as Error).message})`);
  }
  if (!isRecord(header)) throw damaged('its header is not an object');
  return header;
}

function tensorAt(data: Uint8Array, name: string, entry: unknown): Float32Tensor {
  if (!isRecord(entry)) throw damaged(`its entry "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype !== 'F32') throw damaged(`"${name}" is of type ${JSON.stringify(dtype)}, not F32`);
  if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2)
    throw damaged(`the shape or place of "${name}" is not a list of sizes`);
  const [begin, end] = offsets as [number, number];
  const bytes = 4 * elementCount(shape);
  if (end - begin !== bytes || end > data.length)
    throw damaged(`"${name}" of shape [${shape.join(', ')}] does not fit its place, ${begin} to ${end}`);
  const place = data.subarray(begin, end);
  const aligned = place.byteOffset % 4 === 0 ? place : new Uint8Array(place);
  return { shape, data: new Float32Array(aligned.buffer, aligned.byteOffset, bytes / 4) };
}

function isSizes(value: unknown): value is readonly number[] {
  return isList(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

function damaged(why: string): DataError {
  return new DataError(`This is no usable safetensors file: ${why}.`);
}
