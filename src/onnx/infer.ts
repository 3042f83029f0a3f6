import { makeValueInfo, type Dim, type TensorType } from './graph.js';
import { modelBytes } from './model.js';
import type { GraphProto, ModelProto } from './proto.js';
import { createSession } from './runtime.js';
import { dataTypeName } from './tensor.js';

/**
 * Types and shapes of all values of a model, from ONNX Runtime: every value is made an output without a type, and the
 * session says what it is. A dimension that ONNX Runtime cannot name gets a symbol of its own.
 * @throws ModelError where ONNX Runtime refuses the model.
 */
export async function inferTypes(
  proto: ModelProto,
  folder: string | undefined,
): Promise<Map<string, TensorType>> {
  const graph = proto.graph!;
  const known = new Set(graph.output.map(({ name }) => name));
  const computed = graph.node
    .flatMap((node) => node.output)
    .filter((name) => name !== '' && !known.has(name));
  const output = [...graph.output, ...computed.map((name) => makeValueInfo(name))];
  const bytes = modelBytes({ proto: { ...proto, graph: { ...graph, output } } });
  const session = await createSession(bytes, {
    optimization: 'disabled',
    threads: 1,
    ...(folder === undefined ? {} : { folder }),
  });
  const types = constantTypes(graph);
  for (const { name, type, shape } of [...session.inputs, ...session.outputs]) {
    types.set(name, { type, ...(shape === undefined ? {} : { shape: shape.map(named(name)) }) });
  }
  await session.release();
  return types;
}

function named(value: string): (size: Dim, axis: number) => Dim {
  return (size, axis) => (size === '' ? `${value}.${axis}` : size);
}

function constantTypes(graph: GraphProto): Map<string, TensorType> {
  const types = new Map<string, TensorType>();
  for (const tensor of graph.initializer) {
    const type = dataTypeName(tensor.data_type);
    if (type !== undefined) types.set(tensor.name ?? '', { type, shape: tensor.dims });
  }
  return types;
}
