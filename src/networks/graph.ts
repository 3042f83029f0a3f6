import { makeNode, makeValueInfo, type AttributeValue } from '../onnx/graph/graph.js';
import type { GraphProto, NodeProto, TensorProto, ValueInfo } from '../onnx/file/proto.js';
import { makeTensor, type DataType } from '../onnx/file/tensor.js';
import { elementCount } from '../shape.js';
import { uniformWeights } from './initialization.js';

/** A value of the graph. All values but constants have the batch as their first axis, which the shape leaves out. */
export interface Activation {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The name of the batch axis in inputs and outputs. */
const BATCH = 'N';

/** Writes the graph of a network: inputs, weights, nodes and outputs, in order. */
export class NetworkGraph {
  readonly #seed: bigint;
  readonly #nodes: NodeProto[] = [];
  readonly #tensors = new Map<string, TensorProto>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  #weights = 0;
  #part = '';

  /** @param seed unsigned 64-bit seed of the initial weights */
  constructor(seed: bigint) {
    this.#seed = seed;
  }

  /** An input [N, ...shape]. */
  input(name: string, shape: readonly number[], type: DataType = 'float32'): Activation {
    this.#inputs.push(makeValueInfo(name, { type, shape: [BATCH, ...shape] }));
    return { name, shape };
  }

  /** Shows a value as the output of this name. */
  output(value: Activation, name: string): void {
    this.#nodes.push(makeNode('Identity', [value.name], [name]));
    this.#outputs.push(makeValueInfo(name, { type: 'float32', shape: [BATCH, ...value.shape] }));
  }

  /** A node with one output of the given shape. Operands are values, or names of constants and weights. */
  op(
    operator: string,
    operands: readonly (Activation | string)[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): Activation {
    const name = `${operator}.${this.#nodes.length}`;
    const names = operands.map((operand) => (typeof operand === 'string' ? operand : operand.name));
    this.#nodes.push(makeNode(operator, names, [name], attributes));
    return { name, shape };
  }

  /** Splits axis 1 into parts of these sizes. */
  split(value: Activation, sizes: readonly number[]): Activation[] {
    const names = sizes.map((_, part) => `Split.${this.#nodes.length}.${part}`);
    this.#nodes.push(makeNode('Split', [value.name, this.ints(sizes)], names, { axis: 1 }));
    return names.map((name, part) => ({ name, shape: [sizes[part]!, ...value.shape.slice(1)] }));
  }

  /** The same elements in another shape. */
  reshape(value: Activation, shape: readonly number[]): Activation {
    return this.op('Reshape', [value, this.ints([-1, ...shape])], shape);
  }

  /** Sum, difference, product or quotient; a number stands for itself, and one operand may be broadcast. */
  arithmetic(
    operator: 'Add' | 'Sub' | 'Mul' | 'Div',
    left: Activation | number,
    right: Activation | number,
  ): Activation {
    const [a, b] = [left, right].map((each) => (typeof each === 'number' ? undefined : each));
    const shape = elementCount(a?.shape ?? []) >= elementCount(b?.shape ?? []) ? a?.shape : b?.shape;
    const operand = (each: Activation | number): Activation | string =>
      typeof each === 'number' ? this.scalar(each) : each;
    return this.op(operator, [operand(left), operand(right)], shape ?? []);
  }

  /** What `build` adds is a part of its own: the names of its weights begin with the part's. */
  within<T>(part: string, build: () => T): T {
    const whole = this.#part;
    this.#part = `${whole}${part}.`;
    const built = build();
    this.#part = whole;
    return built;
  }

  /** A trained tensor, uniform in (-1, 1) / sqrt(fan), or the same number everywhere. */
  weight(name: string, dims: readonly number[], initial: { fan: number } | number): string {
    const count = elementCount(dims);
    const values =
      typeof initial === 'number'
        ? new Float32Array(count).fill(initial)
        : uniformWeights(count, initial.fan, { seed: this.#seed, tensor: this.#weights });
    this.#weights++;
    return this.#tensor(makeTensor(`${this.#part}${name}`, 'float32', dims, values));
  }

  /** A constant vector that is not trained. */
  constant(name: string, values: readonly number[]): string {
    return this.#tensor(makeTensor(name, 'float32', [values.length], values));
  }

  scalar(value: number): string {
    return this.#tensor(makeTensor(`number(${value})`, 'float32', [], [value]));
  }

  ints(values: readonly number[]): string {
    return this.#tensor(makeTensor(`ints(${values.join()})`, 'int64', [values.length], values));
  }

  finish(name: string): GraphProto {
    return {
      name,
      node: this.#nodes,
      initializer: [...this.#tensors.values()],
      input: this.#inputs,
      output: this.#outputs,
      value_info: [],
    };
  }

  #tensor(tensor: TensorProto): string {
    this.#tensors.set(tensor.name!, tensor);
    return tensor.name!;
  }
}
