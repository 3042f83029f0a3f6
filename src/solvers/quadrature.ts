/** Nodes and weights of a rule for integrals over [-1, 1]. */
export interface Quadrature {
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
}

/** The Gauss-Legendre rule with n nodes, exact for polynomials of degree 2 n - 1; nodes by Newton's method. */
export function gaussLegendre(n: number): Quadrature {
  const nodes = new Float64Array(n);
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let step = 0; step < 8; step++) {
      let [before, value] = [1, x];
      for (let k = 2; k <= n; k++)
        [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
      slope = (n * (before - x * value)) / (1 - x * x);
      x -= value / slope;
    }
    nodes[i] = x;
    weights[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return { nodes, weights };
}

const rule = gaussLegendre(32);

/** The integral of f from a to b by 32 nodes; f is to be smooth in between. */
export function integrate(f: (x: number) => number, a: number, b: number): number {
  const half = (b - a) / 2;
  let sum = 0;
  for (const [i, node] of rule.nodes.entries()) sum += rule.weights[i]! * f(a + half * (node + 1));
  return half * sum;
}

/** The values at x of the polynomials of Lagrange that are 1 at one of the points and 0 at the others. */
export function lagrange(points: readonly number[], x: number): number[] {
  return points.map((own, j) =>
    points.reduce((product, other, i) => (i === j ? product : (product * (x - other)) / (own - other)), 1),
  );
}
