import { floatAttribute, intAttribute } from '../../../src/onnx/graph/graph.js';
import type { NodeProto } from '../../../src/onnx/file/proto.js';
import { array, count, type NdArray } from './array.js';
import type { Operator } from './operator.js';

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The slope of x sigmoid(x). */
function slope(x: number): number {
  return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
}

/** Of each element of an image in order: its place, its group and its gain and offset; and the elements of each group. */
function elements(x: NdArray, gain: NdArray, groups: number) {
  const [batch, channels] = x.shape as [number, number];
  const positions = count(x.shape.slice(2));
  const perSample = gain.data.length > channels;
  const places = Array.from(x.data, (_, i) => {
    const row = Math.floor(i / positions);
    const [n, c] = [Math.floor(row / channels), row % channels];
    const group = n * groups + Math.floor(c / (channels / groups));
    return { i, row, group, affine: perSample ? row : c };
  });
  const members = Array.from({ length: batch * groups }, (_, g) =>
    places.filter(({ group }) => group === g).map(({ i }) => i),
  );
  return { places, members };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function statistics(x: NdArray, members: readonly number[][], node: NodeProto): [number, number][] {
  const epsilon = floatAttribute(node, 'epsilon', 0);
  return members.map((group) => {
    const values = group.map((i) => x.data[i]!);
    const middle = mean(values);
    return [middle, 1 / Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) + epsilon)];
  });
}

const groupNormalization: Operator = ([x, gain, offset], node) => {
  const groups = intAttribute(node, 'groups', 0);
  const { places, members } = elements(x!, gain!, groups);
  const found = statistics(x!, members, node);
  const y = places.map(({ i, group, affine }) => {
    const h =
      (x!.data[i]! - found[group]![0]) * found[group]![1] * gain!.data[affine]! + offset!.data[affine]!;
    return intAttribute(node, 'silu', 0) === 1 ? h * sigmoid(h) : h;
  });
  return [array(x!.shape, y), array([x!.shape[0]!, groups, 2], found.flat())];
};

/** The chain rule through the normalisation, group by group. */
const groupNormalizationGradient: Operator = ([dy, x, gain, offset], node) => {
  const { places, members } = elements(x!, gain!, intAttribute(node, 'groups', 0));
  const found = statistics(x!, members, node);
  const rows = x!.shape[0]! * x!.shape[1]!;
  const [dgain, doffset] = [new Float64Array(rows), new Float64Array(rows)];
  const normal = places.map(({ i, group }) => (x!.data[i]! - found[group]![0]) * found[group]![1]);
  const weighted = places.map(({ i, row, affine }) => {
    const h = normal[i]! * gain!.data[affine]! + offset!.data[affine]!;
    const d = dy!.data[i]! * (intAttribute(node, 'silu', 0) === 1 ? slope(h) : 1);
    dgain[row]! += d * normal[i]!;
    doffset[row]! += d;
    return d * gain!.data[affine]!;
  });
  const averages = members.map((group) => [
    mean(group.map((i) => weighted[i]!)),
    mean(group.map((i) => weighted[i]! * normal[i]!)),
  ]);
  const dx = places.map(({ i, group }) => {
    const [first, along] = averages[group] as [number, number];
    return found[group]![1] * (weighted[i]! - first - normal[i]! * along);
  });
  const perChannel = x!.shape.map((size, axis) => (axis < 2 ? size : 1));
  return [array(x!.shape, dx), array(perChannel, dgain), array(perChannel, doffset)];
};

/** The operators of fastsde's own sessions by their definitions, for images in order. */
export const fused: Readonly<Record<string, Operator>> = {
  'fastsde:SiLU': ([x]) =>
    array(
      x!.shape,
      x!.data.map((value) => value * sigmoid(value)),
    ),
  'fastsde:SiLUGradient': ([dy, x]) =>
    array(
      x!.shape,
      x!.data.map((value, i) => dy!.data[i]! * slope(value)),
    ),
  'fastsde:GroupNormalization': groupNormalization,
  'fastsde:GroupNormalizationGradient': groupNormalizationGradient,
};
