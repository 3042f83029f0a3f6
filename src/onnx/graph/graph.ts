import { ModelError } from '../../errors.js';
import type { AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfo } from '../file/proto.js';
import { DATA_TYPES, type DataType } from '../file/tensor.js';

/** A dimension: a size, or a symbol. Equal symbols are equal sizes. */
export type Dim = number | string;

/** The type of a value; the shape is absent where not even the rank is known. */
export interface TensorType {
  readonly type: DataType;
  readonly shape?: readonly Dim[];
}

/** A graph as data: nodes in execution order, constants by name, and the types of all values. */
export interface Graph {
  /** Version of the standard operator set. */
  readonly opset: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, TensorProto>;
  readonly nodes: readonly NodeProto[];
  readonly types: ReadonlyMap<string, TensorType>;
  /** Folder of external data. */
  readonly folder?: string;
}

/** The operator of a node, with its domain where that is not the standard one. */
export function operatorOf(node: NodeProto): string {
  const domain = node.domain ?? '';
  return domain === '' || domain === 'ai.onnx' ? (node.op_type ?? '') : `${domain}:${node.op_type ?? ''}`;
}

/** A node as an error names it. */
export function describeNode(node: NodeProto): string {
  const name =
    node.name === undefined || node.name === '' ? `of "${node.output[0] ?? ''}"` : `"${node.name}"`;
  return `${operatorOf(node)} ${name}`;
}

/** The values that a node reads, those captured by its subgraphs included. */
export function reads(node: NodeProto): string[] {
  const names = node.input.filter((name) => name !== '');
  for (const attribute of node.attribute) {
    for (const graph of attribute.g === undefined ? attribute.graphs : [attribute.g])
      names.push(...captures(graph));
  }
  return names;
}

function captures(graph: GraphProto): string[] {
  const own = new Set<string>();
  for (const { name } of [...graph.input, ...graph.initializer]) own.add(name ?? '');
  for (const node of graph.node) for (const name of node.output) own.add(name);
  const used = [...graph.node.flatMap(reads), ...graph.output.map(({ name }) => name ?? '')];
  return used.filter((name) => !own.has(name));
}

/**
 * The nodes of a graph in an order in which every value is computed before it is read.
 * @throws ModelError for a cycle, a value that nobody computes, and a value that is computed twice.
 */
export function sortNodes(graph: GraphProto): NodeProto[] {
  const ready = new Set(['']);
  for (const { name } of [...graph.input, ...graph.initializer]) ready.add(name ?? '');
  const producer = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name !== '' && (producer.has(name) || ready.has(name))) {
        throw new ModelError(`The value "${name}" is computed twice, by ${describeNode(node)}.`, {
          value: name,
        });
      }
      producer.set(name, node);
    }
  }
  const order: NodeProto[] = [];
  const open = new Set<NodeProto>();
  const done = new Set<NodeProto>();
  for (const root of graph.node) {
    // An explicit stack: a deep network must not exhaust the call stack.
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (done.has(node)) {
        stack.pop();
        continue;
      }
      open.add(node);
      const waiting: NodeProto[] = [];
      for (const name of reads(node)) {
        if (ready.has(name)) continue;
        const source = producer.get(name);
        if (source === undefined) {
          throw new ModelError(`${describeNode(node)} reads "${name}", which nobody computes.`, {
            value: name,
          });
        }
        if (open.has(source) && !done.has(source)) {
          throw new ModelError(`The graph has a cycle through ${describeNode(source)}.`, { value: name });
        }
        if (!done.has(source)) waiting.push(source);
      }
      if (waiting.length > 0) {
        for (const source of waiting.reverse()) stack.push(source);
        continue;
      }
      stack.pop();
      done.add(node);
      order.push(node);
    }
  }
  for (const { name } of graph.output) {
    if (!ready.has(name ?? '') && !producer.has(name ?? '')) {
      throw new ModelError(`The output "${name ?? ''}" is computed by no node.`, { value: name });
    }
  }
  return order;
}

/** The nodes that the given values depend on, in order. */
export function ancestors(nodes: readonly NodeProto[], values: Iterable<string>): NodeProto[] {
  const wanted = new Set(values);
  return nodes
    .toReversed()
    .filter((node) => {
      if (!node.output.some((name) => wanted.has(name))) return false;
      for (const name of reads(node)) wanted.add(name);
      return true;
    })
    .reverse();
}

function find(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/** An integer attribute, or its default. */
export function intAttribute(node: NodeProto, name: string, absent: number): number {
  const value = find(node, name)?.i;
  return value === undefined ? absent : Number(value);
}

/** A list of integers, or undefined. */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map(Number);
}

/** A float attribute, or its default. */
export function floatAttribute(node: NodeProto, name: string, absent: number): number {
  return find(node, name)?.f ?? absent;
}

/** A string attribute, or its default. */
export function stringAttribute(node: NodeProto, name: string, absent: string): string {
  const value = find(node, name)?.s;
  return value === undefined ? absent : Buffer.from(value).toString('utf8');
}

/** An attribute by value: integers, lists of integers and strings as they are, floats marked as such. */
export type AttributeValue = number | readonly number[] | string | { float: number };

const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

/** Makes an attribute. */
export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  const base: AttributeProto = { name, floats: [], ints: [], strings: [], graphs: [] };
  if (typeof value === 'number') return { ...base, type: INT, i: BigInt(value) };
  if (typeof value === 'string') return { ...base, type: STRING, s: Buffer.from(value, 'utf8') };
  if ('float' in value) return { ...base, type: FLOAT, f: value.float };
  return { ...base, type: INTS, ints: value.map(BigInt) };
}

/** Makes a node of an operator as {@link operatorOf} names it; undefined inputs are not given. */
export function makeNode(
  operator: string,
  input: readonly (string | undefined)[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeProto {
  const names = input.map((name) => name ?? '');
  while (names.at(-1) === '') names.pop();
  const [op_type, domain] = operator.split(':').reverse() as [string, string?];
  return {
    op_type,
    ...(domain === undefined ? {} : { domain }),
    input: names,
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => makeAttribute(name, value)),
  };
}

/** A graph input or output; without a type ONNX Runtime finds it. */
export function makeValueInfo(name: string, type?: TensorType): ValueInfo {
  if (type === undefined) return { name };
  const dim = type.shape?.map((size) =>
    typeof size === 'number' ? { dim_value: size } : size === '' ? {} : { dim_param: size },
  );
  const elem_type = DATA_TYPES[type.type];
  return { name, type: { tensor_type: dim === undefined ? { elem_type } : { elem_type, shape: { dim } } } };
}
