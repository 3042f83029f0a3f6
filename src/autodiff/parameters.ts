import { ModelError, OptionError } from '../errors.js';
import { ancestors, operatorOf, reads, sortNodes } from '../onnx/graph/graph.js';
import { makeModel, type Model } from '../onnx/file/model.js';
import type { GraphProto, TensorProto } from '../onnx/file/proto.js';
import { isList } from '../options.js';
import { elementCount } from '../shape.js';
import { dataTypeName, isFloat, makeTensor, tensorNumbers } from '../onnx/file/tensor.js';

/** Which initializers are trained: all that look like parameters, those whose name matches, or those named. */
export type ParameterSelection = 'all' | RegExp | readonly string[];

/** Where an operator takes its weights. */
const WEIGHT_INPUTS: ReadonlyMap<string, readonly number[]> = new Map([
  ['Conv', [1, 2]],
  ['ConvTranspose', [1, 2]],
  ['Gemm', [0, 1, 2]],
  ['MatMul', [0, 1]],
  ['BatchNormalization', [1, 2]],
  // Exports of group normalisation give it ones and zeros; the affine map comes after it.
  ['InstanceNormalization', []],
  ['LayerNormalization', [1, 2]],
  ['GroupNormalization', [1, 2]],
  ['RMSNormalization', [1]],
  ['PRelu', [1]],
]);

/** Where an operator that moves with the network takes a bias or a scale. */
const AFFINE: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul']);

/**
 * The names of a model's parameters.
 *
 * "all" takes the floating-point initializers that an operator uses as weights (of convolutions, matrix products and
 * normalisations), those that are added to or multiplied with what these make (biases and scales), and those whose name ends
 * in weight or bias. Filters of a fixed shape that reach a convolution need a selection by name; what "all" leaves out,
 * {@link untrainedNames} says.
 *
 * @throws OptionError where nothing is selected, or a name is not a floating-point initializer.
 */
export function parameterNames(model: Model, selection: ParameterSelection): string[] {
  const { graph } = model.proto;
  const floats = new Set(graph.initializer.filter(isTrainable).map(({ name }) => name ?? ''));
  if (selection === 'all') {
    const weights = weightNames(graph, floats);
    const chosen = [...floats].filter((name) => weights.has(name) || /(^|[._/])(weight|bias)$/.test(name));
    if (chosen.length > 0) return chosen;
    throw new ModelError(
      'The model has no weights: none of its initializers is used by an operator as such.',
    );
  }
  if (selection instanceof RegExp) {
    const chosen = [...floats].filter((name) => name.search(selection) >= 0);
    if (chosen.length > 0) return chosen;
    throw new OptionError('parameters', selection, 'a selection that matches an initializer');
  }
  if (!isList(selection) || selection.length === 0)
    throw new OptionError('parameters', selection, '"all", a regular expression, or names of initializers');
  for (const name of selection) {
    if (!floats.has(name))
      throw new OptionError('parameters', name, 'the name of a floating-point initializer');
  }
  return [...selection];
}

/** The floating-point initializers of more than one element that the outputs depend on, and that are not trained. */
export function untrainedNames({ proto: { graph } }: Model, trained: readonly string[]): string[] {
  const nodes = ancestors(
    graph.node,
    graph.output.map(({ name }) => name ?? ''),
  );
  const read = new Set(nodes.flatMap(reads));
  return graph.initializer.flatMap((tensor) => {
    const { name = '', dims } = tensor;
    const left = isTrainable(tensor) && elementCount(dims) > 1 && read.has(name) && !trained.includes(name);
    return left ? [name] : [];
  });
}

/** The initializers that the operators use as weights, biases and scales. */
function weightNames(graph: GraphProto, floats: ReadonlySet<string>): Set<string> {
  const sizes = new Map(graph.initializer.map(({ name, dims }) => [name ?? '', elementCount(dims)]));
  const chosen = new Set<string>();
  // Values that weights have made.
  const learned = new Set<string>();
  for (const node of sortNodes(graph)) {
    const operator = operatorOf(node);
    const places = WEIGHT_INPUTS.get(operator);
    const moves = node.input.some((name) => learned.has(name));
    const weights = places
      ? places.map((index) => node.input[index] ?? '')
      : moves && AFFINE.has(operator)
        ? node.input.filter((name) => operator !== 'Mul' || sizes.get(name)! > 1)
        : [];
    for (const name of weights) if (floats.has(name)) chosen.add(name);
    if (places || moves) for (const name of node.output) learned.add(name);
  }
  return chosen;
}

function isTrainable(tensor: TensorProto): boolean {
  const type = dataTypeName(tensor.data_type);
  return type !== undefined && isFloat(type) && tensor.dims.length > 0 && elementCount(tensor.dims) > 0;
}

/** The values of float32 initializers as arrays of their own, in the order of the names. */
export function parameterValues(model: Model, parameters: readonly string[]): Map<string, Float32Array> {
  const tensors = new Map(model.proto.graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  return new Map(
    parameters.map((name) => {
      const tensor = tensors.get(name);
      if (tensor === undefined)
        throw new ModelError(`The model has no initializer "${name}".`, { value: name });
      return [name, Float32Array.from(tensorNumbers(tensor, model.folder))];
    }),
  );
}

/** The model with new values of float32 initializers. */
export function withParameters(model: Model, values: ReadonlyMap<string, Float32Array>): Model {
  const { proto, folder } = model;
  const missing = new Set(values.keys());
  const initializer = proto.graph.initializer.map((tensor) => {
    const name = tensor.name ?? '';
    const value = values.get(name);
    if (value === undefined) return tensor;
    missing.delete(name);
    if (value.length !== elementCount(tensor.dims)) {
      throw new ModelError(`"${name}" has ${elementCount(tensor.dims)} elements, not ${value.length}.`, {
        value: name,
      });
    }
    return makeTensor(name, 'float32', tensor.dims, value);
  });
  if (missing.size > 0) throw new ModelError(`The model has no initializer ${[...missing].join(', ')}.`);
  return makeModel({ ...proto, graph: { ...proto.graph, initializer } }, folder);
}
