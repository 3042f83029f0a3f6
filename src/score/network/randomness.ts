import type { Model } from '../../onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../onnx/file/proto.js';
import { tensorNumbers } from '../../onnx/file/tensor.js';
import { ancestors, describeNode, operatorOf } from '../../onnx/graph/graph.js';
import type { Finding } from './findings.js';

const RANDOM: ReadonlySet<string> = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
]);

/** A finding where a network draws random numbers on the way to its output, so that one seed gives different samples. */
export function findRandomness({ proto }: Model, output: string): Finding | undefined {
  const { graph, functions } = proto;
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  for (const node of everyNode(graph.node)) {
    const value = node.attribute.find(({ name }) => name === 'value')?.t;
    if (operatorOf(node) === 'Constant' && value) constants.set(node.output[0]!, value);
  }
  const nodes = [...ancestors(graph.node, [output]), ...functions.flatMap(({ node }) => node)];
  const found = [...everyNode(nodes)].find((node) => isRandom(node, constants));
  if (found === undefined) return undefined;
  return {
    cause: 'random',
    severity: 'error',
    message:
      `${describeNode(found)} draws random numbers inside the network, so that one seed gives different samples: export it in ` +
      'evaluation mode (model.eval(), and without training=TrainingMode.TRAINING).',
  };
}

function isRandom(node: NodeProto, constants: ReadonlyMap<string, TensorProto>): boolean {
  const operator = operatorOf(node);
  if (RANDOM.has(operator)) return true;
  if (operator !== 'Dropout') return false;
  const number = (input: string | undefined) => {
    const tensor = constants.get(input ?? '');
    return tensor && tensorNumbers(tensor)[0];
  };
  // A mode that is computed, or an input of the model, may be anything; a ratio of 0 drops nothing.
  return number(node.input[2]) === 1 && number(node.input[1]) !== 0;
}

function* everyNode(nodes: Iterable<NodeProto>): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const { g, graphs } of node.attribute)
      for (const graph of g ? [g] : graphs) yield* everyNode(graph.node);
  }
}
