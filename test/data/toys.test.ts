import test from 'ava';
import { loadData } from '../../src/data/load.js';
import { eightGaussians, toys, type ToyName } from '../../src/data/toys.js';

const names = Object.keys(toys) as ToyName[];
const count = 40_000;

/** One coordinate of points of the plane. */
function axis(points: ArrayLike<number>, which: 0 | 1): number[] {
  return Array.from({ length: points.length / 2 }, (_, i) => points[2 * i + which]!);
}

/** Kolmogorov-Smirnov statistic sqrt(n) D; above 2.2 with a chance of 1.2e-4. */
function kolmogorovSmirnov(values: readonly number[], distribution: (x: number) => number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const gaps = sorted.map((x, i) => Math.max((i + 1) / n - distribution(x), distribution(x) - i / n));
  return Math.sqrt(n) * Math.max(...gaps);
}

/** The normal distribution function by Simpson's rule on its density. */
function normalDistribution(z: number): number {
  if (z < -8 || z > 8) return z < 0 ? 0 : 1;
  const steps = 400;
  const h = (z + 8) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-0.5 * (-8 + i * h) ** 2);
  }
  return (sum * h) / 3 / Math.sqrt(2 * Math.PI);
}

for (const name of names) {
  test(`${name} has mean 0 and variance 1, on average over its axes`, (t) => {
    const { data, shape } = toys[name].sample(count);
    t.deepEqual(shape, [count, 2]);
    let variance = 0;
    for (const which of [0, 1] as const) {
      const values = axis(data, which);
      const mean = values.reduce((a, b) => a + b) / count;
      variance += values.reduce((sum, x) => sum + x * x, 0) / count / 2;
      t.true(Math.abs(mean) < 4.5 / Math.sqrt(count), `mean ${mean} of axis ${which}`);
    }
    // The squared radius has a standard deviation of at most 1.1 times its mean in all four.
    t.true(Math.abs(variance - 1) < 5 / Math.sqrt(count), `variance ${variance}`);
  });

  test(`a point of ${name} depends on the seed and its index alone`, (t) => {
    const whole = toys[name].sample(50, { seed: 3n });
    const part = toys[name].sample(7, { seed: 3n, first: 20 });
    t.deepEqual(part.data, whole.data.slice(40, 54));
    t.deepEqual(part.labels, whole.labels?.slice(20, 27));
    t.notDeepEqual(toys[name].sample(50, { seed: 4n }).data, whole.data);
  });
}

test('the checkerboard fills the eight cells of even sum, evenly', (t) => {
  const { data } = toys.checkerboard.sample(count);
  const edge = Math.sqrt(3);
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < count; i++) {
    const [column, row] = [0, 1].map((which) => Math.floor(2 * (data[2 * i + which]! / edge + 1)));
    counts[4 * row! + column!]! += 1;
  }
  let chiSquare = 0;
  counts.forEach((found, cell) => {
    if ((Math.floor(cell / 4) + cell) % 2 === 1) t.is(found, 0, `cell ${cell}`);
    else chiSquare += (found - count / 8) ** 2 / (count / 8);
  });
  // 7 degrees of freedom: above 29.9 with a chance of 1e-4.
  t.true(chiSquare < 29.9, String(chiSquare));
  for (const which of [0, 1] as const) {
    t.true(kolmogorovSmirnov(axis(data, which), (x) => (x / edge + 1) / 2) < 2.2);
  }
});

test('the density of the checkerboard integrates to 1 and is 0 off its cells', (t) => {
  const { logDensity } = toys.checkerboard;
  const n = 80;
  const step = 4 / n;
  const points = Float64Array.from({ length: 2 * n * n }, (_, i) => {
    const cell = i % 2 === 0 ? Math.floor(i / 2) % n : Math.floor(i / 2 / n);
    return -2 + (cell + 0.5) * step;
  });
  const mass = logDensity!(points).reduce((sum, value) => sum + Math.exp(value) * step * step, 0);
  t.true(Math.abs(mass - 1) < 0.05, String(mass));
  t.deepEqual([...logDensity!(Float64Array.of(-1.7, -0.1, -1.7, -1.7))], [-Infinity, -Math.log(6)]);
});

