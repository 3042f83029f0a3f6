import { ModelError } from '../errors.js';
import type { TensorInfo } from '../onnx/file/model.js';
import type { Session, Tensor } from '../onnx/run/runtime.js';
import { statePort } from '../score/network/feeds.js';
import { fromFloat16 } from '../io/float16.js';
import { nameSource } from '../score/network/network.js';
import { elementCount } from '../shape.js';

/** Rows of numbers, [count, ...shape]. */
export interface ArrayRows {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** A network of one input and one output as a function of arrays: a few rows at a time, as the file wants them. */
export class ArrayNetwork {
  readonly source: string;
  readonly input: TensorInfo;
  readonly output: TensorInfo;
  readonly #session: Session;

  /** @throws ModelError for a network of several inputs, or of none. */
  constructor(source: string, session: Session, output: string | undefined) {
    this.source = source;
    this.#session = session;
    const [input, ...others] = session.inputs;
    const named = session.outputs.find(({ name }) => name === output) ?? session.outputs[0];
    if (input === undefined || others.length > 0 || named === undefined) {
      const names = session.inputs.map(({ name }) => `"${name}"`).join(', ');
      throw new ModelError(`${source}: One input of arrays is expected; it has ${names || 'none'}.`, {
        value: source,
      });
    }
    this.input = input;
    this.output = named;
  }

  /**
   * What the network makes of the rows, at most `most` of them at a time.
   * @throws ModelError where ONNX Runtime fails, and for what is not finite.
   */
  async run({ values, shape }: ArrayRows, most: number, signal?: AbortSignal): Promise<ArrayRows> {
    const [count, ...own] = shape as [number, ...number[]];
    const elements = elementCount(own);
    const fixed = this.input.shape?.[0];
    const size = typeof fixed === 'number' ? fixed : Math.min(most, count);
    let made: ArrayRows | undefined;
    for (let start = 0; start < count; start += size) {
      signal?.throwIfAborted();
      const end = Math.min(start + size, count);
      const rows = typeof fixed === 'number' ? fixed : end - start;
      let part = values.subarray(start * elements, end * elements);
      if (rows !== end - start) {
        const padded = new Float32Array(rows * elements);
        for (let row = 0; row < rows; row++) padded.set(part.subarray(0, elements), row * elements);
        padded.set(part);
        part = padded;
      }
      const { data, dims } = await this.#runOnce(part, [rows, ...own], signal);
      const [, ...result] = dims as [number, ...number[]];
      const width = elementCount(result);
      made ??= { values: new Float32Array(count * width), shape: [count, ...result] };
      made.values.set(data.subarray(0, (end - start) * width), start * width);
    }
    return made!;
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  async #runOnce(
    values: Float32Array,
    [rows, ...own]: readonly [number, ...number[]],
    signal: AbortSignal | undefined,
  ): Promise<{ data: Float32Array; dims: readonly number[] }> {
    const { name } = this.output;
    try {
      const feeds = { [this.input.name]: statePort(this.input, own).open(values, rows) };
      const { data, dims } = (await this.#session.run(feeds, [name], { signal }))[name]!;
      const made = singles(data, name);
      if (dims[0] !== rows || !made.every(Number.isFinite)) {
        const what =
          dims[0] === rows ? 'values that are not finite' : `rows [${dims.join(', ')}] of another number`;
        throw new ModelError(`Its output "${name}" has ${what}.`);
      }
      return { data: made, dims };
    } catch (cause) {
      throw nameSource(this.source, cause);
    }
  }
}

/** Numbers of a float32 or float16 tensor. */
export function singles(data: Tensor['data'], name: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (!(data instanceof Uint16Array))
    throw new ModelError(
      `Its output "${name}" holds neither float32 nor float16; export it in one of these.`,
    );
  const values = new Float32Array(data.length);
  fromFloat16(data, values);
  return values;
}
