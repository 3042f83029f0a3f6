import type { Device, DeviceName, Elements } from '../../device/device.js';
import { ModelError } from '../../errors.js';
import { isShortage, LESS_AT_ONCE } from '../../memory.js';
import type { TensorInfo } from '../file/model.js';
import type { DataType } from '../file/tensor.js';

/** How ONNX Runtime executes a model. */
export interface SessionOptions {
  /** Threads inside an operator, at least 1; the default is ONNX Runtime's (one per core). */
  threads?: number;
  /** Execution provider; the default is "cpu". No silent fallback: a provider that cannot start is an error. */
  provider?: 'cpu' | 'cuda' | 'webgpu';
  /** On a GPU, products of 10 bits of mantissa instead of 23, which take a fraction of the time; the default is false. */
  tf32?: boolean;
  /** Graph optimisation; the default is "all". */
  optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /**
   * Plan buffers for a fixed input shape ahead of a run; the default is false. On a gradient graph it saves about 4 %
   * of the time and costs 35 to 45 % more memory.
   */
  memoryPattern?: boolean;
  /** Folder of the external data of a model from bytes. */
  folder?: string;
  /** Where to write the model after optimisation. */
  optimizedModelPath?: string;
}

/** A tensor that goes into or comes out of a run; float16 as bits in a Uint16Array. */
export interface Tensor {
  /** Elements, row-major. */
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array;
  /** Size of every axis. */
  readonly dims: readonly number[];
}

export type Feeds = Readonly<Record<string, Tensor>>;

/** Arrays of a device as tensors. */
export type BoundTensors = Readonly<
  Record<string, { readonly data: Elements; readonly dims: readonly number[] }>
>;

/** Enqueues a run. */
export type Bound = () => void;

/** An output that another run of the device leaves where ONNX Runtime put it. */
export interface KeptValue {
  readonly by: Bound;
  readonly name: string;
}

/** What a bound run reads, and what it writes: an output without an array is kept for other runs. */
export type BoundFeeds = Readonly<Record<string, BoundTensors[string] | KeptValue>>;
export type BoundTargets = Readonly<Record<string, BoundTensors[string] | undefined>>;

/** Tensors by name; of some only the name. */
export type PartialFeeds = Readonly<Record<string, Tensor | undefined>>;

/** The outputs to compute, all by default; a value that is an array is filled in place. */
export type Fetches = readonly string[] | PartialFeeds;

/** A loaded network. */
export interface Session {
  /** Where values of a run are best: on the GPU, of which the session then binds arrays. */
  readonly device: DeviceName;
  /** What has to be fed. */
  readonly inputs: readonly TensorInfo[];
  /** What can be had. */
  readonly outputs: readonly TensorInfo[];
  /**
   * Runs the network in a thread of the session; runs come one after the other. Inputs are copied first, but for those in
   * shared memory, which may not change until the promise settles. (Where onnxruntime-node runs the network, it blocks this
   * thread, no input may change, and an abort is noticed before the run alone.)
   *
   * @param options.signal ends the run at its next operator.
   * @throws ModelError with the message of ONNX Runtime, and after release().
   */
  run(
    feeds: Feeds,
    fetches?: Fetches,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Record<string, Tensor>>;
  /** The same on this thread, which is blocked meanwhile, and without a copy of any input or given output. */
  runHere(feeds: Feeds, fetches?: Fetches): Promise<Record<string, Tensor>>;
  /**
   * A run with its values in arrays of a device, of which the device makes it, or kept for other runs: no copies, and no promise of its own. The session
   * stays open for the device until that is closed. Absent where onnxruntime-node runs the network.
   *
   * @param explain makes the error of a run that fails from that of the session.
   * @throws ModelError as `run`, for what can be told beforehand.
   */
  bind?(
    device: Device,
    feeds: BoundFeeds,
    targets: BoundTargets,
    explain?: (cause: ModelError) => Error,
  ): Bound;
  /** Ends the session after the runs under way. */
  release(): Promise<void>;
  /** As `release()`, at the end of the block of an `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Names of the outputs to compute, with the array of each that is filled in place.
 * @throws ModelError for an output that the network does not have.
 */
export function listFetches(
  fetches: Fetches | undefined,
  outputs: readonly TensorInfo[],
): [string, (Tensor | undefined)?][] {
  if (fetches === undefined) return outputs.map(({ name }) => [name]);
  const list: [string, (Tensor | undefined)?][] = isNames(fetches)
    ? fetches.map((name) => [name])
    : Object.entries(fetches);
  for (const [name] of list) {
    if (!outputs.some((known) => known.name === name))
      throw new ModelError(`The network has no output "${name}".`, { value: name });
  }
  return list;
}

function isNames(fetches: Fetches): fetches is readonly string[] {
  return Array.isArray(fetches);
}

/**
 * The values of a network's inputs, in their order; what else was fed is left out.
 * @throws ModelError for an input without a value.
 */
export function listFeeds<T>(feeds: Readonly<Record<string, T>>, inputs: readonly TensorInfo[]): T[] {
  return inputs.map(({ name }) => {
    const tensor = feeds[name];
    if (tensor === undefined) throw new ModelError(`The input "${name}" has no value.`, { value: name });
    return tensor;
  });
}

/** The element type of an array. */
export function elementType(data: Tensor['data']): DataType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint16Array) return 'float16';
  return data instanceof BigInt64Array ? 'int64' : 'uint8';
}

/** The error of a run after release(). */
export function closedError(): ModelError {
  return new ModelError('The session is closed; open another.');
}

/** The error of a run that failed, with the shapes that it was run on. */
export function runFailure(
  feeds: Readonly<Record<string, Pick<Tensor, 'dims'>>>,
  cause: unknown,
): ModelError {
  const shapes = Object.entries(feeds).map(([name, { dims }]) => `${name} [${dims.join(', ')}]`);
  const rest = shapes.length > 8 ? ` and ${shapes.length - 8} more inputs` : '';
  const shown = shapes.slice(0, 8).join(', ');
  const why = oneLine(cause);
  const message = isShortage(why)
    ? `There is not enough memory to run the network on ${shown}${rest}. ${LESS_AT_ONCE}`
    : `The network failed on ${shown}${rest}: ${why}`;
  return new ModelError(message, { cause });
}

/** The message of an error in one line. */
export function oneLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().replace(/\s*\n\s*/g, '; ');
}
