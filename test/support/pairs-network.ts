import { makeNode, makeValueInfo, type Dim } from '../../src/onnx/graph/graph.js';
import { makeModel, modelBytes, type Model } from '../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../src/onnx/file/proto.js';
import { createSession, type Tensor } from '../../src/onnx/run/runtime.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';

/** What a network is made of. */
interface Parts {
  inputs: Record<string, readonly Dim[]>;
  nodes: NodeProto[];
  constants?: TensorProto[];
  outputs?: Record<string, readonly Dim[]>;
  opset?: number;
  folder?: string;
}

/** A network of these nodes, whose output y is [N, 2] unless said otherwise. */
export function network({
  inputs,
  nodes,
  constants = [],
  outputs = { y: ['N', 2] },
  opset = 18,
  folder,
}: Parts): Model {
  const info = (each: Record<string, readonly Dim[]>) =>
    Object.entries(each).map(([name, shape]) => makeValueInfo(name, { type: 'float32', shape }));
  const graph = {
    node: nodes,
    name: 'test',
    initializer: constants,
    input: info(inputs),
    output: info(outputs),
    value_info: [],
  };
  const opset_import = [{ domain: '', version: opset }];
  return makeModel({ ir_version: 8, opset_import, metadata_props: [], functions: [], graph }, folder);
}

/** y = x W + b. */
export function affine(): Model {
  return network({
    inputs: { x: ['N', 2] },
    nodes: [makeNode('Gemm', ['x', 'net.weight', 'net.bias'], ['y'])],
    constants: [
      makeTensor('net.weight', 'float32', [2, 2], [1, 2, 3, 4]),
      makeTensor('net.bias', 'float32', [2], [0.5, -0.5]),
    ],
  });
}

/** What a model computes of these inputs. */
export async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const folder = model.folder === undefined ? {} : { folder: model.folder };
  const session = await createSession(modelBytes(model), { threads: 1, ...folder });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

/** Pairs of numbers, [N, 2]. */
export const rows = (...values: number[]): Tensor => ({
  data: Float32Array.from(values),
  dims: [values.length / 2, 2],
});
export const values = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as Float32Array);