test('two moons are half circles of radius 1 with normal noise, about (0, 0) and (1, 1/2) before scaling', (t) => {
  const { data, labels } = toys['two-moons'].sample(count);
  // The scale, from the moments of points on the circles by quadrature.
  const moments = [0, 0, 0, 0];
  for (let k = 0; k < 1000; k++) {
    const angle = (Math.PI * (k + 0.5)) / 1000;
    const points = [
      [Math.cos(angle), Math.sin(angle)],
      [1 - Math.cos(angle), 0.5 - Math.sin(angle)],
    ];
    for (const [x, y] of points) [x!, y!, x! * x!, y! * y!].forEach((m, i) => (moments[i]! += m / 2000));
  }
  const [mx, my, mxx, myy] = moments as [number, number, number, number];
  const scale = Math.sqrt((mxx - mx ** 2 + myy - my ** 2) / 2 + 0.01);
  const across: number[] = [];
  for (let i = 0; i < count; i++) {
    const centre = labels![i] === 0 ? [0, 0] : [1, 0.5];
    const x = data[2 * i]! * scale + mx - centre[0]!;
    const y = data[2 * i + 1]! * scale + my - centre[1]!;
    const angle = Math.atan2(labels![i] === 0 ? y : -y, x);
    // Away from the ends of the arc, so that noise along it takes as many points away as it brings.
    if (angle > 1 && angle < Math.PI - 1) across.push((Math.hypot(x, y) - 1) / 0.1);
  }
  const mean = across.reduce((a, b) => a + b) / across.length;
  const spread = Math.sqrt(across.reduce((sum, x) => sum + (x - mean) ** 2, 0) / across.length);
  // E|c + z| of a point at distance 1 with noise 0.1 in two dimensions: 1 + 0.1^2 / 2.
  t.true(Math.abs(mean - 0.05) < 0.05, `mean ${mean}`);
  t.true(Math.abs(spread - 1) < 0.05, `spread ${spread}`);
  const ones = labels!.reduce((a, b) => a + b);
  t.true(Math.abs(ones / count - 0.5) < 5 * Math.sqrt(0.25 / count));
});

test('the radius of the swiss roll is uniform, and its angle turns with it', (t) => {
  const { data } = toys['swiss-roll'].sample(count);
  const [a, b] = [1.5 * Math.PI, 4.5 * Math.PI];
  const [mx, my] = [2, 2 / (3 * Math.PI)];
  const scale = Math.sqrt(((a * a + a * b + b * b) / 3 - mx ** 2 - my ** 2) / 2 + 0.25);
  const radii: number[] = [];
  let turned = 0;
  for (let i = 0; i < count; i++) {
    const x = data[2 * i]! * scale + mx;
    const y = data[2 * i + 1]! * scale + my;
    const radius = Math.hypot(x, y);
    radii.push(radius);
    const off = radius - Math.atan2(y, x);
    const winding = Math.abs(off - 2 * Math.PI * Math.round(off / (2 * Math.PI)));
    if (winding < 2.5) turned++;
  }
  // The noise of 0.5 blurs the ends of the interval alone; inside it the law is uniform.
  const inside = radii.filter((radius) => radius > a + 2 && radius < b - 2);
  t.true(kolmogorovSmirnov(inside, (radius) => (radius - a - 2) / (b - a - 4)) < 2.2);
  t.true(turned > 0.999 * count, String(turned));
});

test('eight Gaussians have the law of their mixture, and the classes are its components', (t) => {
  const { data, labels } = toys['eight-gaussians'].sample(count);
  const radius = Math.sqrt(1 / (1 / 2 + 1 / 64));
  for (const which of [0, 1] as const) {
    const trig = which === 0 ? Math.cos : Math.sin;
    const normalised = axis(data, which).map(
      (x, i) => (x - radius * trig((labels![i]! * Math.PI) / 4)) / (radius / 8),
    );
    t.true(kolmogorovSmirnov(normalised.slice(0, 4000), normalDistribution) < 2.2);
  }
  const { means, covariances } = eightGaussians();
  t.is(means.length, 8);
  t.true(Math.abs(covariances[3]!.trace - (2 * radius ** 2) / 64) < 1e-12);
  t.deepEqual(
    toys['eight-gaussians'].logDensity!(data.slice(0, 8)),
    eightGaussians().logDensity(data.slice(0, 8)),
  );
});

test('a toy is a data set by its name, with a test set of other points', async (t) => {
  const train = await loadData('two-moons', { split: 'train' });
  const held = await loadData('two-moons');
  t.deepEqual(
    [train.shape, held.shape],
    [
      [200_000, 2],
      [10_000, 2],
    ],
  );
  t.deepEqual(held.data.slice(0, 2), toys['two-moons'].sample(1, { first: 200_000 }).data);
});
