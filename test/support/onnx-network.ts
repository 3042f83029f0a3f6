import { makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeModel, type Model } from '../../src/onnx/file/model.js';
import type { GraphProto, NodeProto, TensorProto, ValueInfo } from '../../src/onnx/file/proto.js';

/** A network of operator set 18. */
export function smallModel(graph: Pick<GraphProto, 'node' | 'initializer' | 'input' | 'output'>): Model {
  return makeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
    metadata_props: [],
    functions: [],
    graph: { name: 'test', value_info: [], ...graph },
  });
}

/** A network of these nodes with the output `y`. */
export function onnxNetwork(node: NodeProto[], initializer: TensorProto[], input: ValueInfo[]): Model {
  return smallModel({ node, initializer, input, output: [makeValueInfo('y', { type: 'float32' })] });
}
