import type { Model } from '../onnx/file/model.js';
import type { NodeProto } from '../onnx/file/proto.js';
import { Builder } from '../onnx/graph/builder.js';
import { ancestors, makeValueInfo, operatorOf, reads, type TensorType } from '../onnx/graph/graph.js';
import { inferTypes } from '../onnx/graph/infer.js';
import { hideWeights, prepare } from '../onnx/graph/prepare.js';
import { modelOf } from './assemble.js';
import { pullBack } from './reverse.js';

/** Which derivative, and for whom. */
export interface LinearizeOptions {
  /** The value that is differentiated. */
  readonly of: string;
  /** The input that it is differentiated with respect to. */
  readonly wrt: string;
  /** Name of the input v of the transpose, in the shape of `of`. */
  readonly cotangent: string;
  /** Whether fastsde's own sessions run both, and operators of theirs may stand in them. */
  readonly fused: boolean;
}

/** A network as two: an evaluation that keeps what its derivative reads, and products made of that alone, as many as are wanted. */
export interface Linearization {
  /** The original, with the values that it keeps as outputs beside its own. */
  readonly forward: Model;
  /** What has to be fed to the transpose beside the cotangent: outputs of `forward`, and perhaps inputs of it. */
  readonly kept: readonly string[];
  /** The graph with the output `vjp.<wrt>` = J^T v alone. */
  readonly transpose: Model;
}

/** Operators that show the same memory in another shape. */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

/**
 * Splits the graph of a vector-Jacobian product where the cotangent comes in: what depends on it is the transpose, all else is computed once
 * and kept.
 *
 * @throws ModelError that lists every node without a derivative.
 */
export async function linearize(
  model: Model,
  { of, wrt, cotangent, fused }: LinearizeOptions,
): Promise<Linearization> {
  const graph = await prepare(model, { keep: [of], form: fused ? 'fused' : undefined });
  const b = new Builder(graph);
  const seed: TensorType = { type: b.type(of), shape: b.shape(of) };
  const product = `vjp.${wrt}`;
  b.rename(pullBack(b, new Map([[of, cotangent]]), [wrt]).get(wrt)!, product);

  const inputs = graph.inputs.map(({ name }) => name ?? '');
  const { nodes, kept } = dependents(b.all, { cotangent, product, inputs });
  const shown = graph.outputs.map(({ name }) => name ?? '');
  const more = kept.filter((name) => !shown.includes(name) && !inputs.includes(name));
  const description = { kind: 'linearization', of, wrt };
  const needed = ancestors(b.all, [...shown, ...more]);
  const evaluation = { input: graph.inputs, output: graph.outputs, description };
  // The types of what was written are not known yet.
  const plain = modelOf(model, b, needed, evaluation);
  const found = await inferTypes(
    { ...plain.proto, graph: hideWeights(plain.proto.graph).shown },
    model.folder,
  );
  const typed = (name: string) => makeValueInfo(name, found.get(name));
  const output = [...graph.outputs, ...more.map(typed)];
  return {
    forward: modelOf(model, b, needed, { ...evaluation, output }),
    kept,
    transpose: modelOf(model, b, nodes, {
      input: [makeValueInfo(cotangent, seed), ...kept.map(typed)],
      output: [makeValueInfo(product, graph.types.get(wrt))],
      description: { ...description, cotangent },
    }),
  };
}

/**
 * The nodes that make the product of the cotangent, in order, with those between constants, and the values that they read of the rest. A view
 * of such a value is made anew, which costs nothing: ONNX Runtime copies one that is an output.
 */
function dependents(
  all: readonly NodeProto[],
  { cotangent, product, inputs }: { cotangent: string; product: string; inputs: readonly string[] },
): { nodes: NodeProto[]; kept: string[] } {
  const linear = following(all, [cotangent]);
  const varying = following(all, inputs);
  const views = new Set(
    all.flatMap((node) => {
      const isView = VIEWS.has(operatorOf(node)) && node.input.slice(1).every((name) => !varying.has(name));
      return isView && !inputs.includes(node.input[0]!) ? node.output : [];
    }),
  );
  const wanted = new Set([product]);
  const kept = new Set<string>();
  const nodes = all.toReversed().filter((node) => {
    if (!node.output.some((name) => wanted.has(name))) return false;
    for (const name of reads(node))
      if (!linear.has(name) && varying.has(name) && !views.has(name)) kept.add(name);
      else wanted.add(name);
    return true;
  });
  return { nodes: nodes.reverse(), kept: [...kept] };
}

/** The sources, and all values that are computed of any of them. */
function following(nodes: readonly NodeProto[], sources: readonly string[]): Set<string> {
  const found = new Set(sources);
  for (const node of nodes)
    if (reads(node).some((name) => found.has(name))) for (const name of node.output) found.add(name);
  return found;
}
