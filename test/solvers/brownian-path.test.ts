import test from 'ava';
import { Stream } from '../../src/device/binding.js';
import { cpu } from '../../src/device/cpu.js';
import { BrownianPath } from '../../src/solvers/brownian-path.js';

const width = 20_000;

/** The path of some samples, and their increments to times of their own. */
function pathOf(samples: number, first = 0) {
  const noise = (attempt: number) => ({ seed: 3n, samples: first, step: attempt, stream: Stream.bridge });
  const path = new BrownianPath({ device: cpu, samples, width, noise });
  const rows = Int32Array.from({ length: samples }, (_, row) => row);
  let attempt = 0;
  const draw = (...times: number[]) => {
    const drawn = path.draw(rows.subarray(0, times.length), Float64Array.from(times), attempt++);
    return Array.from(times, (_, i) =>
      (drawn as Float64Array).slice(i * width, (i + 1) * width),
    ) as Float64Array[];
  };
  return { path, draw };
}

const mean = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0) / a.length;

test('a path asked for in any order has the covariance of Brownian motion', (t) => {
  const { draw } = pathOf(1);
  const times = [1, 0.4, 0.7, 0.1, 0.55, 1.5, 0.05];
  const values = times.map((time) => draw(time)[0]!);
  for (const [i, a] of times.entries()) {
    const average = values[i]!.reduce((sum, x) => sum + x, 0) / width;
    t.true(Math.abs(average) < 4 * Math.sqrt(a / width), `mean at ${a}`);
    for (const [j, b] of times.entries()) {
      const covariance = Math.min(a, b);
      const error = Math.sqrt((a * b + covariance ** 2) / width);
      const measured = mean(values[i]!, values[j]!);
      t.true(Math.abs(measured - covariance) < 4 * error, `${a}, ${b}: ${measured}`);
    }
  }
});

test('between two known points the law is that of the bridge', (t) => {
  const { draw } = pathOf(1);
  const [end] = draw(2) as [Float64Array];
  const [inside] = draw(0.5) as [Float64Array];
  const rest = inside.map((x, i) => x - end[i]! / 4);
  t.true(Math.abs(mean(rest, end)) < 4 * Math.sqrt((0.375 * 2) / width));
  t.true(Math.abs(mean(rest, rest) - 0.375) < 4 * 0.375 * Math.sqrt(2 / width));
});

test('what was drawn stays, for steps that come later too', (t) => {
  const { path, draw } = pathOf(1);
  const [end] = draw(1) as [Float64Array];
  const [half] = draw(0.5) as [Float64Array];
  const [first] = draw(0.125) as [Float64Array];
  path.reach(0, 0.125);
  const [toHalf] = draw(0.5) as [Float64Array];
  path.reach(0, 0.5);
  const [toEnd] = draw(1) as [Float64Array];
  for (let i = 0; i < 100; i++) {
    t.true(Math.abs(first[i]! + toHalf[i]! - half[i]!) < 1e-14);
    t.true(Math.abs(half[i]! + toEnd[i]! - end[i]!) < 1e-14);
  }
});

test('samples have paths of their own, which others do not change', (t) => {
  const all = pathOf(2, 5);
  const alone = pathOf(1, 5);
  // The other one is rejected again and again, and needs more room.
  const pairs = [1, 1, 1, 0.8, 0.3, 0.2].map((time, k) => [time, 0.9 ** k] as const);
  for (const [time, other] of pairs) {
    const [here] = all.draw(time, other);
    t.deepEqual(here, alone.draw(time)[0]);
  }
  const [a, b] = all.draw(1, 1) as [Float64Array, Float64Array];
  t.true(Math.abs(mean(a, b)) < 4 / Math.sqrt(width));
});
