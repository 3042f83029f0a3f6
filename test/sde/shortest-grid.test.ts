import test from 'ava';
import { shortestGrid } from '../../src/sde/shortest-grid.js';

/** Every ascending path of so many jumps from node 0 to the last. */
function* paths(nodes: number, steps: number, from = 0): Generator<number[]> {
  if (steps === 1) {
    if (from < nodes - 1) yield [from, nodes - 1];
    return;
  }
  for (let next = from + 1; next < nodes - 1; next++)
    for (const rest of paths(nodes, steps - 1, next)) yield [from, ...rest];
}

test('the path is the cheapest of all, with the weight of later jumps', (t) => {
  const nodes = 9;
  // Digits of pi, of either sign, as costs.
  const digits = '314159265358979323846264338327950288419716939937510582097494459230781640628620899';
  const costs = Float64Array.from({ length: nodes * nodes }, (_, i) => Number(digits[i]) - 4 + i / 1000);
  for (const gamma of [0.8, 1, 1.3]) {
    for (const steps of [1, 2, 4, 7, 8]) {
      const cost = (path: number[]) =>
        path.slice(1).reduce((sum, to, k) => sum + gamma ** k * costs[path[k]! * nodes + to]!, 0);
      const cheapest = [...paths(nodes, steps)].reduce((a, b) => (cost(b) < cost(a) ? b : a));
      t.deepEqual(shortestGrid(costs, nodes, steps, gamma), cheapest, `${steps} steps, gamma ${gamma}`);
    }
  }
});

test('with the logarithm of what DDIM shrinks Gaussian data by, it is the arctan grid to one node', (t) => {
  // A step over an angle of arctan(sigma / (alpha c)) shrinks them by its cosine.
  const nodes = 401;
  const [c, most, least] = [0.5, 80, 0.002];
  const levels = Array.from(
    { length: nodes },
    (_, i) => (most ** (1 / 7) + (i / (nodes - 1)) * (least ** (1 / 7) - most ** (1 / 7))) ** 7,
  );
  const angles = levels.map((level) => Math.atan(level / c));
  const costs = Float64Array.from({ length: nodes ** 2 }, (_, i) => {
    const [from, to] = [Math.floor(i / nodes), i % nodes];
    return -Math.log(Math.cos(angles[from]! - angles[to]!));
  });
  const steps = 7;
  const ideal = (k: number) => angles[0]! + (k / steps) * (angles.at(-1)! - angles[0]!);
  shortestGrid(costs, nodes, steps, 1).forEach((node, k) => {
    const nearest = angles.reduce(
      (best, angle, i) => (Math.abs(angle - ideal(k)) < Math.abs(angles[best]! - ideal(k)) ? i : best),
      0,
    );
    t.true(Math.abs(node - nearest) <= 1, `step ${k}: node ${node}, nearest ${nearest}`);
  });
});
