/**
 * The path of `steps` jumps from node 0 to the last that costs least, by dynamic programming (Chen et al. 2024, GITS).
 *
 * A jump that starts a path costs as it is; every later one costs `gamma` times as much as the one before would make it, so that
 * above 1 the jumps are spent where little noise is left. With 1 the sum is minimised.
 *
 * @param costs [nodes, nodes], of the jump from row to column; read where row < column.
 * @returns the nodes of the path, ascending, `steps` + 1 of them.
 */
export function shortestGrid(costs: Float64Array, nodes: number, steps: number, gamma: number): number[] {
  let best = Float64Array.from({ length: nodes }, (_, from) => costs[from * nodes + nodes - 1]!);
  best[nodes - 1] = Infinity;
  const next: Int32Array[] = [];
  for (let k = 2; k <= steps; k++) {
    const longer = new Float64Array(nodes).fill(Infinity);
    const to = new Int32Array(nodes);
    for (let from = 0; from < nodes; from++) {
      for (let node = from + 1; node < nodes; node++) {
        const cost = costs[from * nodes + node]! + gamma * best[node]!;
        if (cost < longer[from]!) [longer[from], to[from]] = [cost, node];
      }
    }
    next.unshift(to);
    best = longer;
  }
  const path = [0];
  for (const to of next) path.push(to[path.at(-1)!]!);
  return [...path, nodes - 1];
}
