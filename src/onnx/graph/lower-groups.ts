import { floatAttribute, makeNode, operatorOf, type AttributeValue, type TensorType } from './graph.js';
import type { GraphProto, NodeProto, TensorProto } from '../file/proto.js';
import { makeTensor, tensorNumbers } from '../file/tensor.js';
import { elementCount } from '../../shape.js';

/** A group normalisation with its gain and offset, as it is exported: as rows, normalised, as an image, times, plus. */
interface GroupNormalization {
  /** [N, C, ...] */
  readonly x: string;
  readonly channels: number;
  readonly groups: number;
  /** Elements of a channel. */
  readonly positions: number;
  /** Spatial axes of x. */
  readonly axes: readonly number[];
  readonly epsilon: number;
  /** One number per channel, or per sample and channel: [C, 1, ...] or [N, C, 1, ...]. */
  readonly gain: string;
  readonly offset: string;
  /** The nodes; the last one computes the result. */
  readonly nodes: readonly NodeProto[];
}

/**
 * Group normalisations as y = P (x - o) + Q with a factor and an offset per sample and channel, which follow from the means
 * of x and (x - o)^2 in every channel. Forward and in its gradient this passes over memory half as often as normalised
 * values that are then scaled. The origin o is the mean of the group rounded to a multiple of sqrt(epsilon), so that
 * variance = E[(x - o)^2] - E[x - o]^2 loses no digits.
 */
export function lowerGroupNormalizations(
  graph: GraphProto,
  types: ReadonlyMap<string, TensorType>,
): GraphProto {
  const match = matcher(graph, types);
  const constants = new Map<string, TensorProto>();
  const replaced = new Map<NodeProto, NodeProto[]>();
  for (const node of graph.node) {
    const found = match(node);
    if (found === undefined) continue;
    for (const each of found.nodes) replaced.set(each, []);
    replaced.set(found.nodes.at(-1)!, write(found, constants));
  }
  return {
    ...graph,
    node: graph.node.flatMap((node) => replaced.get(node) ?? [node]),
    initializer: [...graph.initializer, ...constants.values()],
  };
}

/** Finds the group normalisation that an InstanceNormalization of the graph is the heart of. */
function matcher(
  graph: GraphProto,
  types: ReadonlyMap<string, TensorType>,
): (node: NodeProto) => GroupNormalization | undefined {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node])));
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const shown = new Set(graph.output.map(({ name }) => name ?? ''));
  const consumers = new Map<string, NodeProto[]>();
  for (const node of graph.node)
    for (const name of node.input) consumers.set(name, [...(consumers.get(name) ?? []), node]);
  const only = (value: string, operator: string): NodeProto | undefined => {
    const [node, ...others] = consumers.get(value) ?? [];
    const single = node !== undefined && others.length === 0 && !shown.has(value);
    return single && operatorOf(node) === operator ? node : undefined;
  };
  const everywhere = (name: string, value: number): boolean => {
    const tensor = constants.get(name);
    return tensor !== undefined && tensorNumbers(tensor).every((each) => each === value);
  };
  const shapeOf = (name: string): string => types.get(name)?.shape?.join() ?? name;

  return (node) => {
    if (operatorOf(node) !== 'InstanceNormalization') return undefined;
    const [rows, ones, zeros] = node.input as [string, string, string];
    const x = producers.get(rows)?.input[0];
    const [batch, channels, ...size] = (x === undefined ? undefined : types.get(x)?.shape) ?? [];
    const groups = types.get(rows)?.shape?.[1];
    if (x === undefined || batch === undefined || types.get(x)?.type !== 'float32') return undefined;
    if (operatorOf(producers.get(rows)!) !== 'Reshape' || types.get(rows)?.shape?.length !== 3)
      return undefined;
    if (typeof channels !== 'number' || typeof groups !== 'number' || channels % groups !== 0)
      return undefined;
    if (size.length === 0 || !size.every((each) => typeof each === 'number')) return undefined;
    const epsilon = floatAttribute(node, 'epsilon', 1e-5);
    if (!everywhere(ones, 1) || !everywhere(zeros, 0) || epsilon <= 0) return undefined;
    const image = only(node.output[0]!, 'Reshape');
    const scaling = image && only(image.output[0]!, 'Mul');
    const shifting = scaling && only(scaling.output[0]!, 'Add');
    if (shifting === undefined || shapeOf(image!.output[0]!) !== shapeOf(x)) return undefined;
    const other = (each: NodeProto, value: string): string => each.input.find((name) => name !== value)!;
    const gain = other(scaling!, image!.output[0]!);
    const offset = other(shifting, scaling!.output[0]!);
    const ones1 = size.map(() => 1);
    const isPerChannel = (name: string): boolean =>
      [
        [channels, ...ones1],
        [1, channels, ...ones1],
        [batch, channels, ...ones1],
      ]
        .map(String)
        .includes(shapeOf(name));
    if (!isPerChannel(gain) || !isPerChannel(offset)) return undefined;
    return {
      x,
      channels,
      groups,
      positions: elementCount(size),
      axes: size.map((_, axis) => axis + 2),
      epsilon,
      gain,
      offset,
      nodes: [node, image!, scaling!, shifting],
    };
  };
}

