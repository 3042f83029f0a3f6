import {
  asBytes,
  isPacked,
  type Field,
  type FieldKind,
  type Message,
  type MessageFields,
  type PackedArray,
  type Schema,
} from './wire.js';

/** Byte strings at least this long are handed to the writer as they are, without a copy. */
const COPY_LIMIT = 1 << 14;

/** Encodes a message as a list of chunks, in field order; long `bytes` are chunks of their own and are not copied. */
export function serializeMessage(schema: Schema, message: Message): Uint8Array[] {
  const writer = new Writer();
  writeMessage(schema, message as MessageFields, writer, new Map());
  return writer.finish();
}

/** Sizes of nested messages, computed once, since a length precedes its content. */
type Sizes = Map<unknown, number>;

function writeMessage(schema: Schema, message: MessageFields, out: Writer, sizes: Sizes): void {
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
        out.varint(BigInt(sizeOf(field.schema!(), item as MessageFields, sizes)));
        writeMessage(field.schema!(), item as MessageFields, out, sizes);
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

function sizeOf(schema: Schema, message: MessageFields, sizes: Sizes): number {
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
  if (field.kind === 'message') return delimitedSize(sizeOf(field.schema!(), item as MessageFields, sizes));
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
