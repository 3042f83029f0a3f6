import { ModelError } from '../../errors.js';
import { makeNode, type AttributeValue, type Dim, type Graph, type TensorType } from './graph.js';
import type { NodeProto, TensorProto } from '../file/proto.js';
import { isNumberType, makeTensor, tensorNumbers, type DataType, type NumberType } from '../file/tensor.js';

/** The name of a value in the graph. */
export type Value = string;

/**
 * Writes nodes behind those of a graph. Equal nodes are written once, so forward values, masks and shapes that several
 * rules need are shared. The types of the graph's own values are known; those of written values are not, and no rule
 * needs them, since a cotangent has the shape of its value.
 */
export class Builder {
  readonly graph: Graph;
  readonly nodes: NodeProto[] = [];
  readonly initializers: Map<string, TensorProto> = new Map<string, TensorProto>();
  readonly #written = new Map<string, Value[]>();
  readonly #extra = new Map<NodeProto, NodeProto>();
  #count = 0;

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** The graph's nodes, with the outputs that rules asked for, and then the written ones. */
  get all(): NodeProto[] {
    return [...this.graph.nodes.map((node) => this.#extra.get(node) ?? node), ...this.nodes];
  }

  /** Writes an operator with one output. */
  op(
    operator: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): Value {
    return this.ops(operator, inputs, attributes, 1)[0]!;
  }

  /** Writes an operator with several outputs. */
  ops(
    operator: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeValue>>,
    outputs: number,
  ): Value[] {
    const key = JSON.stringify([operator, inputs, attributes, outputs]);
    let values = this.#written.get(key);
    if (values === undefined) {
      values = Array.from({ length: outputs }, () => this.#fresh());
      this.nodes.push(makeNode(operator, inputs, values, attributes));
      this.#written.set(key, values);
    }
    return values;
  }

  /** Writes a copy of a node of the graph on other inputs. */
  copy(node: NodeProto, inputs: readonly (Value | undefined)[]): Value[] {
    const output = node.output.map((name) => (name === '' ? '' : this.#fresh()));
    this.nodes.push({ ...node, name: '', input: inputs.map((value) => value ?? ''), output });
    return output;
  }

  /** An optional output of a node of the graph, which is switched on where the model does not use it. */
  output(node: NodeProto, index: number): Value {
    const current = this.#extra.get(node) ?? node;
    const known = current.output[index];
    if (known !== undefined && known !== '') return known;
    const output = [...current.output];
    while (output.length <= index) output.push('');
    output[index] = this.#fresh();
    this.#extra.set(node, { ...current, output });
    return output[index];
  }

  /** Gives a value a name that a user sees. */
  rename(value: Value, name: string): void {
    this.nodes.push(makeNode('Identity', [value], [name]));
  }

  /** A constant vector of int64. */
  ints(values: readonly number[]): Value {
    return this.constant('int64', [values.length], values);
  }

  /** A constant scalar in the type of a value of the graph. */
  scalar(number: number, like: Value): Value {
    return this.constant(this.numberType(like), [], [number]);
  }

  /** The type of a value as one in which there are constants. @throws ModelError for another one. */
  numberType(like: Value): NumberType {
    const type = this.type(like);
    if (isNumberType(type)) return type;
    throw new ModelError(`"${like}" is ${type}, in which fastsde writes no derivatives.`, { value: like });
  }

  constant(type: NumberType, dims: readonly number[], values: readonly number[]): Value {
    const key = JSON.stringify([type, dims, values]);
    const known = this.#written.get(key);
    if (known !== undefined) return known[0]!;
    const name = this.#fresh();
    this.initializers.set(name, makeTensor(name, type, dims, values));
    this.#written.set(key, [name]);
    return name;
  }

  type(value: Value): DataType {
    return this.#type(value).type;
  }

  /** The dimensions of a value of the graph. @throws ModelError where the rank is unknown. */
  shape(value: Value): readonly Dim[] {
    const { shape } = this.#type(value);
    if (shape === undefined) {
      throw new ModelError(`ONNX Runtime finds no rank for "${value}", so it cannot be differentiated.`, {
        value,
      });
    }
    return shape;
  }

  rank(value: Value): number {
    return this.shape(value).length;
  }

  /** The sizes of a value where all are known. */
  sizes(value: Value): readonly number[] | undefined {
    const shape = this.shape(value);
    return shape.every((size) => typeof size === 'number') ? shape : undefined;
  }

  /** The numbers of a constant of the graph, or undefined where the value is computed. */
  numbers(value: Value | undefined): number[] | undefined {
    const tensor = this.graph.initializers.get(value ?? '') ?? this.initializers.get(value ?? '');
    return tensor === undefined ? undefined : tensorNumbers(tensor, this.graph.folder);
  }

  /** The shape of a value of the graph as an int64 vector. */
  shapeOf(value: Value): Value {
    const sizes = this.sizes(value);
    return sizes === undefined ? this.op('Shape', [value]) : this.ints(sizes);
  }

  /** One dimension of a value of the graph as an int64 vector of length 1. */
  size(value: Value, axis: number): Value {
    const size = this.shape(value).at(axis)!;
    if (typeof size === 'number') return this.ints([size]);
    const start = axis < 0 ? axis + this.rank(value) : axis;
    return this.op('Shape', [value], { start, end: start + 1 });
  }

  /** The number of elements along axes, as a scalar in the type of the value. */
  count(value: Value, axes: readonly number[]): Value {
    const sizes = axes.map((axis) => this.shape(value).at(axis)!);
    const fixed = sizes.reduce<number>(
      (product, size) => (typeof size === 'number' ? product * size : product),
      1,
    );
    const open = axes
      .filter((_, index) => typeof sizes[index] !== 'number')
      .map((axis) => this.size(value, axis));
    if (open.length === 0) return this.scalar(fixed, value);
    const product = open.reduce((left, right) => this.op('Mul', [left, right]), this.ints([fixed]));
    const scalar = this.op('Squeeze', [product, this.ints([0])]);
    return this.op('CastLike', [scalar, value]);
  }

  /** The value in the shape of `like`, which has as many elements. */
  reshapeLike(value: Value, like: Value): Value {
    const shape = this.shape(like);
    const open = shape.filter((size) => typeof size !== 'number').length;
    const fits = open <= 1 && !shape.includes(0);
    const target = fits
      ? this.ints(shape.map((size) => (typeof size === 'number' ? size : -1)))
      : this.shapeOf(like);
    return this.op('Reshape', [value, target]);
  }

  zeros(like: Value): Value {
    return this.op('Expand', [this.scalar(0, like), this.shapeOf(like)]);
  }

  add(values: readonly Value[]): Value {
    return values.length === 1 ? values[0]! : this.op(values.length === 2 ? 'Add' : 'Sum', values);
  }

  mul(left: Value, right: Value): Value {
    return this.op('Mul', left < right ? [left, right] : [right, left]);
  }

  sum(value: Value, axes: readonly number[], keepdims = true): Value {
    return this.op('ReduceSum', [value, this.ints(axes)], { keepdims: keepdims ? 1 : 0 });
  }

  mean(value: Value, axes: readonly number[]): Value {
    return this.op('ReduceMean', [value, this.ints(axes)]);
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return perm.every((axis, index) => axis === index) ? value : this.op('Transpose', [value], { perm });
  }

  reshape(value: Value, shape: readonly number[]): Value {
    return this.op('Reshape', [value, this.ints(shape)]);
  }

  #type(value: Value): TensorType {
    const type = this.graph.types.get(value);
    if (type === undefined) throw new ModelError(`ONNX Runtime finds no type for "${value}".`, { value });
    return type;
  }

  #fresh(): Value {
    for (;;) {
      const name = `autodiff.${this.#count++}`;
      if (!this.graph.types.has(name)) return name;
    }
  }
}
