import test from 'ava';
import { energyDistance, meanDistance, project } from '../../bench/energy-distance.js';
import { toys } from '../../src/data/toys.js';

test('the energy distance by projections is that of all pairs of points', (t) => {
  const a = toys['two-moons'].sample(300).data;
  const b = toys['swiss-roll'].sample(200).data.map((value) => 1.2 * value + 0.1);
  const mean = (x: Float32Array, y: Float32Array): number => {
    let sum = 0;
    for (let i = 0; i < x.length; i += 2)
      for (let j = 0; j < y.length; j += 2) sum += Math.hypot(x[i]! - y[j]!, x[i + 1]! - y[j + 1]!);
    return sum / ((x.length * y.length) / 4);
  };
  const expected = 2 * mean(a, b) - mean(a, a) - mean(b, b);
  const found = energyDistance(project(a), project(b));
  t.true(Math.abs(found / expected - 1) < 0.01, `${found}, not ${expected}`);
  const distinct = (mean(a, a) * 300) / 299;
  t.true(Math.abs(meanDistance(project(a)) / distinct - 1) < 1e-3);
});
