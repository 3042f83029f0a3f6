import { ModelError } from '../../errors.js';
import {
  asBytes,
  isPacked,
  type Field,
  type Message,
  type MessageFields,
  type PackedArray,
  type PackedKind,
  type Schema,
} from './wire.js';

/** A network nests a handful of levels; a file that nests deeper is an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * A message of two bytes becomes an object of hundreds. The largest networks have some 100,000 nodes; more messages and
 * list elements than this, at most 1 GB of them, are an attack on memory.
 */
const MAX_ITEMS = 1 << 22;

/**
 * Decodes `bytes`; `bytes` fields of the result are views into it.
 * @throws ModelError where the data ends early or is not a message of this schema.
 */
export function parseMessage(schema: Schema, bytes: Uint8Array): Message {
  return decodeMessage(schema, new Reader(bytes), new Budget(), 0);
}

class Budget {
  #left = MAX_ITEMS;

  spend(): void {
    if (this.#left-- === 0) throw damaged(`it holds more than ${MAX_ITEMS} messages and list elements`);
  }
}

function decodeMessage(schema: Schema, reader: Reader, budget: Budget, depth: number): Message {
  if (depth > MAX_DEPTH) throw damaged(`messages nest deeper than ${MAX_DEPTH}`);
  const message: MessageFields = {};
  const packed = new Map<string, PackedArray[]>();
  for (const field of schema.values()) if (field.repeated) message[field.name] = [];
  while (!reader.done) {
    const start = reader.offset;
    const tag = reader.int();
    const field = schema.get(Math.floor(tag / 8));
    if (field === undefined) {
      budget.spend();
      reader.skip(tag % 8);
      (message.unknown ??= []).push(reader.since(start));
      continue;
    }
    budget.spend();
    if (isPacked(field.kind)) {
      const chunk = decodePacked(
        field.kind,
        tag % 8 === 2 ? new Reader(reader.bytes()) : reader,
        tag % 8 !== 2,
      );
      const chunks = packed.get(field.name);
      if (chunks === undefined) packed.set(field.name, [chunk]);
      else chunks.push(chunk);
    } else decodeField(message, field, tag % 8, reader, budget, depth);
  }
  for (const [name, chunks] of packed) message[name] = concat(chunks);
  return message;
}

function decodeField(
  message: MessageFields,
  field: Field,
  wire: number,
  reader: Reader,
  budget: Budget,
  depth: number,
): void {
  const { name, kind } = field;
  if (field.repeated) {
    const list = message[name] as unknown[];
    if (wire === 2 && (kind === 'int' || kind === 'long' || kind === 'float')) {
      const packed = new Reader(reader.bytes());
      while (!packed.done) {
        budget.spend();
        list.push(decodeValue(field, kind === 'float' ? 5 : 0, packed, budget, depth));
      }
    } else list.push(decodeValue(field, wire, reader, budget, depth));
  } else message[name] = decodeValue(field, wire, reader, budget, depth);
}

function decodeValue(field: Field, wire: number, reader: Reader, budget: Budget, depth: number): unknown {
  const { kind, name } = field;
  const expected = kind === 'int' || kind === 'long' ? 0 : kind === 'float' ? 5 : 2;
  if (wire !== expected) throw damaged(`field ${name} has wire type ${wire}, expected ${expected}`);
  switch (kind) {
    case 'int': {
      const value = Number(reader.long());
      if (!Number.isSafeInteger(value)) throw damaged(`field ${name} holds ${value}, beyond 2^53`);
      return value;
    }
    case 'long':
      return reader.long();
    case 'float':
      return reader.float();
    case 'string':
      return Buffer.from(reader.bytes()).toString('utf8');
    case 'bytes':
      return reader.bytes();
    default:
      return decodeMessage(field.schema!(), new Reader(reader.bytes()), budget, depth + 1);
  }
}

function decodePacked(kind: PackedKind, reader: Reader, single: boolean): PackedArray {
  if (kind === 'floats' || kind === 'doubles') {
    const size = kind === 'floats' ? 4 : 8;
    const bytes = single ? reader.take(size) : reader.rest();
    if (bytes.length % size !== 0) throw damaged(`a packed list of ${bytes.length} bytes`);
    const copy = new Uint8Array(bytes).buffer;
    return kind === 'floats' ? new Float32Array(copy) : new Float64Array(copy);
  }
  const length = single ? 1 : reader.varints;
  const values =
    kind === 'int32s'
      ? new Int32Array(length)
      : kind === 'int64s'
        ? new BigInt64Array(length)
        : new BigUint64Array(length);
  for (let index = 0; index < length; index++) {
    const value = reader.long();
    if (values instanceof Int32Array) values[index] = Number(BigInt.asIntN(32, value));
    else values[index] = value;
  }
  return values;
}

function concat(chunks: readonly PackedArray[]): PackedArray {
  const [first] = chunks;
  if (chunks.length === 1) return first!;
  const { buffer } = new Uint8Array(Buffer.concat(chunks.map(asBytes)));
  return new (first!.constructor as new (buffer: ArrayBuffer) => PackedArray)(buffer);
}

function damaged(what: string): ModelError {
  return new ModelError(`The file is truncated or not an ONNX model: ${what}.`);
}

class Reader {
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.offset >= this.#bytes.length;
  }

  /** The number of varints that remain: each ends with a byte below 128. */
  get varints(): number {
    let count = 0;
    for (let index = this.offset; index < this.#bytes.length; index++) if (this.#bytes[index]! < 128) count++;
    return count;
  }

  /** An unsigned varint that fits a double: tags and lengths. */
  int(): number {
    const first = this.#bytes[this.offset];
    if (first !== undefined && first < 0x80) {
      this.offset++;
      return first;
    }
    const value = Number(BigInt.asUintN(64, this.long()));
    if (!Number.isSafeInteger(value)) throw damaged(`a length of ${value}`);
    return value;
  }

  /** A signed 64-bit varint. */
  long(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw damaged('a number of more than ten bytes');
  }

  float(): number {
    const { buffer, byteOffset } = this.take(4);
    return new DataView(buffer, byteOffset).getFloat32(0, true);
  }

  bytes(): Uint8Array {
    return this.take(this.int());
  }

  take(length: number): Uint8Array {
    const end = this.offset + length;
    if (end > this.#bytes.length) {
      throw damaged(`a field of ${length} bytes with ${this.#bytes.length - this.offset} bytes left`);
    }
    const part = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return part;
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.offset);
  }

  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.offset);
  }

  skip(wire: number): void {
    if (wire === 0) this.long();
    else if (wire === 1) this.take(8);
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.take(4);
    else throw damaged(`wire type ${wire}`);
  }

  #byte(): number {
    if (this.done) throw damaged('it ends within a number');
    return this.#bytes[this.offset++]!;
  }
}
