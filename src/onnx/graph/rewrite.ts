import { makeNode, operatorOf, type AttributeValue } from './graph.js';
import type { GraphProto, NodeProto, TensorProto } from '../file/proto.js';
import { makeTensor, type NumberType } from '../file/tensor.js';

/** Emits a node of the replacement; `output` where it computes the replaced node's own output, `more` for further ones. */
export interface Emit {
  (
    operator: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    output?: readonly string[],
    more?: readonly string[],
  ): string;
  ints(values: readonly number[]): string;
  float(value: number, type?: NumberType): string;
}

/** Replaces a node by what it emits; false leaves it as it is. */
export type Lowering = (node: NodeProto, emit: Emit) => boolean;

/** The graph with the nodes of some operators replaced. */
export function rewrite(graph: GraphProto, table: Readonly<Record<string, Lowering>>): GraphProto {
  const lowerings = new Map(Object.entries(table));
  const constants: TensorProto[] = [];
  const node = graph.node.flatMap((each) => {
    const lowering = lowerings.get(operatorOf(each));
    if (lowering === undefined) return [each];
    const nodes: NodeProto[] = [];
    const fresh = (kind: string): string =>
      `${each.output[0] ?? ''}/${kind}.${nodes.length + constants.length}`;
    const constant = (type: NumberType, dims: number[], values: readonly number[]): string => {
      const name = fresh('constant');
      constants.push(makeTensor(name, type, dims, values));
      return name;
    };
    const emit: Emit = Object.assign(
      (
        operator: string,
        inputs: readonly string[],
        attributes: Readonly<Record<string, AttributeValue>> = {},
        output: readonly string[] = [fresh(operator)],
        more: readonly string[] = [],
      ) => {
        nodes.push(makeNode(operator, inputs, [...output, ...more], attributes));
        return output[0]!;
      },
      {
        ints: (values: readonly number[]) => constant('int64', [values.length], values),
        float: (value: number, type: NumberType = 'float32') => constant(type, [], [value]),
      },
    );
    return !lowering(each, emit) ? [each] : nodes;
  });
  return { ...graph, node, initializer: [...graph.initializer, ...constants] };
}
