import {
  floatAttribute,
  intAttribute,
  makeNode,
  operatorOf,
  type AttributeValue,
  type TensorType,
} from './graph.js';
import type { GraphProto, NodeProto, TensorProto } from '../file/proto.js';
import { elementCount } from '../../shape.js';
import { makeTensor, tensorNumbers } from '../file/tensor.js';

/**
 * Normalisations in terms of the one whose kernel also returns what a gradient needs: LayerNormalization with scale 1
 * gives the normalised values and the inverse standard deviation, so neither is computed again.
 * @param types what is known of the graph's values
 */
export function lowerNormalizations(graph: GraphProto, types: ReadonlyMap<string, TensorType>): GraphProto {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const everywhere = (name: string | undefined, value: number): boolean => {
    const tensor = tensors.get(name ?? '');
    // A longer vector is a weight.
    if (tensor === undefined || tensor.data_type !== 1 || (tensor.dims[0] ?? 1) > 4096) return false;
    return tensor.dims.length < 2 && tensorNumbers(tensor).every((each) => each === value);
  };
  return rewrite(graph, {
    InstanceNormalization: (node, emit) => {
      const [x, scale, bias] = node.input as [string, string, string];
      const sizes = types.get(x)?.shape?.slice(2);
      const fixed = sizes?.every((size) => typeof size === 'number');
      const length = fixed ? elementCount(sizes) : -1;
      const rows = emit('Reshape', [x, emit.ints([0, 0, length])]);
      const normal = normalize(emit, rows, -1, node);
      const column = (vector: string): string => emit('Reshape', [vector, emit.ints([-1, 1])]);
      const scaled = everywhere(scale, 1) ? normal : emit('Mul', [normal, column(scale)]);
      const shifted = everywhere(bias, 0) ? scaled : emit('Add', [scaled, column(bias)]);
      emit('Reshape', [shifted, emit('Shape', [x])], {}, node.output);
      return true;
    },
    LayerNormalization: (node, emit) => {
      const [x, scale, bias] = node.input as [string, string, string?];
      if (bias === undefined && everywhere(scale, 1)) return false;
      // The statistics, where somebody reads them, stay those of the normalised values.
      const normal = normalize(emit, x, intAttribute(node, 'axis', -1), node, node.output.slice(1));
      const scaled = emit(
        'Mul',
        [normal, scale],
        {},
        bias === undefined ? node.output.slice(0, 1) : undefined,
      );
      if (bias !== undefined) emit('Add', [scaled, bias], {}, node.output.slice(0, 1));
      return true;
    },
  });
}

/**
 * Layer normalisations with the scale 1 as long as their rows: ONNX Runtime's kernel is four times as fast as with a scalar.
 * The runtime folds the Expand into a constant.
 */
export function spreadScales(
  nodes: readonly NodeProto[],
  types: ReadonlyMap<string, TensorType>,
  constants: ReadonlyMap<string, TensorProto>,
): { nodes: NodeProto[]; lengths: TensorProto[] } {
  const spread = new Map<string, NodeProto>();
  const lengths = new Map<string, TensorProto>();
  const widened = nodes.map((node) => {
    const [x = '', scale = ''] = node.input;
    const length = types.get(x)?.shape?.at(-1);
    if (
      operatorOf(node) !== 'LayerNormalization' ||
      intAttribute(node, 'axis', -1) !== -1 ||
      constants.get(scale)?.dims.length !== 0 ||
      typeof length !== 'number'
    ) {
      return node;
    }
    const [size, name] = [`${scale}/length.${length}`, `${scale}/spread.${length}`];
    lengths.set(size, makeTensor(size, 'int64', [1], [length]));
    spread.set(name, makeNode('Expand', [scale, size], [name]));
    return { ...node, input: [x, name, ...node.input.slice(2)] };
  });
  return { nodes: [...spread.values(), ...widened], lengths: [...lengths.values()] };
}

/** (x - mean) / sqrt(var + epsilon) over the axes from `axis`, with the names of the statistics that are read. */
function normalize(
  emit: Emit,
  x: string,
  axis: number,
  node: NodeProto,
  statistics: readonly string[] = [],
): string {
  const epsilon = { float: floatAttribute(node, 'epsilon', 1e-5) };
  return emit('LayerNormalization', [x, emit.float(1)], { axis, epsilon }, undefined, statistics);
}

/** Operators that ONNX Runtime has no kernel for and would expand into many small ones. */
export function lowerFunctions(graph: GraphProto, opset: number): GraphProto {
  return rewrite(graph, {
    GroupNormalization: (node, emit) => {
      const [x, scale, bias] = node.input as [string, string, string];
      const groups = intAttribute(node, 'num_groups', 1);
      const rows = emit('Reshape', [x, emit.ints([0, groups, -1])]);
      const normal = normalize(emit, rows, -1, node);
      // Scale and bias are per channel since operator set 21, per group before.
      const channels = [emit.ints([0]), emit('Shape', [scale]), emit.ints([-1])];
      const columns = opset < 21 ? normal : emit('Reshape', [normal, emit('Concat', channels, { axis: 0 })]);
      const column = emit.ints([-1, 1]);
      const scaled = emit('Mul', [columns, emit('Reshape', [scale, column])]);
      const shifted = emit('Add', [scaled, emit('Reshape', [bias, column])]);
      emit('Reshape', [shifted, emit('Shape', [x])], {}, node.output);
      return true;
    },
    RMSNormalization: (node, emit) => {
      const [x, scale] = node.input as [string, string];
      const axis = intAttribute(node, 'axis', -1);
      // Counted from the front, the axes depend on a rank that is not known yet.
      if (axis >= 0) return false;
      const axes = Array.from({ length: -axis }, (_, index) => axis + index);
      const square = emit('ReduceMean', [emit('Mul', [x, x]), emit.ints(axes)]);
      const epsilon = emit('CastLike', [emit.float(floatAttribute(node, 'epsilon', 1e-5)), x]);
      const inverse = emit('Reciprocal', [emit('Sqrt', [emit('Add', [square, epsilon])])]);
      emit('Mul', [emit('Mul', [x, inverse]), scale], {}, node.output);
      return true;
    },
  });
}

/** Emits a node of the replacement; `output` where it computes the replaced node's own output, `more` for further ones. */
interface Emit {
  (
    operator: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    output?: readonly string[],
    more?: readonly string[],
  ): string;
  ints(values: readonly number[]): string;
  float(value: number): string;
}

/** Replaces a node by what it emits; false leaves it as it is. */
type Lowering = (node: NodeProto, emit: Emit) => boolean;

function rewrite(graph: GraphProto, table: Readonly<Record<string, Lowering>>): GraphProto {
  const lowerings = new Map(Object.entries(table));
  const constants: TensorProto[] = [];
  const node = graph.node.flatMap((each) => {
    const lowering = lowerings.get(operatorOf(each));
    if (lowering === undefined) return [each];
    const nodes: NodeProto[] = [];
    const fresh = (kind: string): string =>
      `${each.output[0] ?? ''}/${kind}.${nodes.length + constants.length}`;
    const constant = (type: 'int64' | 'float32', dims: number[], values: readonly number[]): string => {
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
        float: (value: number) => constant('float32', [], [value]),
      },
    );
    return !lowering(each, emit) ? [each] : nodes;
  });
  return { ...graph, node, initializer: [...graph.initializer, ...constants] };
}
