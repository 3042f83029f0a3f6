import type * as Ort from 'onnxruntime-node';

import { limits } from '../../device/addon.js';
import { FastsdeError, LoadError, ModelError } from '../../errors.js';
import { openFile } from '../../io/read.js';
import { checkInteger } from '../../options.js';
import type { TensorInfo } from '../file/model.js';
import { networkCall } from './network-thread.js';
import type { DataType } from '../file/tensor.js';

/** How ONNX Runtime executes a model. */
export interface SessionOptions {
  /** Threads inside an operator, at least 1; the default is ONNX Runtime's (one per core). */
  threads?: number;
  /** Execution provider; the default is "cpu". No silent fallback: a provider that cannot start is an error. */
  provider?: 'cpu' | 'cuda' | 'webgpu';
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

/** A tensor that goes into or comes out of a run. `data` is used in place, without a copy; float16 as bits in a Uint16Array. */
export interface Tensor {
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array;
  readonly dims: readonly number[];
}

/** A loaded network. */
export interface Session {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /**
   * Runs the network on this thread, which is blocked meanwhile. Inputs may not change until the promise settles.
   * @param fetches the outputs to compute, all by default; a value that is an array is filled in place
   * @throws ModelError with the message of ONNX Runtime.
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches?: readonly string[] | Readonly<Record<string, Tensor>>,
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

let loading: Promise<typeof Ort> | undefined;

/**
 * onnxruntime-node, loaded at the first call: it is an optional dependency, and nothing else may import it.
 * @throws LoadError that says how to install it.
 */
export function loadRuntime(): Promise<typeof Ort> {
  loading ??= networkCall(() => import('onnxruntime-node')).catch((cause: unknown) => {
    loading = undefined;
    throw new LoadError(
      'onnxruntime-node cannot be loaded. Install it beside fastsde: npm install onnxruntime-node ' +
        '(with ONNXRUNTIME_NODE_INSTALL=skip in the environment where its CUDA download is out of reach).',
      { cause },
    );
  });
  return loading;
}

/**
 * Loads a network into ONNX Runtime.
 *
 * @param source a path, or the bytes of a model
 * @throws LoadError where onnxruntime-node is absent or the provider cannot start; ModelError where it refuses the
 *   model; OptionError for an option that cannot be used.
 */
export async function createSession(
  source: string | Uint8Array,
  options: SessionOptions = {},
): Promise<Session> {
  const { threads, provider = 'cpu', optimization = 'all', memoryPattern = false } = options;
  if (threads !== undefined) checkInteger('threads', threads, 1, limits().threads);
  if (typeof source === 'string') await checkFile(source);
  const ort = await loadRuntime();
  const extra: Record<string, unknown> = { intra_op: { allow_spinning: '0' } };
  if (options.folder !== undefined) extra['model_external_initializers_file_folder_path'] = options.folder;
  const settings: Ort.InferenceSession.SessionOptions = {
    executionProviders: [provider],
    graphOptimizationLevel: optimization,
    enableMemPattern: memoryPattern,
    logSeverityLevel: 4,
    extra: { session: extra },
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(options.optimizedModelPath === undefined
      ? {}
      : { optimizedModelFilePath: options.optimizedModelPath }),
  };
  let session: Ort.InferenceSession;
  try {
    session = await networkCall(() =>
      typeof source === 'string'
        ? ort.InferenceSession.create(source, settings)
        : ort.InferenceSession.create(source, settings),
    );
  } catch (cause) {
    const where = typeof source === 'string' ? ` ${source}` : '';
    if (provider !== 'cpu' && /provider|shared library|backend/i.test(String(cause))) {
      const hint =
        provider === 'cuda'
          ? ' It needs a driver, and the libraries that npm rebuild onnxruntime-node downloads.'
          : '';
      throw new LoadError(`The execution provider ${provider} cannot start: ${message(cause)}.${hint}`, {
        cause,
      });
    }
    throw new ModelError(`ONNX Runtime refuses the model${where}: ${message(cause)}`, { cause });
  }
  return wrap(ort, session);
}

/** ONNX Runtime would read a device without end, and wait for a pipe. */
async function checkFile(path: string): Promise<void> {
  try {
    await (await openFile(path)).close();
  } catch (cause) {
    throw new ModelError((cause as Error).message, { value: path, cause });
  }
}

function wrap(ort: typeof Ort, session: Ort.InferenceSession): Session {
  const inputs = session.inputMetadata.map(info);
  const outputs = session.outputMetadata.map(info);
  return {
    inputs,
    outputs,
    async run(feeds, fetches) {
      const tensors = toTensors(ort, feeds, inputs);
      try {
        const result = await networkCall(() =>
          fetches === undefined
            ? session.run(tensors)
            : session.run(tensors, isNames(fetches) ? fetches : toTensors(ort, fetches, outputs)),
        );
        return Object.fromEntries(Object.entries(result).map(([name, tensor]) => [name, toArray(tensor)]));
      } catch (cause) {
        if (cause instanceof FastsdeError) throw cause;
        const shapes = Object.entries(feeds).map(([name, { dims }]) => `${name} [${dims.join(', ')}]`);
        const rest = shapes.length > 8 ? ` and ${shapes.length - 8} more inputs` : '';
        const shown = shapes.slice(0, 8).join(', ');
        throw new ModelError(`The network failed on ${shown}${rest}: ${message(cause)}`, { cause });
      }
    },
    release: () => networkCall(() => session.release()),
  };
}

function isNames(
  fetches: readonly string[] | Readonly<Record<string, Tensor>>,
): fetches is readonly string[] {
  return Array.isArray(fetches);
}

function toTensors(
  ort: typeof Ort,
  arrays: Readonly<Record<string, Tensor>>,
  infos: readonly TensorInfo[],
): Record<string, Ort.Tensor> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, dims }]) => {
      const type = infos.find((known) => known.name === name)?.type;
      const element = type === 'bool' ? 'bool' : elementType(data);
      const tensor = new ort.Tensor(element as 'float32', data as Float32Array, dims);
      // Where there is a Float16Array, the constructor makes one and leaves it empty; the binding wants the bits.
      if (data instanceof Uint16Array) Object.defineProperty(tensor, 'data', { value: data });
      return [name, tensor];
    }),
  );
}

function elementType(data: Tensor['data']): DataType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint16Array) return 'float16';
  return data instanceof BigInt64Array ? 'int64' : 'uint8';
}

function toArray(tensor: Ort.Tensor): Tensor {
  return { data: tensor.data as Tensor['data'], dims: tensor.dims };
}

function info(metadata: Ort.InferenceSession.ValueMetadata): TensorInfo {
  if (!metadata.isTensor)
    throw new ModelError(`"${metadata.name}" is not a tensor.`, { value: metadata.name });
  return { name: metadata.name, type: metadata.type as DataType, shape: metadata.shape };
}

/** In one line. */
function message(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().replace(/\s*\n\s*/g, '; ');
}
