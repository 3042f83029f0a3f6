import { ModelError, OptionError } from '../errors.js';
import type { Model, TensorInfo } from '../onnx/file/model.js';
import type { Graph } from '../onnx/graph/graph.js';
import { prepare } from '../onnx/graph/prepare.js';
import { checkKnown } from '../options.js';
import { elementCount } from '../shape.js';
import { assemble } from './assemble.js';
import { Builder } from '../onnx/graph/builder.js';
import { appendLoss, checkLoss, type Loss } from './loss.js';
import { parameterNames, type ParameterSelection } from './parameters.js';
import { pullBack } from './reverse.js';

/** Options of {@link trainingGraph}. */
export interface TrainingOptions {
  /** What is minimised, in terms of outputs and inputs of the model. */
  readonly loss: Loss;
  /** Default "all". */
  readonly parameters?: ParameterSelection | undefined;
}

/** A trained tensor: an input of the graph under its own name, and the output that holds its gradient. */
export interface Parameter {
  /** Name of the tensor, and of the input that takes its value. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** The output that holds its gradient. */
  readonly gradient: string;
}

/** A graph that computes a loss and its gradients, made here or exported from elsewhere. */
export interface TrainingGraph {
  /** The graph. */
  readonly model: Model;
  /** The output that is minimised, a scalar. */
  readonly loss: string;
  /** What is trained. */
  readonly parameters: readonly Parameter[];
  /** The inputs that hold data rather than parameters. */
  readonly data: readonly TensorInfo[];
  /** Elements for one sample of all values on the way to the loss, about what a run holds for it; known of graphs made here. */
  readonly activations?: number;
}

/**
 * The model with a loss and the gradients of its parameters.
 *
 * Parameters become inputs of the graph under their own names, so that an optimizer updates its own arrays in place;
 * their initial values are those of the original ({@link parameterValues}). The gradient of `p` is the output `grad.p`,
 * the loss is the output `loss`, and the original's outputs stay.
 *
 * @throws OptionError for a selection that matches nothing or does not reach the loss; ModelError that lists every node
 *   without a derivative.
 */
export async function trainingGraph(model: Model, options: TrainingOptions): Promise<TrainingGraph> {
  return trainingGraphOf(model, options, 'standard');
}

/** Of operators of ONNX alone, or with faster ones of the addon's sessions on the CPU, for these and for no file. */
export type GraphForm = 'standard' | 'fused';

/** As {@link trainingGraph}, of either form. */
export async function trainingGraphOf(
  model: Model,
  options: TrainingOptions,
  form: GraphForm,
): Promise<TrainingGraph> {
  checkKnown(options, ['loss', 'parameters']);
  checkLoss(options.loss);
  const parameters = parameterNames(model, options.parameters ?? 'all');
  const graph = await prepare(model, {
    parameters,
    form,
    extend: (simple, types) => appendLoss(simple, types, options.loss),
  });
  const b = new Builder(graph);
  const gradients = pullBack(b, new Map([['loss', b.scalar(1, 'loss')]]), parameters);
  const idle = parameters.filter((name) => !gradients.has(name));
  if (idle.length > 0) {
    throw new OptionError('parameters', idle, 'tensors that the loss depends on');
  }
  const derived = assemble(model, b, {
    inputs: new Map(),
    outputs: new Map(
      parameters.map((name) => [
        `grad.${name}`,
        { value: gradients.get(name)!, type: graph.types.get(name)! },
      ]),
    ),
    description: { kind: 'train', of: 'loss', wrt: parameters, loss: options.loss },
  });
  return { ...readTrainingGraph(derived), activations: activationsOf(graph) };
}

function activationsOf({ nodes, types }: Graph): number {
  let sum = 0;
  for (const name of nodes.flatMap(({ output }) => output)) {
    const [rows, ...sizes] = types.get(name)?.shape ?? [];
    if (typeof rows === 'string' && sizes.every((size) => typeof size === 'number'))
      sum += elementCount(sizes);
  }
  return sum;
}

/**
 * Reads a training graph by its names, whoever made it: a scalar output `loss`, and for each trained input `p` an output
 * `grad.p` of the same shape. All other inputs are data.
 *
 * @throws ModelError where the names or shapes do not fit.
 */
export function readTrainingGraph(model: Model): TrainingGraph {
  const loss = model.outputs.find(({ name }) => name === 'loss');
  const gradients = model.outputs.filter(({ name }) => name.startsWith('grad.'));
  if (loss === undefined || gradients.length === 0) {
    throw new ModelError(
      'A training graph has an output "loss" and outputs "grad.<parameter>"; this model does not.',
    );
  }
  if (loss.shape?.some((size) => size !== 1)) {
    throw new ModelError(`The output "loss" must be a scalar; it has shape [${loss.shape.join(', ')}].`);
  }
  const parameters = gradients.map(({ name: gradient, shape, type }) => {
    const name = gradient.slice('grad.'.length);
    const input = model.inputs.find((each) => each.name === name);
    if (input === undefined)
      throw new ModelError(`The output "${gradient}" has no input "${name}" beside it.`);
    const sizes = input.shape?.filter((size) => typeof size === 'number');
    if (
      sizes === undefined ||
      sizes.length !== input.shape?.length ||
      input.type !== 'float32' ||
      type !== 'float32'
    ) {
      throw new ModelError(`The parameter "${name}" and its gradient must be float32 of a fixed shape.`);
    }
    if (shape !== undefined && shape.join() !== sizes.join()) {
      throw new ModelError(
        `"${gradient}" has shape [${shape.join(', ')}] and "${name}" [${sizes.join(', ')}].`,
      );
    }
    return { name, shape: sizes, gradient };
  });
  const trained = new Set(parameters.map(({ name }) => name));
  return { model, loss: 'loss', parameters, data: model.inputs.filter(({ name }) => !trained.has(name)) };
}
