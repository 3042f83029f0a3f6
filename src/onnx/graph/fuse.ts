import { groupNormalizations } from './group-normalization.js';
import { makeNode, operatorOf, type TensorType } from './graph.js';
import type { GraphProto, NodeProto, OperatorSetId } from '../file/proto.js';

/** Operators of fastsde's own sessions (`native/onnx/operators.h`), and the version of their set. */
export const SILU = 'fastsde:SiLU';
export const SILU_GRADIENT = 'fastsde:SiLUGradient';
export const GROUP_NORMALIZATION = 'fastsde:GroupNormalization';
export const GROUP_NORMALIZATION_GRADIENT = 'fastsde:GroupNormalizationGradient';
export const WEIGHT_GRADIENT = 'fastsde:ConvolutionWeightGradient';
export const OWN_DOMAIN = 'fastsde';

/** Operator sets with that of fastsde's own sessions among them. */
export function withOwnOperators(sets: readonly OperatorSetId[]): OperatorSetId[] {
  return [...sets.filter(({ domain }) => domain !== OWN_DOMAIN), { domain: OWN_DOMAIN, version: 1 }];
}

/**
 * The graph with group normalisations, SiLU and the two behind each other as operators of fastsde's own sessions, which pass over
 * memory once where standard operators do several times. No other program runs the result, so it is for no file.
 */
export function fuseOperators(graph: GraphProto, types: ReadonlyMap<string, TensorType>): GraphProto {
  const replaced = new Map<NodeProto, NodeProto[]>();
  const silus = new Map(silusOf(graph, types).map((each) => [each.x, each]));
  for (const { x, gain, offset, groups, epsilon, nodes } of groupNormalizations(graph, types)) {
    const last = nodes.at(-1)!;
    const silu = silus.get(last.output[0]!);
    const attributes = { groups, epsilon: { float: epsilon }, silu: silu === undefined ? 0 : 1, block: 1 };
    const output = silu?.product.output[0] ?? last.output[0]!;
    for (const each of [...nodes, ...(silu ? [silu.sigmoid, silu.product] : [])]) replaced.set(each, []);
    replaced.set(silu?.product ?? last, [
      makeNode(GROUP_NORMALIZATION, [x, gain, offset], [output, `${output}/statistics`], attributes),
    ]);
    silus.delete(last.output[0]!);
  }
  for (const { x, sigmoid, product } of silus.values()) {
    replaced.set(sigmoid, []);
    replaced.set(product, [makeNode(SILU, [x], product.output)]);
  }
  return { ...graph, node: graph.node.flatMap((node) => replaced.get(node) ?? [node]) };
}

/** x sigmoid(x) as two nodes, the only ones that read x, so that nothing needs either apart. */
interface Silu {
  readonly x: string;
  readonly sigmoid: NodeProto;
  readonly product: NodeProto;
}

function silusOf(graph: GraphProto, types: ReadonlyMap<string, TensorType>): Silu[] {
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node)
    for (const name of new Set(node.input)) readers.set(name, [...(readers.get(name) ?? []), node]);
  const shown = new Set(graph.output.map(({ name }) => name ?? ''));
  return graph.node.flatMap((sigmoid) => {
    const [x, value] = [sigmoid.input[0]!, sigmoid.output[0]!];
    if (operatorOf(sigmoid) !== 'Sigmoid' || types.get(x)?.type !== 'float32') return [];
    const [product, ...others] = readers.get(value) ?? [];
    if (product === undefined || others.length > 0 || operatorOf(product) !== 'Mul') return [];
    const isSilu = product.input.includes(x) && product.input.includes(value) && x !== value;
    const isAlone = readers.get(x)!.every((node) => node === sigmoid || node === product);
    return isSilu && isAlone && !shown.has(x) && !shown.has(value) ? [{ x, sigmoid, product }] : [];
  });
}
