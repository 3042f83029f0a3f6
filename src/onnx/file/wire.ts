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

/** A message by the names of its fields. */
export type MessageFields = Record<string, unknown> & Message;

/** A packed repeated field as it is decoded. */
export type PackedArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

export function isPacked(kind: FieldKind): kind is PackedKind {
  return kind.endsWith('s') && kind !== 'bytes';
}

/** The memory of an array. */
export function asBytes(array: PackedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
