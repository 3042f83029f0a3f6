import { OptionError } from '../errors.js';
import { checkChoice, checkKnown, isRecord } from '../options.js';
import {
  intAttribute,
  makeNode,
  makeValueInfo,
  operatorOf,
  type AttributeValue,
  type TensorType,
} from '../onnx/graph/graph.js';
import type { TensorInfo } from '../onnx/file/model.js';
import type { GraphProto, NodeProto, TensorProto, ValueInfo } from '../onnx/file/proto.js';
import { makeTensor } from '../onnx/file/tensor.js';

/** A scalar that training minimises, with the inputs that it adds to the model. */
export type Loss = MeanSquaredError | CrossEntropy | ScoreMatching | OwnLoss;

/** mean over samples of w_n mean over elements of (output - target)^2 */
export interface MeanSquaredError {
  readonly kind: 'mean-squared-error';
  /** Default: the model's first output. */
  readonly output?: string | undefined;
  /** Name of the new input in the shape of the output. Default "target". */
  readonly target?: string | undefined;
  /** Name of the new input w [N]; without it all samples count alike. */
  readonly weight?: string | undefined;
}

/** mean over samples of -w_n log p_n[label_n], for an output [N, K] of logits, or of probabilities that a Softmax made */
export interface CrossEntropy {
  readonly kind: 'cross-entropy';
  /** Default: the model's first output. */
  readonly output?: string | undefined;
  /** Name of the new int64 input [N], or of one that the model has. Default "labels". */
  readonly labels?: string | undefined;
  /** Name of the new input w [N]. */
  readonly weight?: string | undefined;
}

/**
 * mean over samples of w_n mean over elements of |s|^2 + 2 tr ds/dx for the score s = p x + q F: twice the objective of
 * Hyvärinen 2005. The new inputs p and q [N] are `score.state` and `score.output`.
 */
export interface ScoreMatching {
  readonly kind: 'score-matching';
  /** F. Default: the model's first output. */
  readonly output?: string | undefined;
  /** The input x. */
  readonly state: string;
  /** The output [N] that holds tr dF/dx, or an estimate. */
  readonly trace: string;
  /** Inputs v in the shape of x, by which |s|^2 is estimated as the mean of (v . s)^2. Default: |s|^2 itself. */
  readonly probes?: readonly string[] | undefined;
  /** Name of the new input w [N]. */
  readonly weight?: string | undefined;
}

/** A scalar output that the model computes itself. */
export interface OwnLoss {
  readonly kind: 'output';
  readonly output: string;
}

const lossOptions: Readonly<Record<Loss['kind'], readonly string[]>> = {
  'mean-squared-error': ['output', 'target', 'weight'],
  'cross-entropy': ['output', 'labels', 'weight'],
  'score-matching': ['output', 'state', 'trace', 'probes', 'weight'],
  output: ['output'],
};

/** @throws OptionError for a loss of another kind, and for entries that its kind does not have. */
export function checkLoss(loss: Loss): void {
  if (!isRecord(loss))
    throw new OptionError('loss', loss, 'an object such as { kind: "mean-squared-error" }');
  const kind = checkChoice('loss.kind', loss.kind, Object.keys(lossOptions) as Loss['kind'][]);
  checkKnown(loss, ['kind', ...lossOptions[kind]], 'loss');
}

/** The types of a graph's values by name. */
type Types = ReadonlyMap<string, TensorType>;

/**
 * The graph with the loss as a further output "loss" (a scalar) and, unless the model computes the loss itself, the
 * weighted loss of each sample as the output "losses" [N], whose mean it is.
 * @throws OptionError for an output that the graph does not have.
 */
export function appendLoss(graph: GraphProto, types: Types, loss: Loss): GraphProto {
  const tail = new Tail(graph, types);
  const output = tail.modelOutput('loss.output', loss.output);
  const scalar: TensorType = { type: output.type, shape: [] };
  if (loss.kind === 'output') {
    tail.emit('ReduceSum', [output.name], { keepdims: 0 }, 'loss');
    return tail.finish(new Map([['loss', scalar]]));
  }
  const values =
    loss.kind === 'cross-entropy'
      ? negativeLogLikelihood(tail, output, loss)
      : loss.kind === 'score-matching'
        ? implicitError(tail, output, loss)
        : squaredError(tail, output, loss);
  const rows: TensorType = { type: output.type, shape: [output.shape?.[0] ?? ''] };
  if (loss.weight === undefined) tail.emit('Identity', [values], {}, 'losses');
  else tail.emit('Mul', [values, tail.input(loss.weight, rows)], {}, 'losses');
  tail.emit('ReduceMean', ['losses'], { keepdims: 0 }, 'loss');
  return tail.finish(
    new Map([
      ['loss', scalar],
      ['losses', rows],
    ]),
  );
}

function squaredError(tail: Tail, output: TensorInfo, { target = 'target' }: MeanSquaredError): string {
  const difference = tail.emit('Sub', [output.name, tail.input(target, output)]);
  const rows = tail.emit('Flatten', [tail.emit('Mul', [difference, difference])], { axis: 1 });
  return tail.emit('ReduceMean', [rows, tail.axis(1)], { keepdims: 0 });
}

