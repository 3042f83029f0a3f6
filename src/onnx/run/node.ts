import type * as Ort from 'onnxruntime-node';

import { FastsdeError, LoadError, ModelError } from '../../errors.js';
import type { TensorInfo } from '../file/model.js';
import type { DataType } from '../file/tensor.js';
import {
  closedError,
  elementType,
  listFeeds,
  listFetches,
  oneLine,
  runFailure,
  type Session,
  type SessionOptions,
  type Tensor,
} from './session.js';

let loading: Promise<typeof Ort> | undefined;

/**
 * onnxruntime-node, loaded at the first call: it is an optional dependency, and nothing else may import it.
 * @throws LoadError that says how to install it.
 */
export function loadRuntime(): Promise<typeof Ort> {
  loading ??= import('onnxruntime-node').catch((cause: unknown) => {
    loading = undefined;
    throw new LoadError(
      'onnxruntime-node cannot be loaded. npm leaves it out without a word where it cannot download CUDA libraries; without ' +
        'these: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node',
      { cause },
    );
  });
  return loading;
}

/** A session of onnxruntime-node, which runs networks on the thread that calls it. */
export async function createNodeSession(
  source: string | Uint8Array,
  options: SessionOptions,
): Promise<Session> {
  const { threads, provider = 'cpu', optimization = 'all', memoryPattern = false } = options;
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
  try {
    const session = await (typeof source === 'string'
      ? ort.InferenceSession.create(source, settings)
      : ort.InferenceSession.create(source, settings));
    return new NodeSession(ort, session);
  } catch (cause) {
    if (provider !== 'cpu' && /provider|shared library|backend/i.test(String(cause))) {
      const hint =
        provider === 'cuda'
          ? ' It needs a driver, and the libraries that npm rebuild onnxruntime-node downloads.'
          : '';
      throw new LoadError(`The execution provider ${provider} cannot start: ${oneLine(cause)}.${hint}`, {
        cause,
      });
    }
    throw cause;
  }
}

class NodeSession implements Session {
  readonly device = 'cpu';
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(ort: typeof Ort, session: Ort.InferenceSession) {
    this.#ort = ort;
    this.#session = session;
    this.inputs = session.inputMetadata.map(tensorInfo);
    this.outputs = session.outputMetadata.map(tensorInfo);
  }

  async run(
    ...[feeds, fetches, { signal } = {}]: Parameters<Session['run']>
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    if (this.#closed) throw closedError();
    try {
      const tensors = listFeeds(feeds, this.inputs).map((tensor, i) => {
        const { name } = this.inputs[i]!;
        return [name, this.#tensor(name, tensor, this.inputs)] as const;
      });
      const wanted = listFetches(fetches, this.outputs).map(
        ([name, tensor]) => [name, tensor ? this.#tensor(name, tensor, this.outputs) : null] as const,
      );
      const running = this.#session.run(Object.fromEntries(tensors), Object.fromEntries(wanted));
      this.#last = running;
      const result = await running;
      return Object.fromEntries(
        Object.entries(result).map(([name, { data, dims }]) => [
          name,
          { data: bitsOfHalves(data as Tensor['data']), dims },
        ]),
      );
    } catch (cause) {
      throw cause instanceof FastsdeError ? cause : runFailure(feeds, cause);
    }
  }

  runHere(...[feeds, fetches]: Parameters<Session['runHere']>): Promise<Record<string, Tensor>> {
    return this.run(feeds, fetches);
  }

  async release(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => undefined);
    await this.#session.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #tensor(name: string, { data, dims }: Tensor, infos: readonly TensorInfo[]): Ort.Tensor {
    const type = infos.find((known) => known.name === name)?.type;
    const element = type === 'bool' ? 'bool' : elementType(data);
    const tensor = new this.#ort.Tensor(element as 'float32', data as Float32Array, dims);
    // Where there is a Float16Array, the constructor makes one and leaves it empty; the binding wants the bits.
    if (data instanceof Uint16Array) Object.defineProperty(tensor, 'data', { value: data });
    return tensor;
  }
}

/** Half precision as its bits; where JavaScript has a Float16Array (Node 24), onnxruntime-node makes one. */
function bitsOfHalves(data: Tensor['data']): Tensor['data'] {
  if ((data[Symbol.toStringTag] as string) !== 'Float16Array') return data;
  return new Uint16Array(data.buffer, data.byteOffset, data.length);
}

function tensorInfo(metadata: Ort.InferenceSession.ValueMetadata): TensorInfo {
  if (!metadata.isTensor)
    throw new ModelError(`"${metadata.name}" is not a tensor.`, { value: metadata.name });
  return { name: metadata.name, type: metadata.type as DataType, shape: metadata.shape };
}
