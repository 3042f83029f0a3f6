export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;
export type Constructor =
  typeof Float32Array | typeof Float64Array | typeof Int32Array | typeof Uint32Array | typeof Uint8Array;
/** The kinds of arrays that calls are made with. */
export const constructors: readonly Constructor[] = [
  Float32Array,
  Float64Array,
  Int32Array,
  Uint32Array,
  Uint8Array,
];

/** Bytes before and after an array that nobody may write. */
const margin = 64;
const pattern = 0xa5;

/** Where an array lies; a tight one has a buffer of its length. */
export type Memory = 'tight' | 'plain' | 'shared' | 'resizable' | 'growable';

/** The arrays that were made for the call in hand. */
export const watched: TypedArray[] = [];

/** An array within a larger buffer, the rest of which has to stay as it is. */
export function guarded(Type: Constructor, length: number, memory: Memory, values: number): TypedArray {
  // Beyond a tight array lies what AddressSanitizer guards.
  if (memory === 'tight') return new Type(length).fill(values);
  const size = 2 * margin + length * Type.BYTES_PER_ELEMENT;
  const bounds = { maxByteLength: size + 64 };
  // TypeScript's library for this target knows neither kind of variable length.
  const Plain = ArrayBuffer as new (size: number, bounds?: object) => ArrayBuffer;
  const Shared = SharedArrayBuffer as new (size: number, bounds?: object) => SharedArrayBuffer;
  const buffer =
    memory === 'plain'
      ? new Plain(size)
      : memory === 'resizable'
        ? new Plain(size, bounds)
        : memory === 'shared'
          ? new Shared(size)
          : new Shared(size, bounds);
  new Uint8Array(buffer).fill(pattern);
  const array = new Type(buffer as ArrayBuffer, margin, length);
  array.fill(values);
  watched.push(array);
  return array;
}

/** Whether nobody wrote beside an array. */
export function isIntact(array: TypedArray): boolean {
  const { buffer, byteLength } = array;
  if (byteLength === 0) return true; // detached or out of bounds: there is nothing left to look at
  const bytes = new Uint8Array(buffer);
  const untouched = (from: number, to: number) => bytes.subarray(from, to).every((byte) => byte === pattern);
  return untouched(0, margin) && untouched(margin + byteLength, 2 * margin + byteLength);
}

/** What takes memory away from an array while it is an argument. */
export function shrink(array: TypedArray): void {
  const { buffer } = array;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) return;
  const { resizable } = buffer as { resizable?: boolean };
  if (resizable === true) (buffer as unknown as { resize(size: number): void }).resize(margin);
  else structuredClone(buffer, { transfer: [buffer] });
}

export function isTypedArray(value: unknown): value is TypedArray {
  return constructors.some((Type) => value instanceof Type);
}