function implicitError(tail: Tail, output: TensorInfo, { state, trace, probes }: ScoreMatching): string {
  const rows: TensorType = { type: output.type, shape: [output.shape?.[0] ?? ''] };
  const [p, q] = ['score.state', 'score.output'].map((name) => tail.input(name, rows)) as [string, string];
  const scaled = (factor: string, value: string): string => {
    const column = tail.emit('Unsqueeze', [factor, tail.axis(1)]);
    return tail.emit('Mul', [column, tail.emit('Flatten', [value], { axis: 1 })]);
  };
  const score = tail.emit('Add', [scaled(p, state), scaled(q, output.name)]);
  const mean = (value: string): string => tail.emit('ReduceMean', [value, tail.axis(1)], { keepdims: 0 });
  const squares = probes?.map((probe) => {
    const product = tail.emit('Mul', [tail.emit('Flatten', [probe], { axis: 1 }), score]);
    const dot = tail.emit('ReduceSum', [product, tail.axis(1)], { keepdims: 0 });
    return tail.emit('Mul', [dot, dot]);
  });
  const elements = tail.elements(score);
  const square = squares
    ? tail.emit('Div', [tail.emit('Mean', squares), elements])
    : mean(tail.emit('Mul', [score, score]));
  const slope = tail.emit('Add', [p, tail.emit('Div', [tail.emit('Mul', [q, trace]), elements])]);
  return tail.emit('Add', [square, tail.emit('Add', [slope, slope])]);
}

function negativeLogLikelihood(tail: Tail, output: TensorInfo, { labels = 'labels' }: CrossEntropy): string {
  return tail.emit('Neg', [logProbability(tail, output, labels)]);
}

function logProbability(tail: Tail, output: TensorInfo, labels: string): string {
  const index = tail.input(labels, { type: 'int64', shape: [output.shape?.[0] ?? ''] });
  const logs = tail.logSoftmax(output.name);
  const columns = tail.emit('Unsqueeze', [index, tail.axis(1)]);
  return tail.emit('Squeeze', [tail.emit('GatherElements', [logs, columns], { axis: 1 }), tail.axis(1)]);
}

/** Operators that leave the probabilities of a Softmax what they are; a Clip of them only guards a logarithm. */
const REARRANGING: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Clip',
]);

/**
 * The graph with log p(label) of each sample, of logits or of the probabilities of a Softmax, as a further output
 * "log-probability" [N].
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
  return tail.finish(new Map([['log-probability', { type: logits.type, shape: [logits.shape?.[0] ?? ''] }]]));
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

  /**
   * log softmax of logits [N, K]. Of probabilities that a Softmax made it is their logarithm, by way of the logits: a second
   * softmax would flatten them, and their own logarithm would lose the small ones.
   */
  logSoftmax(output: string): string {
    const path: NodeProto[] = [];
    let node = this.#maker(output);
    while (node !== undefined && REARRANGING.has(operatorOf(node))) {
      path.unshift(node);
      node = this.#maker(node.input[0] ?? '');
    }
    if (node === undefined || operatorOf(node) !== 'Softmax' || !this.#isOverClasses(node))
      return this.emit('LogSoftmax', [output], { axis: 1 });
    let logs = this.emit('LogSoftmax', [node.input[0]!], { axis: intAttribute(node, 'axis', -1) });
    for (const each of path) {
      if (operatorOf(each) === 'Clip') continue;
      const name = `loss/${this.#nodes.length}`;
      this.#nodes.push({ ...each, name: name, input: [logs, ...each.input.slice(1)], output: [name] });
      logs = name;
    }
    return logs;
  }

  #maker(value: string): NodeProto | undefined {
    return this.#graph.node.find(({ output }) => output.includes(value));
  }

  /** Whether a Softmax normalises over all that it has of a sample. */
  #isOverClasses(node: NodeProto): boolean {
    const shape = this.#types.get(node.output[0] ?? '')?.shape;
    if (shape === undefined) return false;
    const axis = (intAttribute(node, 'axis', -1) + shape.length) % shape.length;
    return axis > 0 && shape.every((size, k) => k === 0 || k === axis || size === 1);
  }

  /** The number of elements of a sample, as a scalar in the type of the value [N, elements]. */
  elements(value: string): string {
    const size = this.emit('Squeeze', [this.emit('Shape', [value], { start: 1 })]);
    return this.emit('CastLike', [size, value]);
  }

  finish(outputs: ReadonlyMap<string, TensorType>): GraphProto {
    const { node, initializer, input, output } = this.#graph;
    return {
      ...this.#graph,
      node: [...node, ...this.#nodes],
      initializer: [...initializer, ...this.#constants.values()],
      input: [...input, ...this.#inputs],
      output: [...output, ...[...outputs].map(([name, type]) => makeValueInfo(name, type))],
    };
  }
}
