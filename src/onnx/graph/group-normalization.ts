import { floatAttribute, operatorOf, type TensorType } from './graph.js';
import type { GraphProto, NodeProto } from '../file/proto.js';
import { tensorNumbers } from '../file/tensor.js';
import { elementCount } from '../../shape.js';

/** A group normalisation with its gain and offset, as it is exported: as rows, normalised, as an image, times, plus. */
export interface GroupNormalization {
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

/** The group normalisations of a graph, each with an InstanceNormalization at its heart, of which nothing else is read. */
export function groupNormalizations(
  graph: GraphProto,
  types: ReadonlyMap<string, TensorType>,
): GroupNormalization[] {
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

  const match = (node: NodeProto): GroupNormalization | undefined => {
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
  return graph.node.flatMap((node) => match(node) ?? []);
}
