import { floatAttribute, intAttribute, makeNode, operatorOf, type TensorType } from './graph.js';
import type { GraphProto, NodeProto, TensorProto } from '../file/proto.js';
import { elementCount } from '../../shape.js';
import { DATA_TYPES, makeTensor, tensorNumbers } from '../file/tensor.js';
import { lowerAttention, lowerRotary } from './lower-attention.js';
import { rewrite, type Emit } from './rewrite.js';

/**
 * Operators of networks in terms of fewer ones. Normalisations become the one whose kernel also returns what a gradient needs:
 * LayerNormalization with scale 1 gives the normalised values and the inverse standard deviation, so neither is computed again.
 * Of values in half precision they are taken in single precision, as their sums of squares leave the range of half precision.
 * @param types what is known of the graph's values
 */
export function lowerOperators(graph: GraphProto, types: ReadonlyMap<string, TensorType>): GraphProto {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const everywhere = (name: string | undefined, value: number): boolean => {
    const tensor = tensors.get(name ?? '');
    // A longer vector is a weight.
    if (tensor === undefined || !isReadable(tensor) || (tensor.dims[0] ?? 1) > 4096) return false;
    return tensor.dims.length < 2 && tensorNumbers(tensor).every((each) => each === value);
  };
  return rewrite(graph, {
    InstanceNormalization: (node, emit) => {
      const { type, up, finish } = precision(node, types, emit);
      const [x, scale, bias] = node.input as [string, string, string];
      const sizes = types.get(x)?.shape?.slice(2);
      const fixed = sizes?.every((size) => typeof size === 'number');
      const length = fixed ? elementCount(sizes) : -1;
      const rows = emit('Reshape', [up(x), emit.ints([0, 0, length])]);
      const normal = normalize(emit, type, rows, -1, node);
      const column = (vector: string): string => emit('Reshape', [up(vector), emit.ints([-1, 1])]);
      const scaled = everywhere(scale, 1) ? normal : emit('Mul', [normal, column(scale)]);
      const shifted = everywhere(bias, 0) ? scaled : emit('Add', [scaled, column(bias)]);
      finish('Reshape', [shifted, emit('Shape', [x])]);
      return true;
    },
    LayerNormalization: (node, emit) => {
      const { half, type, up, finish } = precision(node, types, emit);
      const [x, scale, bias] = node.input as [string, string, string?];
      if (bias === undefined && everywhere(scale, 1) && !half) return false;
      // The statistics, where somebody reads them, stay those of the normalised values.
      const normal = normalize(emit, type, up(x), intAttribute(node, 'axis', -1), node, node.output.slice(1));
      const factors = [normal, up(scale)];
      if (bias === undefined) finish('Mul', factors);
      else finish('Add', [emit('Mul', factors), up(bias)]);
      return true;
    },
    RMSNormalization: (node, emit) => {
      const { type, up, finish } = precision(node, types, emit);
      const [x, scale] = node.input as [string, string];
      const rank = types.get(x)?.shape?.length;
      if (rank === undefined) return false;
      const axis = intAttribute(node, 'axis', -1);
      const start = axis < 0 ? axis + rank : axis;
      const axes = Array.from({ length: rank - start }, (_, index) => start + index);
      const value = up(x);
      const square = emit('ReduceMean', [emit('Mul', [value, value]), emit.ints(axes)]);
      const epsilon = emit.float(floatAttribute(node, 'epsilon', 1e-5), type);
      const inverse = emit('Reciprocal', [emit('Sqrt', [emit('Add', [square, epsilon])])]);
      finish('Mul', [emit('Mul', [value, inverse]), up(scale)]);
      return true;
    },
    Attention: (node, emit) => lowerAttention(node, emit, types),
    RotaryEmbedding: (node, emit) => lowerRotary(node, emit, types),
  });
}

function isReadable({ data_type }: TensorProto): boolean {
  const { float32, float64, float16 } = DATA_TYPES;
  return data_type === float32 || data_type === float64 || data_type === float16;
}

/** In which precision a node is computed, half precision in single: what comes in, and the operator that makes the result. */
interface Precision {
  readonly half: boolean;
  readonly type: 'float32' | 'float64';
  readonly up: (value: string) => string;
  readonly finish: (operator: string, inputs: readonly string[]) => void;
}

function precision(node: NodeProto, types: ReadonlyMap<string, TensorType>, emit: Emit): Precision {
  const type = types.get(node.input[0]!)?.type;
  const half = type === 'float16';
  const output = node.output.slice(0, 1);
  return {
    half,
    type: type === 'float64' ? type : 'float32',
    up: (value) => (half ? emit('Cast', [value], { to: DATA_TYPES.float32 }) : value),
    finish: (operator, inputs) => {
      if (!half) emit(operator, inputs, {}, output);
      else emit('Cast', [emit(operator, inputs)], { to: DATA_TYPES.float16 }, output);
    },
  };
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
  type: 'float32' | 'float64',
  x: string,
  axis: number,
  node: NodeProto,
  statistics: readonly string[] = [],
): string {
  const epsilon = { float: floatAttribute(node, 'epsilon', 1e-5) };
  if (type === 'float64' && axis === -1 && !statistics.some((name) => name !== '')) {
    // In double precision the kernel's statistics are single.
    const last = emit.ints([-1]);
    const centred = emit('Sub', [x, emit('ReduceMean', [x, last])]);
    const variance = emit('ReduceMean', [emit('Mul', [centred, centred]), last]);
    return emit('Div', [centred, emit('Sqrt', [emit('Add', [variance, emit.float(epsilon.float, type)])])]);
  }
  return emit('LayerNormalization', [x, emit.float(1, type)], { axis, epsilon }, undefined, statistics);
}

/** Group normalisation, which ONNX Runtime has no kernel for and would expand into many small operators. */
export function lowerFunctions(graph: GraphProto, opset: number): GraphProto {
  return rewrite(graph, {
    GroupNormalization: (node, emit) => {
      const [x, scale, bias] = node.input as [string, string, string];
      const groups = intAttribute(node, 'num_groups', 1);
      const rows = emit('Reshape', [x, emit.ints([0, groups, -1])]);
      const everywhere = (value: number): string =>
        emit('Expand', [emit('CastLike', [emit.float(value), x]), emit.ints([groups])]);
      const epsilon = { float: floatAttribute(node, 'epsilon', 1e-5) };
      const normal = emit('InstanceNormalization', [rows, everywhere(1), everywhere(0)], { epsilon });
      // Scale and bias are per channel since operator set 21, per group before.
      const channels = [emit.ints([0]), emit('Shape', [scale]), emit.ints([-1])];
      const columns = opset < 21 ? normal : emit('Reshape', [normal, emit('Concat', channels, { axis: 0 })]);
      const column = emit.ints([-1, 1]);
      const scaled = emit('Mul', [columns, emit('Reshape', [scale, column])]);
      const shifted = emit('Add', [scaled, emit('Reshape', [bias, column])]);
      emit('Reshape', [shifted, emit('Shape', [x])], {}, node.output);
      return true;
    },
  });
}