function write(
  { x, channels, groups, positions, axes, epsilon, gain, offset, nodes }: GroupNormalization,
  constants: Map<string, TensorProto>,
): NodeProto[] {
  const result = nodes.at(-1)!.output[0]!;
  const written: NodeProto[] = [];
  const op = (
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = `${result}/group.${written.length}`,
  ): string => {
    written.push(makeNode(operator, inputs, [output], attributes));
    return output;
  };
  const constant = (name: string, type: 'int64' | 'float32', dims: number[], values: number[]): string => {
    constants.set(name, makeTensor(name, type, dims, values));
    return name;
  };
  const ints = (values: number[]): string =>
    constant(`group/ints(${values.join()})`, 'int64', [values.length], values);
  const float = (value: number): string => constant(`group/number(${value})`, 'float32', [], [value]);
  const rows = (value: string): string => op('Reshape', [value, ints([-1, channels])]);
  const image = (value: string): string => op('Reshape', [value, ints([-1, channels, ...axes.map(() => 1)])]);
  /** `scale` times the mean of each group, in the place of every channel of the group. */
  const groupMean = (operator: string, value: string, scale: number): string => {
    const length = channels / groups;
    const averages = Array.from({ length: channels ** 2 }, (_, index) => {
      const [from, to] = [Math.floor(index / channels), index % channels];
      return Math.floor(from / length) === Math.floor(to / length) ? scale / length : 0;
    });
    const name = `group/mean(${channels},${groups},${scale})`;
    const matrix = constant(name, 'float32', [channels, channels], averages);
    return op('MatMul', [op(operator, [value, ints([...axes])], { keepdims: 0 }), matrix]);
  };

  // The result does not depend on the origin, so its derivative is 0, as Round's is. Finer than epsilon it need not be.
  const step = Math.sqrt(epsilon);
  const origin = op('Mul', [op('Round', [groupMean('ReduceMean', x, -1 / step)]), float(step)]);
  const near = op('Add', [x, image(origin)]);
  const mean = groupMean('ReduceMean', near, 1);
  const square = groupMean('ReduceSumSquare', near, 1 / positions);
  const variance = op('Sub', [square, op('Mul', [mean, mean])]);
  const inverse = op('Pow', [op('Add', [variance, float(epsilon)]), float(-1 / 2)]);
  const factor = op('Mul', [rows(gain), inverse]);
  const shift = op('Sub', [rows(offset), op('Mul', [factor, mean])]);
  op('Add', [op('Mul', [near, image(factor)]), image(shift)], {}, result);
  return written;
}
