import { addon, limits } from '../../device/addon.js';
import { LoadError, ModelError, OptionError } from '../../errors.js';
import { openFile } from '../../io/read.js';
import { checkChoice, checkInteger, defined } from '../../options.js';
import { makeModel, modelBytes, readModel, type Model } from '../file/model.js';
import type { TensorProto } from '../file/proto.js';
import { dataTypeName, isExternal, tensorBytes } from '../file/tensor.js';
import { modelSource, type ModelFile } from '../../io/path.js';
import { createNodeSession, loadRuntime } from './node.js';
import { createOwnSession, openRuntime } from './own.js';
import { oneLine, type Session, type SessionOptions } from './session.js';

export type {
  Bound,
  BoundFeeds,
  BoundTensors,
  Feeds,
  PartialFeeds,
  Session,
  SessionOptions,
  Tensor,
} from './session.js';

const providers = ['cpu', 'cuda', 'webgpu'] as const;

/** Who runs networks: the addon itself, or onnxruntime-node. */
export type SessionKind = 'own' | 'node';

/**
 * Loads a network into ONNX Runtime. The addon makes the session itself where it can (on Linux, on the CPU and by CUDA); else
 * onnxruntime-node does. The environment variable FASTSDE_SESSIONS (`own` or `node`) decides otherwise.
 *
 * @param given the path or `file:` URL of a model, or its bytes
 * @throws LoadError where there is no ONNX Runtime that can be used or the provider cannot start; ModelError where it refuses
 *   the model; OptionError for an option that cannot be used.
 */
export async function createSession(given: ModelFile, options: SessionOptions = {}): Promise<Session> {
  const source = modelSource('model', given);
  if (options.provider !== undefined) checkChoice('provider', options.provider, providers);
  if (options.tf32 !== undefined && typeof (options.tf32 as unknown) !== 'boolean')
    throw new OptionError('tf32', options.tf32, 'true or false');
  if (options.threads !== undefined) checkInteger('threads', options.threads, 1, limits().threads);
  if (typeof source === 'string') await checkFile(source);
  const kind = await sessionKind(options);
  const create = kind === 'own' ? createOwnSession : createNodeSession;
  try {
    return await create(source, options);
  } catch (cause) {
    if (cause instanceof LoadError || cause instanceof ModelError) throw cause;
    const whole = typeof source === 'string' ? await withShapes(source) : undefined;
    if (whole) return createSession(modelBytes(whole), defined({ ...options, folder: whole.folder }));
    const where = typeof source === 'string' ? ` ${source}` : '';
    throw new ModelError(`ONNX Runtime refuses the model${where}: ${oneLine(cause)}`, { cause });
  }
}

/**
 * A model whose integers lie in its file. ONNX Runtime wants the shapes there that operators take, and refuses a model all of whose
 * tensors are external data. Undefined where no integer is.
 */
async function withShapes(path: string): Promise<Model | undefined> {
  const model = await readModel(path).catch(() => undefined);
  if (!model) return undefined;
  const { graph } = model.proto;
  const isShape = (tensor: TensorProto): boolean =>
    isExternal(tensor) && /^int/.test(dataTypeName(tensor.data_type) ?? '');
  if (!graph.initializer.some(isShape)) return undefined;
  const initializer = graph.initializer.map((tensor) => {
    if (!isShape(tensor)) return tensor;
    const raw_data = tensorBytes(tensor, model.folder);
    return { ...tensor, data_location: 0, external_data: [], raw_data };
  });
  return makeModel({ ...model.proto, graph: { ...graph, initializer } }, model.folder);
}

/** Who runs a network with these options. */
export async function sessionKind({ provider = 'cpu' }: SessionOptions = {}): Promise<SessionKind> {
  const asked = process.env['FASTSDE_SESSIONS'] ?? '';
  if (asked !== '' && asked !== 'own' && asked !== 'node') {
    throw new OptionError('FASTSDE_SESSIONS', asked, '"own" or "node"');
  }
  if (asked !== '') return provider === 'webgpu' ? 'node' : asked;
  if (provider === 'webgpu' || process.platform !== 'linux') return 'node';
  try {
    await openRuntime();
    return 'own';
  } catch (cause) {
    if (!(cause instanceof LoadError) || process.env['FASTSDE_ONNXRUNTIME']) throw cause;
    await loadRuntime();
    if (addon().isFirst('warning of sessions')) {
      process.emitWarning(
        `${cause.message} Networks run through onnxruntime-node, which blocks its thread.`,
        {
          code: 'FASTSDE_SESSIONS',
        },
      );
    }
    return 'node';
  }
}

/** ONNX Runtime would read a device without end, and wait for a pipe. */
async function checkFile(path: string): Promise<void> {
  try {
    await (await openFile(path)).close();
  } catch (cause) {
    throw new ModelError((cause as Error).message, { value: path, cause });
  }
}
