import { operatorOf, sortNodes } from '../../../src/onnx/graph/graph.js';
import type { Model } from '../../../src/onnx/file/model.js';
import { dataTypeName, isFloat, tensorNumbers } from '../../../src/onnx/file/tensor.js';
import { array, type NdArray } from './array.js';
import { fused } from './fused.js';
import type { Operator } from './operator.js';
import { pointwise } from './pointwise.js';
import { products } from './products.js';
import { reductions } from './reductions.js';
import { structure } from './structure.js';

const operators: Readonly<Record<string, Operator>> = {
  ...fused,
  ...pointwise,
  ...products,
  ...reductions,
  ...structure,
};

/**
 * The reference interpreter: a model in double precision, one plain loop per operator, to judge derivatives that
 * ONNX Runtime can only compute in single precision.
 */
export function evaluate(model: Model, feeds: Readonly<Record<string, NdArray>>): Map<string, NdArray> {
  const { graph } = model.proto;
  const values = new Map(Object.entries(feeds));
  for (const tensor of graph.initializer) {
    const integer = !isFloat(dataTypeName(tensor.data_type)!);
    values.set(tensor.name!, array(tensor.dims, tensorNumbers(tensor, model.folder), integer));
  }
  for (const node of sortNodes(graph)) {
    const operator = operators[operatorOf(node)];
    if (operator === undefined) throw new Error(`the reference has no ${operatorOf(node)}`);
    const inputs = node.input.map((name) => values.get(name)!);
    const results = [operator(inputs, node)].flat();
    node.output.forEach((name, index) => name !== '' && values.set(name, results[index]!));
  }
  return values;
}
