import type { Tensor } from '../../onnx/run/runtime.js';
import type { Port } from './feeds.js';

/** Rows start to end of an array, and the last one again up to `size`. */
export interface PaddedRange {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/**
 * The ranges in which rows go through a network, in order.
 *
 * @param time label of each row.
 * @param batch rows of every run; all at once where undefined.
 * @param isShared whether the network takes one time for all rows, so that rows of different times cannot go together.
 */
export function rangesOf(
  time: Float64Array,
  batch: number | undefined,
  isShared: boolean,
): readonly PaddedRange[] {
  const ranges: PaddedRange[] = [];
  for (let start = 0; start < time.length;) {
    let end = Math.min(time.length, start + (batch ?? time.length));
    if (isShared) {
      const change = time.subarray(start, end).findIndex((label) => label !== time[start]);
      if (change > 0) end = start + change;
    }
    ranges.push({ start, end, size: batch ?? end - start });
    start = end;
  }
  return ranges;
}

/** The rows of a run: those of its range, the last one again up to its size. */
export function rowsIn({ start, end, size }: PaddedRange): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => Math.min(start + i, end - 1));
}

/**
 * Rows on their way into a network: the array itself where nothing has to be scaled or repeated. Of rows of two parts they are the first,
 * and the second is 0.
 */
export class Inlet {
  readonly #port: Port;
  readonly #elements: number;
  readonly #parts: number;
  #buffer = new Float32Array(0);

  constructor(port: Port, elements: number, parts = 1) {
    this.#port = port;
    this.#elements = elements;
    this.#parts = parts;
  }

  open(values: Float32Array, { start, end, size }: PaddedRange, scale?: Float64Array): Tensor {
    const [elements, parts] = [this.#elements, this.#parts];
    if (size === end - start && scale === undefined && parts === 1)
      return this.#port.open(values.subarray(start * elements, end * elements), size);
    const buffer = (this.#buffer = resized(this.#buffer, size * elements * parts));
    for (let row = 0; row < size; row++) {
      const from = Math.min(start + row, end - 1);
      const factor = scale?.[from] ?? 1;
      for (let i = 0; i < elements; i++)
        buffer[row * elements * parts + i] = factor * values[from * elements + i]!;
    }
    return this.#port.open(buffer, size);
  }
}

/** Rows on their way out of a network: into the array itself where none was repeated. Rows of two parts are taken apart. */
export class Outlet {
  readonly #port: Port;
  readonly #elements: number;
  readonly #parts: number;
  #padded = new Float32Array(0);
  #result: Float32Array = this.#padded;
  /** Where the parts belong. */
  #own: readonly (Float32Array | undefined)[] = [];

  constructor(port: Port, elements: number, parts = 1) {
    this.#port = port;
    this.#elements = elements;
    this.#parts = parts;
  }

  open(values: Float32Array, { start, end, size }: PaddedRange, second?: Float32Array): Tensor {
    this.#own = [values, second].map((part) => part?.subarray(start * this.#elements, end * this.#elements));
    const isWhole = size === end - start && this.#parts === 1;
    if (!isWhole) this.#padded = resized(this.#padded, size * this.#elements * this.#parts);
    this.#result = isWhole ? this.#own[0]! : this.#padded;
    return this.#port.open(this.#result, size);
  }

  /** After the run. */
  close(): void {
    this.#port.close(this.#result);
    if (this.#result === this.#own[0]) return;
    const [width, stride] = [this.#elements, this.#elements * this.#parts];
    this.#own.slice(0, this.#parts).forEach((own, part) => {
      for (let row = 0; own && row * width < own.length; row++) {
        const at = row * stride + part * width;
        own.set(this.#result.subarray(at, at + width), row * width);
      }
    });
  }
}

function resized(buffer: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> {
  return buffer.length === length ? buffer : new Float32Array(length);
}
