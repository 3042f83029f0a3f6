import { ModelError } from '../../errors.js';
import type { FunctionProto, ModelProto, NodeProto } from './proto.js';

/** Nodes that a model may have once its local functions are inlined; the largest networks have some 100,000. */
const MAX_NODES = 1 << 20;

/** The name under which nodes call a local function. */
export function functionKey(domain: string | undefined, name: string | undefined): string {
  return `${domain ?? ''}:${name ?? ''}`;
}

/**
 * Checks that local functions can be inlined: a function that calls another twice, which calls a third twice, and so on,
 * makes a small file into a large graph.
 * @throws ModelError for functions that call themselves, or that make more than 2^20 nodes.
 */
export function checkFunctions({ functions, graph }: ModelProto): void {
  if (functions.length === 0) return;
  const bodies = new Map(functions.map((body) => [functionKey(body.domain, body.name), body]));
  const sizes = new Map<FunctionProto, number>();
  const open = new Set<FunctionProto>();
  const sizeOf = (body: FunctionProto): number => {
    const known = sizes.get(body);
    if (known !== undefined) return known;
    // Depth, too: a chain of calls is followed on the stack, here and in ONNX Runtime.
    if (open.has(body) || open.size > 256) {
      throw new ModelError(`The local function "${body.name ?? ''}" calls itself, or calls nest too deep.`);
    }
    open.add(body);
    const size = total(body.node);
    open.delete(body);
    sizes.set(body, size);
    return size;
  };
  const total = (nodes: readonly NodeProto[]): number => {
    let sum = 0;
    for (const node of nodes) {
      const body = bodies.get(functionKey(node.domain, node.op_type));
      sum += body === undefined ? 1 : sizeOf(body);
      for (const { g, graphs } of node.attribute) {
        for (const inner of g === undefined ? graphs : [g, ...graphs]) sum += total(inner.node);
      }
    }
    if (sum > MAX_NODES) {
      throw new ModelError(
        `The model has more than ${MAX_NODES} nodes when its local functions are inlined.`,
      );
    }
    return sum;
  };
  for (const body of functions) sizeOf(body);
  total(graph?.node ?? []);
}
