import { ModelError } from '../../errors.js';
import { makeValueInfo, type Dim, type TensorType } from './graph.js';
import { modelBytes } from '../file/model.js';
import type { GraphProto, ModelProto, ValueInfo } from '../file/proto.js';
import { createSession } from '../run/runtime.js';
import { dataTypeName } from '../file/tensor.js';

/**
 * Types and shapes of all values of a model, from ONNX Runtime: every value is made an output without a type, and the
 * session says what it is.
 *
 * ONNX Runtime loses track of an unknown size at the first Reshape. So the batch is set to 1 and to a large number: a size
 * that is the same in both is known (sizes grow with the batch or do not depend on it), one that follows the batch has
 * its symbol, and sizes that change alike are equal. Where these batches do not fit the model, and for unknown sizes of
 * other axes, ONNX Runtime's own symbols have to do.
 *
 * @throws ModelError where ONNX Runtime refuses the model.
 */
export async function inferTypes(
  proto: ModelProto,
  folder: string | undefined,
): Promise<Map<string, TensorType>> {
  const sizes = trialSizes(proto.graph!);
  if (sizes.size > 0) {
    try {
      const [first, second] = [
        await inferOnce(withSizes(proto, sizes, 0), folder),
        await inferOnce(withSizes(proto, sizes, 1), folder),
      ];
      return merge(first, second, sizes);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
    }
  }
  return inferOnce(proto, folder);
}

async function inferOnce(proto: ModelProto, folder: string | undefined): Promise<Map<string, TensorType>> {
  const graph = proto.graph!;
  const names = new Set([
    ...graph.output.map(({ name }) => name ?? ''),
    ...graph.node.flatMap((node) => node.output).filter((name) => name !== ''),
  ]);
  const output = [...names].map((name) => makeValueInfo(name));
  const session = await createSession(modelBytes({ proto: { ...proto, graph: { ...graph, output } } }), {
    // Folding is what follows a size through arithmetic.
    optimization: 'basic',
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

/** A dimension that ONNX Runtime cannot name gets a symbol of its own. */
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

/** Two sizes of a batch, the smallest and one beyond what a model slices or tiles by. */
type Trial = readonly [number, number];

/** The symbol of an input's first dimension: its own, or one made of its place; undefined for a known size. */
function batchSymbol(info: ValueInfo): string | undefined {
  const first = info.type?.tensor_type?.shape?.dim[0];
  if (first === undefined || first.dim_value !== undefined) return undefined;
  return first.dim_param === undefined || first.dim_param === '' ? `${info.name ?? ''}.0` : first.dim_param;
}

function trialSizes(graph: GraphProto): Map<string, Trial> {
  const symbols = new Set(graph.input.map(batchSymbol).filter((each) => each !== undefined));
  return new Map([...symbols].map((each, index) => [each, [1, 1009 + 10 * index]]));
}

function withSizes(proto: ModelProto, sizes: ReadonlyMap<string, Trial>, trial: 0 | 1): ModelProto {
  const graph = proto.graph!;
  const input = graph.input.map((info) => {
    const tensor = info.type?.tensor_type;
    if (tensor?.shape === undefined) return info;
    const dim = tensor.shape.dim.map((each, axis) => {
      const size = sizes.get((axis === 0 ? batchSymbol(info) : each.dim_param) ?? '');
      return size === undefined ? each : { dim_value: size[trial] };
    });
    return { ...info, type: { tensor_type: { ...tensor, shape: { dim } } } };
  });
  return { ...proto, graph: { ...graph, input, value_info: [] } };
}

function merge(
  first: ReadonlyMap<string, TensorType>,
  second: ReadonlyMap<string, TensorType>,
  sizes: ReadonlyMap<string, Trial>,
): Map<string, TensorType> {
  const size = (name: string, axis: number, a: Dim, b: Dim): Dim => {
    if (a === b) return a;
    if (typeof a !== 'number' || typeof b !== 'number') return `${name}.${axis}`;
    for (const [key, [p, q]] of sizes) if (a === p && b === q) return key;
    return `${a}|${b}`;
  };
  return new Map(
    [...first].map(([name, { type, shape }]) => {
      const other = second.get(name)?.shape;
      if (shape === undefined || other?.length !== shape.length) return [name, { type }];
      return [name, { type, shape: shape.map((each, axis) => size(name, axis, each, other[axis]!)) }];
    }),
  );
}
