import { dirname, resolve } from 'node:path';

import { ModelError } from '../../errors.js';
import { writeAtomically } from '../../io/atomic.js';
import { readBytes } from '../../io/read.js';
import { modelSource, pathOf, type FilePath, type ModelFile } from '../../io/path.js';
import { checkFunctions } from './functions.js';
import { decodeModel, encodeModel, type GraphProto, type ModelProto, type ValueInfo } from './proto.js';
import { checkTensor, dataTypeName, externalPath, isExternal, type DataType } from './tensor.js';

/** Protocol buffers end at 2 GiB. */
const MAX_BYTES = 2 ** 31 - 1;

/** A named tensor at the edge of a model; a dimension is a size, a symbol such as "N", or "" where nothing is known. */
export interface TensorInfo {
  /** Its name in the graph. */
  readonly name: string;
  /** Type of its elements, such as `float32`. */
  readonly type: DataType;
  /** Absent where not even the rank is known. */
  readonly shape?: readonly (number | string)[];
}

/** An ONNX model in memory. The views below are computed from `proto`, which is the whole file. */
export interface Model {
  /** The file as ONNX defines it. */
  readonly proto: ModelProto & { graph: GraphProto };
  /** The folder that external data is relative to; absent for a model from bytes. */
  readonly folder?: string;
  /** metadata_props. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Inputs that must be fed: those without an initializer. */
  readonly inputs: readonly TensorInfo[];
  /** What it computes. */
  readonly outputs: readonly TensorInfo[];
  /** Version by operator set; the standard one is "". */
  readonly opsets: ReadonlyMap<string, number>;
  /** The nodes of the main graph, in file order. */
  readonly nodes: readonly { readonly name: string; readonly operator: string; readonly domain: string }[];
}

/**
 * Reads an ONNX file. Weights are views into the file's bytes, external data is not read.
 *
 * @param given a path, or the bytes of a file
 * @param folder where the external data of a model from bytes lies
 * @throws ModelError for a file that is absent, truncated, larger than 2 GiB or not a model, for tensors whose data
 *   does not fit their shape, and for external data that points outside the model's folder.
 */
export async function readModel(given: ModelFile, folder?: string): Promise<Model> {
  const source = modelSource('model', given);
  if (typeof source !== 'string') return makeModel(decodeModel(source), folder);
  const bytes = await readBytes(source).catch((cause: unknown) => {
    throw new ModelError((cause as Error).message, { value: source, cause });
  });
  try {
    return makeModel(decodeModel(bytes), dirname(resolve(source)));
  } catch (cause) {
    if (cause instanceof ModelError)
      throw new ModelError(`${source}: ${cause.message}`, { value: source, cause });
    throw cause;
  }
}

/**
 * Reads a model of which a session is made of the same source.
 *
 * @throws what {@link readModel} throws, and ModelError for bytes whose weights are in other files, which are found beside a path alone.
 */
export async function readWholeModel(source: string | Uint8Array): Promise<Model> {
  const model = await readModel(source);
  const stray = model.folder === undefined ? model.proto.graph.initializer.find(isExternal) : undefined;
  if (!stray) return model;
  const file = stray.external_data.find(({ key }) => key === 'location')?.value ?? 'another file';
  throw new ModelError(
    `Its weights are in other files (${file}), which are looked for beside its path: give that, and not its bytes.`,
    { option: 'model' },
  );
}

/**
 * The views of a decoded model.
 * @throws ModelError where the graph is absent or an input, output or initializer is not well formed.
 */
export function makeModel(proto: ModelProto, folder?: string): Model {
  const { graph } = proto;
  if (graph === undefined || proto.opset_import.length === 0) {
    throw new ModelError('The file is not an ONNX model: it has no graph or names no operator set.');
  }
  checkFunctions(proto);
  const initializers = new Set<string>();
  for (const tensor of graph.initializer) {
    checkTensor(tensor);
    if (isExternal(tensor)) externalPath(tensor, folder ?? '.');
    initializers.add(tensor.name ?? '');
  }
  return {
    proto: { ...proto, graph },
    ...(folder === undefined ? {} : { folder }),
    metadata: new Map(proto.metadata_props.map(({ key, value }) => [key ?? '', value ?? ''])),
    inputs: graph.input.filter(({ name }) => !initializers.has(name ?? '')).map(tensorInfo),
    outputs: graph.output.map(tensorInfo),
    opsets: new Map(
      proto.opset_import.map(({ domain, version }) => [
        domain === 'ai.onnx' ? '' : (domain ?? ''),
        version ?? 0,
      ]),
    ),
    nodes: graph.node.map((node) => ({
      name: node.name ?? '',
      operator: node.op_type ?? '',
      domain: node.domain === 'ai.onnx' ? '' : (node.domain ?? ''),
    })),
  };
}

/**
 * The type of a graph input or output.
 * @throws ModelError where it has none, or is not a tensor of a known type.
 */
export function tensorInfo(info: ValueInfo): TensorInfo {
  const name = info.name ?? '';
  const tensor = info.type?.tensor_type;
  const type = dataTypeName(tensor?.elem_type);
  if (name === '' || tensor === undefined || type === undefined) {
    throw new ModelError(`The graph's input or output "${name}" has no tensor type.`, { value: name });
  }
  const shape = tensor.shape?.dim.map(({ dim_value, dim_param }) => dim_value ?? dim_param ?? '');
  return { name, type, ...(shape === undefined ? {} : { shape }) };
}

/** The model with metadata entries added or replaced; the graph is shared. */
export function withMetadata(model: Model, entries: Readonly<Record<string, string>>): Model {
  const added = new Map(Object.entries(entries));
  const kept = model.proto.metadata_props.filter(({ key }) => !added.has(key ?? ''));
  const metadata_props = [...kept, ...[...added].map(([key, value]) => ({ key, value }))];
  return makeModel({ ...model.proto, metadata_props }, model.folder);
}

/**
 * The model as the bytes of a file.
 * @throws ModelError above 2 GiB.
 */
export function modelBytes(model: { readonly proto: ModelProto }): Uint8Array {
  const chunks = encodeModel(model.proto);
  checkSize(chunks);
  return Buffer.concat(chunks);
}

function checkSize(chunks: readonly Uint8Array[]): void {
  const size = chunks.reduce((total, chunk) => total + chunk.length, 0);
  if (size > MAX_BYTES) {
    throw new ModelError(`The model needs ${size} bytes; above 2 GiB its weights must be external data.`);
  }
}

/**
 * Writes an ONNX file under a temporary name and renames it, so that nobody reads half a file. Weights are not copied.
 * A model with external data keeps pointing at the original's file and so must be written into the same folder.
 *
 * @throws ModelError above 2 GiB, or for a folder that does not hold the external data; OutputError for what the file
 *   system refuses.
 */
export async function writeModel(model: Model, file: FilePath): Promise<void> {
  const path = pathOf('path', file);
  if (model.proto.graph.initializer.some(isExternal) && dirname(resolve(path)) !== model.folder) {
    throw new ModelError(
      `The model has external data, which is found beside it: write it into ${model.folder ?? 'the folder of that data'}.`,
      { option: 'path', value: path },
    );
  }
  const chunks = encodeModel(model.proto);
  checkSize(chunks);
  await writeAtomically(path, chunks);
}
