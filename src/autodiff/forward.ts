import { pathBetween, Problems } from './activity.js';
import type { Builder, Value } from '../onnx/graph/builder.js';
import { ruleOf } from './registry.js';

/**
 * Forward mode: writes the tangents of `of` behind the graph, given those of some of its values.
 *
 * @param seeds tangents by value, each in the shape of its value
 * @throws ModelError that lists every node on the way that has no derivative.
 */
export function pushForward(
  b: Builder,
  seeds: ReadonlyMap<Value, Value>,
  of: readonly Value[],
): Map<Value, Value> {
  const { nodes, active } = pathBetween(b.graph, [...seeds.keys()], of);
  const tangents = new Map(seeds);
  const problems = new Problems();
  for (const node of nodes) if (ruleOf(node)?.jvp === undefined) problems.missing(node);
  problems.check();

  for (const node of nodes) {
    const moving = node.input.map((name) => tangents.get(name));
    const results = problems.attempt(() => ruleOf(node)!.jvp!(b, node, moving));
    if (results === undefined) continue;
    for (const [index, name] of node.output.entries()) {
      const tangent = results[index];
      if (tangent !== undefined) tangents.set(name, tangent);
      else if (index === 0 && active.has(name))
        problems.input(
          node,
          moving.findIndex((each) => each !== undefined),
        );
    }
  }
  problems.check();
  return new Map(of.map((name) => [name, tangents.get(name)!]));
}
