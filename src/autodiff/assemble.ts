import { ModelError, OptionError } from '../errors.js';
import { ancestors, makeValueInfo, reads, type TensorType } from '../onnx/graph/graph.js';
import { OWN_DOMAIN, withOwnOperators } from '../onnx/graph/fuse.js';
import { spreadScales } from '../onnx/graph/lower.js';
import { makeModel, withMetadata, type Model } from '../onnx/file/model.js';
import type { NodeProto, ValueInfo } from '../onnx/file/proto.js';
import type { Builder, Value } from '../onnx/graph/builder.js';

/** Metadata key under which a derived model says what it is. */
export const AUTODIFF_KEY = 'fastsde.autodiff';

/** What a derived model adds to its original. */
export interface Additions {
  /** New inputs with their types. */
  readonly inputs: ReadonlyMap<string, TensorType>;
  /** New outputs: which value each one shows, and its type. */
  readonly outputs: ReadonlyMap<string, { value: Value; type: TensorType }>;
  /** What the model is, as metadata. */
  readonly description: Readonly<Record<string, unknown>>;
}

/** The original's inputs, outputs and metadata with the additions, and of all nodes those that an output needs. */
export function assemble(model: Model, b: Builder, { inputs, outputs, description }: Additions): Model {
  const { graph } = b;
  for (const [name, { value }] of outputs) {
    if (graph.types.has(name) || inputs.has(name)) {
      throw new ModelError(`The model has a value "${name}" already, so a derivative cannot have that name.`);
    }
    b.rename(value, name);
  }
  const output: ValueInfo[] = [
    ...graph.outputs,
    ...[...outputs].map(([name, { type }]) => makeValueInfo(name, type)),
  ];
  const needed = ancestors(
    b.all,
    output.map(({ name }) => name ?? ''),
  );
  const input = [...graph.inputs, ...[...inputs].map(([name, type]) => makeValueInfo(name, type))];
  return modelOf(model, b, needed, { input, output, description });
}

/** A model of some nodes of a builder, with the metadata of the original. */
export function modelOf(
  model: Model,
  { graph, initializers }: Builder,
  nodes: readonly NodeProto[],
  ports: {
    readonly input: readonly ValueInfo[];
    readonly output: readonly ValueInfo[];
    readonly description: Readonly<Record<string, unknown>>;
  },
): Model {
  const { nodes: node, lengths } = spreadScales(nodes, graph.types, graph.initializers);
  const used = new Set([...node.flatMap(reads), ...ports.output.map(({ name }) => name ?? '')]);
  const initializer = [...graph.initializers.values(), ...initializers.values(), ...lengths].filter(
    ({ name }) => used.has(name ?? ''),
  );
  const domains = new Set(node.map(({ domain }) => domain ?? ''));
  const standard = { domain: '', version: graph.opset };
  const others = model.proto.opset_import.filter(
    ({ domain }) => (domain ?? '') !== '' && domain !== 'ai.onnx' && domains.has(domain ?? ''),
  );
  const sets = [standard, ...others];
  const derived = makeModel(
    {
      ...model.proto,
      ir_version: Math.max(model.proto.ir_version ?? 0, 8),
      opset_import: domains.has(OWN_DOMAIN) ? withOwnOperators(sets) : sets,
      functions: [],
      graph: {
        ...model.proto.graph,
        node,
        initializer,
        input: [...ports.input],
        output: [...ports.output],
        value_info: [],
      },
    },
    model.folder,
  );
  return withMetadata(derived, { [AUTODIFF_KEY]: JSON.stringify({ version: 1, ...ports.description }) });
}

/** A list of names from one or several. */
export function names(option: string, value: string | readonly string[]): string[] {
  const list = typeof value === 'string' ? [value] : [...value];
  if (list.length === 0 || new Set(list).size < list.length) {
    throw new OptionError(option, value, 'one or several different names');
  }
  return list;
}

/**
 * The inputs of the model that a derivative is taken with respect to.
 * @throws OptionError for a name that is not a floating-point input.
 */
export function inputNames(model: Model, option: string, value: string | readonly string[]): string[] {
  const floats = model.inputs.filter(({ type }) => type.startsWith('float')).map(({ name }) => name);
  for (const name of names(option, value)) {
    if (!floats.includes(name)) throw new OptionError(option, name, `one of the inputs ${floats.join(', ')}`);
  }
  return names(option, value);
}

/** The value that a derivative is taken of: the model's first output unless another, or an inner value, is named. */
export function targetName(model: Model, of: string | undefined): string {
  const name = of ?? model.outputs[0]?.name;
  if (name === undefined) throw new ModelError('The model has no output.');
  return name;
}
