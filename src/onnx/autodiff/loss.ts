import { OptionError } from '../../errors.js';
import { makeNode, makeValueInfo, type AttributeValue, type TensorType } from '../graph.js';
import type { TensorInfo } from '../model.js';
import type { GraphProto, NodeProto, TensorProto, ValueInfo } from '../proto.js';
import { makeTensor } from '../tensor.js';

/** A scalar that training minimises, with the inputs that it adds to the model. */
export type Loss = MeanSquaredError | CrossEntropy | OwnLoss;

/** mean over samples of w_n mean over elements of (output - target)^2 */
export interface MeanSquaredError {
  kind: 'mean-squared-error';
  /** Default: the model's first output. */
  output?: string;
  /** Name of the new input in the shape of the output. Default "target". */
  target?: string;
  /** Name of the new input w [N]; without it all samples count alike. */
  weight?: string;
}

/** mean over samples of -w_n log softmax(output)_n[label_n], for logits [N, K] */
export interface CrossEntropy {
  kind: 'cross-entropy';
  /** Default: the model's first output. */
  output?: string;
  /** Name of the new int64 input [N], or of one that the model has. Default "labels". */
  labels?: string;
  /** Name of the new input w [N]. */
  weight?: string;
}

/** A scalar output that the model computes itself. */
export interface OwnLoss {
  kind: 'output';
  output: string;
}

/** The types of a graph's values by name. */
type Types = ReadonlyMap<string, TensorType>;

/**
 * The graph with the loss as a further output "loss" (a scalar).
 * @throws OptionError for an output that the graph does not have.
 */
export function appendLoss(graph: GraphProto, types: Types, loss: Loss): GraphProto {
  const tail = new Tail(graph, types);
  const output = tail.modelOutput('loss.output', loss.output);
  if (loss.kind === 'output') {
    tail.emit('ReduceSum', [output.name], { keepdims: 0 }, 'loss');
    return tail.finish('loss', { type: output.type, shape: [] });
  }
  const value =
    loss.kind === 'cross-entropy'
      ? negativeLogLikelihood(tail, output, loss)
      : squaredError(tail, output, loss);
  const batch = output.shape?.[0] ?? '';
  const weighted =
    loss.weight === undefined
      ? value
      : tail.emit('Mul', [value, tail.input(loss.weight, { type: output.type, shape: [batch] })]);
  tail.emit('ReduceMean', [weighted], { keepdims: 0 }, 'loss');
  return tail.finish('loss', { type: output.type, shape: [] });
}

function squaredError(tail: Tail, output: TensorInfo, { target = 'target' }: MeanSquaredError): string {
  const difference = tail.emit('Sub', [output.name, tail.input(target, output)]);
  const rows = tail.emit('Flatten', [tail.emit('Mul', [difference, difference])], { axis: 1 });
  return tail.emit('ReduceMean', [rows, tail.axis(1)], { keepdims: 0 });
}

function negativeLogLikelihood(tail: Tail, output: TensorInfo, { labels = 'labels' }: CrossEntropy): string {
  return tail.emit('Neg', [logProbability(tail, output, labels)]);
}

function logProbability(tail: Tail, logits: TensorInfo, labels: string): string {
  const index = tail.input(labels, { type: 'int64', shape: [logits.shape?.[0] ?? ''] });
  const logs = tail.emit('LogSoftmax', [logits.name], { axis: 1 });
  const columns = tail.emit('Unsqueeze', [index, tail.axis(1)]);
  return tail.emit('Squeeze', [tail.emit('GatherElements', [logs, columns], { axis: 1 }), tail.axis(1)]);
}

/**
 * The graph with log softmax(logits)[label] of each sample as a further output "log-probability" [N].
 * @throws OptionError for an output that the graph does not have.
 */
export function appendLogProbability(
  graph: GraphProto,
  types: Types,
  of: string | undefined,
  labels: string,
): GraphProto {
  const tail = new Tail(graph, types);
  const logits = tail.modelOutput('of', of);
  tail.emit('Identity', [logProbability(tail, logits, labels)], {}, 'log-probability');
  return tail.finish('log-probability', { type: logits.type, shape: [logits.shape?.[0] ?? ''] });
}

/** Nodes appended to a graph. */
class Tail {
  readonly #graph: GraphProto;
  readonly #types: Types;
  readonly #nodes: NodeProto[] = [];
  readonly #constants = new Map<string, TensorProto>();
  readonly #inputs: ValueInfo[] = [];

  constructor(graph: GraphProto, types: Types) {
    this.#graph = graph;
    this.#types = types;
  }

  modelOutput(option: string, name: string | undefined): TensorInfo {
    const known = this.#graph.output.map((each) => each.name ?? '');
    const found = name ?? known[0] ?? '';
    const type = this.#types.get(found);
    if (!known.includes(found) || type === undefined) {
      throw new OptionError(option, name, `one of the outputs ${known.join(', ')}`);
    }
    return { name: found, ...type };
  }

  input(name: string, type: TensorType): string {
    if (!this.#graph.input.some((each) => each.name === name)) this.#inputs.push(makeValueInfo(name, type));
    return name;
  }

  axis(axis: number): string {
    const name = `loss/axis.${axis}`;
    this.#constants.set(name, makeTensor(name, 'int64', [1], [axis]));
    return name;
  }

  emit(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = `loss/${this.#nodes.length}`,
  ): string {
    this.#nodes.push(makeNode(operator, inputs, [output], attributes));
    return output;
  }

  finish(output: string, type: TensorType): GraphProto {
    const { node, initializer, input, output: outputs } = this.#graph;
    return {
      ...this.#graph,
      node: [...node, ...this.#nodes],
      initializer: [...initializer, ...this.#constants.values()],
      input: [...input, ...this.#inputs],
      output: [...outputs, makeValueInfo(output, type)],
    };
  }
}
