import { makeNode, type AttributeValue, type TensorType } from './graph.js';
import { groupNormalizations, type GroupNormalization } from './group-normalization.js';
import type { GraphProto, NodeProto, TensorProto } from '../file/proto.js';
import { makeTensor } from '../file/tensor.js';

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
  const constants = new Map<string, TensorProto>();
  const replaced = new Map<NodeProto, NodeProto[]>();
  for (const found of groupNormalizations(graph, types)) {
    for (const each of found.nodes) replaced.set(each, []);
    replaced.set(found.nodes.at(-1)!, write(found, constants));
  }
  return {
    ...graph,
    node: graph.node.flatMap((node) => replaced.get(node) ?? [node]),
    initializer: [...graph.initializer, ...constants.values()],
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
