import type { Builder, Value } from '../onnx/graph/builder.js';
import { pathBetween, Problems } from './activity.js';
import { ruleOf } from './registry.js';

/**
 * Reverse mode: writes the cotangents of `wrt` behind the graph, given those of some of its values.
 *
 * @param seeds cotangents by value, each in the shape of its value
 * @returns cotangents by name; a value of `wrt` that no seed depends on is absent
 * @throws ModelError that lists every node on the way that has no derivative.
 */
export function pullBack(
  b: Builder,
  seeds: ReadonlyMap<Value, Value>,
  wrt: readonly Value[],
): Map<Value, Value> {
  const { nodes, active } = pathBetween(b.graph, wrt, [...seeds.keys()]);
  const terms = new Map<Value, Value[]>();
  const total = (value: Value): Value | undefined => {
    const parts = terms.get(value);
    if (parts === undefined) return undefined;
    const sum = b.add(parts);
    terms.set(value, [sum]);
    return sum;
  };
  for (const [value, seed] of seeds) terms.set(value, [seed]);

  const problems = new Problems();
  for (const node of nodes) if (ruleOf(node)?.vjp === undefined) problems.missing(node);
  problems.check();

  for (const node of nodes.toReversed()) {
    const cotangents = node.output.map(total);
    if (cotangents.every((each) => each === undefined)) continue;
    const needs = node.input.map((name) => active.has(name));
    const results = problems.attempt(() => ruleOf(node)!.vjp!(b, node, cotangents, needs));
    if (results === undefined) continue;
    for (const [index, name] of node.input.entries()) {
      if (!needs[index]) continue;
      const term = results[index];
      if (term === undefined) problems.input(node, index);
      else terms.set(name, [...(terms.get(name) ?? []), term]);
    }
  }
  problems.check();
  return new Map(
    wrt.flatMap((name) => {
      const sum = total(name);
      return sum === undefined ? [] : [[name, sum] as const];
    }),
  );
}
