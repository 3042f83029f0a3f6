import { ModelError, OptionError } from '../errors.js';
import { operatorOf } from '../onnx/graph/graph.js';
import { makeModel, type Model } from '../onnx/file/model.js';
import type { GraphProto, NodeProto, TensorProto } from '../onnx/file/proto.js';
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
  ['LayerNormalization', [1, 2]],
  ['GroupNormalization', [1, 2]],
  ['RMSNormalization', [1]],
  ['PRelu', [1]],
]);

/**
 * The names of a model's parameters.
 *
 * "all" takes the floating-point initializers that an operator uses as weights (of convolutions, matrix products and
 * normalisations), or whose name ends in weight or bias. Frequencies, filters of a fixed shape and other buffers that
 * reach a convolution need a selection by name.
 *
 * @throws OptionError where nothing is selected, or a name is not a floating-point initializer.
 */
export function parameterNames(model: Model, selection: ParameterSelection): string[] {
  const { graph } = model.proto;
  const floats = new Set(graph.initializer.filter(isTrainable).map(({ name }) => name ?? ''));
  let chosen: string[];
  if (selection === 'all') {
    const weights = new Set(
      graph.node.flatMap((node) =>
        (WEIGHT_INPUTS.get(operatorOf(node)) ?? []).map((index) => node.input[index] ?? ''),
      ),
    );
    for (const name of affineOfInstanceNorm(graph)) weights.add(name);
    chosen = [...floats].filter((name) => weights.has(name) || /(^|[._/])(weight|bias)$/.test(name));
  } else if (selection instanceof RegExp) {
    chosen = [...floats].filter((name) => name.search(selection) >= 0);
  } else {
    for (const name of selection) {
      if (!floats.has(name))
        throw new OptionError('parameters', name, 'the name of a floating-point initializer');
    }
    chosen = [...selection];
  }
  if (chosen.length === 0 && selection === 'all')
    throw new ModelError(
      'The model has no weights: none of its initializers is used by an operator as such.',
    );
  if (chosen.length === 0)
    throw new OptionError('parameters', selection, 'a selection that matches an initializer');
  return chosen;
}

/** Group normalisation is exported as InstanceNormalization, Reshape, Mul by the scale, Add of the bias. */
function affineOfInstanceNorm(graph: GraphProto): string[] {
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const name of node.input) {
      const known = readers.get(name);
      if (known === undefined) readers.set(name, [node]);
      else known.push(node);
    }
  }
  const follow = (names: readonly string[], operator: string): { node: NodeProto; other: string }[] =>
    names.flatMap((name) =>
      (readers.get(name) ?? [])
        .filter((node) => operatorOf(node) === operator)
        .map((node) => ({ node, other: node.input.find((each) => each !== name) ?? '' })),
    );
  const outputs = (found: readonly { node: NodeProto }[]): string[] =>
    found.map(({ node }) => node.output[0]!);
  const normal = graph.node
    .filter((node) => operatorOf(node) === 'InstanceNormalization')
    .map((node) => node.output[0]!);
  const scaled = follow(outputs(follow(normal, 'Reshape')), 'Mul');
  return [...scaled, ...follow(outputs(scaled), 'Add')].map(({ other }) => other);
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
