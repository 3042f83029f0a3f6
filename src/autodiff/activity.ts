import { ModelError } from '../errors.js';
import { ancestors, describeNode, makeNode, operatorOf, reads, type Graph } from '../onnx/graph/graph.js';
import type { NodeProto } from '../onnx/file/proto.js';
import { isFloat } from '../onnx/file/tensor.js';
import { isQuantised, refusalOf } from './refusal.js';
import { isConstant } from './registry.js';

/** The nodes between two sets of values, in order, and the values that move with the sources. */
export interface Path {
  readonly nodes: readonly NodeProto[];
  readonly active: ReadonlySet<string>;
}

/**
 * What lies between `sources` and `targets`.
 * @throws ModelError where a target does not depend on any source.
 */
export function pathBetween(graph: Graph, sources: readonly string[], targets: readonly string[]): Path {
  const nodes = ancestors(raisePatterns(graph.nodes), targets);
  const active = activeValues(nodes, sources, (name) => {
    const type = graph.types.get(name)?.type;
    return type === undefined || isFloat(type);
  });
  const problems = new Problems();
  // Integers carry no derivative, and what is made of them would be missing from it.
  for (const node of nodes)
    if (isQuantised(node) && reads(node).some((name) => active.has(name))) problems.missing(node);
  problems.check();
  for (const target of targets) {
    if (!active.has(target)) {
      throw new ModelError(
        `"${target}" does not depend on ${sources.map((name) => `"${name}"`).join(' or ')}.`,
      );
    }
  }
  return { nodes: nodes.filter((node) => node.output.some((name) => active.has(name))), active };
}

/** The values through which a change of the sources can travel. */
export function activeValues(
  nodes: readonly NodeProto[],
  sources: readonly string[],
  differentiable: (name: string) => boolean,
): Set<string> {
  const active = new Set(sources);
  for (const node of nodes) {
    if (isConstant(node) || !reads(node).some((name) => active.has(name))) continue;
    for (const name of node.output) if (name !== '' && differentiable(name)) active.add(name);
  }
  return active;
}

/** x sigmoid(x), two nodes, seen as the one function SiLU whose slope is shorter than the product rule's. */
function raisePatterns(nodes: readonly NodeProto[]): NodeProto[] {
  const sigmoids = new Map<string, string>();
  for (const node of nodes) if (operatorOf(node) === 'Sigmoid') sigmoids.set(node.output[0]!, node.input[0]!);
  return nodes.map((node) => {
    if (operatorOf(node) !== 'Mul') return node;
    const [left, right] = node.input as [string, string];
    const sigmoid = sigmoids.get(right) === left ? right : sigmoids.get(left) === right ? left : undefined;
    if (sigmoid === undefined) return node;
    const x = sigmoid === right ? left : right;
    return { ...makeNode('fastsde:SiLUPattern', [x], node.output, { sigmoid }), name: node.name ?? '' };
  });
}

/** Collects what cannot be differentiated, so that one error can name all of it. */
export class Problems {
  readonly #found: string[] = [];

  missing(node: NodeProto): void {
    const refusal = refusalOf(node);
    this.#found.push(`${describeNode(node)} has no rule${refusal === undefined ? '' : ` (${refusal})`}`);
  }

  input(node: NodeProto, index: number): void {
    this.#found.push(
      `${describeNode(node)} has no derivative with respect to its input ${index} "${node.input[index] ?? ''}"`,
    );
  }

  /** Runs a rule; what it refuses is collected. */
  attempt<T>(rule: () => T): T | undefined {
    try {
      return rule();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      this.#found.push(error.message.replace(/\.$/, ''));
      return undefined;
    }
  }

  /** @throws ModelError that lists what was found. */
  check(): void {
    if (this.#found.length === 0) return;
    throw new ModelError(
      `The model cannot be differentiated: ${[...new Set(this.#found)].join('; ')}. ` +
        'Register a rule (registerVjp, registerJvp), or estimate the derivative by finite differences.',
    );
  }
}
