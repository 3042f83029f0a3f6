import { ModelError } from '../../errors.js';

/**
 * Protocol buffers on the wire, driven by a schema (https://protobuf.dev/programming-guides/encoding/).
 *
 * Written here because a derived model must keep what it does not know (unknown fields), must not copy weights
 * (`bytes` are views into the file), and must survive files that lie about their lengths.
 */

/** How a field is stored in a decoded message. `int` is an int64 or enum that must fit a double; `long` is a bigint. */
export type FieldKind = 'int' | 'long' | 'float' | 'string' | 'bytes' | 'message' | PackedKind;

/** A packed repeated field, stored as one typed array. */
export type PackedKind = 'floats' | 'doubles' | 'int32s' | 'int64s' | 'uint64s';

export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  readonly schema?: () => Schema;
}

/** Fields by number. */
export type Schema = ReadonlyMap<number, Field>;

/** A decoded message; `unknown` holds the fields that the schema does not name, tag included, in file order. */
export interface Message {
  unknown?: Uint8Array[];
}

type Mutable = Record<string, unknown> & Message;

/** A network nests a handful of levels; a file that nests deeper is an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * A message of two bytes becomes an object of hundreds. The largest networks have some 100,000 nodes; more messages and
 * list elements than this, at most 1 GB of them, are an attack on memory.
 */
const MAX_ITEMS = 1 << 22;

/** Byte strings at least this long are handed to the writer as they are, without a copy. */
const COPY_LIMIT = 1 << 14;

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
  const message: Mutable = {};
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
  message: Mutable,
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

type PackedArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

function isPacked(kind: FieldKind): kind is PackedKind {
  return kind.endsWith('s') && kind !== 'bytes';
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

function asBytes(array: PackedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
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

/** Encodes a message as a list of chunks, in field order; long `bytes` are chunks of their own and are not copied. */
export function serializeMessage(schema: Schema, message: Message): Uint8Array[] {
  const writer = new Writer();
  writeMessage(schema, message as Mutable, writer, new Map());
  return writer.finish();
}

/** Sizes of nested messages, computed once, since a length precedes its content. */
type Sizes = Map<unknown, number>;

function writeMessage(schema: Schema, message: Mutable, out: Writer, sizes: Sizes): void {
  for (const [number, field] of schema) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (isPacked(field.kind)) {
      const packed = packedBytes(value as PackedArray);
      if (packed.length > 0) out.delimited(number, packed);
      continue;
    }
    for (const item of field.repeated ? (value as unknown[]) : [value]) {
      if (field.kind === 'message') {
        out.varint(BigInt(number * 8 + 2));
        out.varint(BigInt(sizeOf(field.schema!(), item as Mutable, sizes)));
        writeMessage(field.schema!(), item as Mutable, out, sizes);
      } else writeScalar(field.kind, number, item, out);
    }
  }
  for (const bytes of message.unknown ?? []) out.raw(bytes);
}

function writeScalar(kind: FieldKind, number: number, value: unknown, out: Writer): void {
  if (kind === 'bytes') out.delimited(number, value as Uint8Array);
  else if (kind === 'string') out.delimited(number, Buffer.from(value as string, 'utf8'));
  else if (kind === 'float') {
    out.varint(BigInt(number * 8 + 5));
    out.raw(new Uint8Array(new Float32Array([value as number]).buffer));
  } else {
    out.varint(BigInt(number * 8));
    out.varint(BigInt(value as number | bigint));
  }
}

function sizeOf(schema: Schema, message: Mutable, sizes: Sizes): number {
  const known = sizes.get(message);
  if (known !== undefined) return known;
  let size = 0;
  for (const [number, field] of schema) {
    const value = message[field.name];
    if (value === undefined) continue;
    const tag = varintSize(BigInt(number * 8));
    if (isPacked(field.kind)) {
      const length = packedBytes(value as PackedArray).length;
      if (length > 0) size += tag + delimitedSize(length);
      continue;
    }
    for (const item of field.repeated ? (value as unknown[]) : [value]) {
      size += tag + itemSize(field, item, sizes);
    }
  }
  for (const bytes of message.unknown ?? []) size += bytes.length;
  sizes.set(message, size);
  return size;
}

function itemSize(field: Field, item: unknown, sizes: Sizes): number {
  if (field.kind === 'message') return delimitedSize(sizeOf(field.schema!(), item as Mutable, sizes));
  if (field.kind === 'bytes') return delimitedSize((item as Uint8Array).length);
  if (field.kind === 'string') return delimitedSize(Buffer.byteLength(item as string, 'utf8'));
  return field.kind === 'float' ? 4 : varintSize(BigInt(item as number | bigint));
}

function delimitedSize(length: number): number {
  return varintSize(BigInt(length)) + length;
}

function varintSize(value: bigint): number {
  if (value >= 0n && value < 128n) return 1;
  return Math.ceil(BigInt.asUintN(64, value).toString(2).length / 7);
}

function packedBytes(array: PackedArray): Uint8Array {
  if (array instanceof Float32Array || array instanceof Float64Array) return asBytes(array);
  const writer = new Writer();
  for (const value of array) writer.varint(BigInt(value));
  return Buffer.concat(writer.finish());
}

class Writer {
  readonly #chunks: Uint8Array[] = [];
  #buffer: Uint8Array = new Uint8Array(1 << 12);
  #used = 0;

  varint(value: bigint): void {
    this.#reserve(10);
    let rest = value < 0n ? BigInt.asUintN(64, value) : value;
    while (rest > 0x7fn) {
      this.#buffer[this.#used++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#used++] = Number(rest);
  }

  delimited(number: number, bytes: Uint8Array): void {
    this.varint(BigInt(number * 8 + 2));
    this.varint(BigInt(bytes.length));
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length >= COPY_LIMIT) {
      this.#flush();
      this.#chunks.push(bytes);
      return;
    }
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  finish(): Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#buffer.length) return;
    this.#flush();
    this.#buffer = new Uint8Array(Math.max(1 << 16, length));
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#chunks.push(this.#buffer.subarray(0, this.#used));
    this.#buffer = this.#buffer.subarray(this.#used);
    this.#used = 0;
  }
}
