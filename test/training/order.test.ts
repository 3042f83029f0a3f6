import test from 'ava';

import { drawFlips, DataOrder } from '../../src/training/order.js';

test('every epoch is a permutation of its own', (t) => {
  const count = 101;
  const order = new DataOrder(count, 5n);
  const epochs = [0, 1, 2].map((epoch) => [...order.samples(epoch * count, count)]);
  for (const epoch of epochs) {
    t.deepEqual(
      epoch.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i),
    );
  }
  t.notDeepEqual(epochs[0], epochs[1]);
  t.notDeepEqual([...new DataOrder(count, 6n).samples(0, count)], epochs[0]);
});

test('the order is a function of seed and position, whatever was asked before', (t) => {
  const whole = new DataOrder(10, 3n).samples(0, 45);
  const order = new DataOrder(10, 3n);
  for (const [first, length] of [
    [37, 8],
    [0, 3],
    [8, 14],
    [25, 1],
  ] as const)
    t.deepEqual(order.samples(first, length), whole.slice(first, first + length));
});

test('every permutation is as likely as the others', (t) => {
  const epochs = 12_000;
  const counts = new Map<string, number>();
  const order = new DataOrder(4, 1n);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const permutation = order.samples(4 * epoch, 4).join('');
    counts.set(permutation, (counts.get(permutation) ?? 0) + 1);
  }
  const expected = epochs / 24;
  const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  t.is(counts.size, 24);
  // The 0.999 quantile of chi-squared with 23 degrees of freedom.
  t.true(chi2 < 49.7, `${chi2}`);
});

test('half of the images are mirrored, as a function of seed and position', (t) => {
  const whole = drawFlips(0, 10_000, 9n);
  const mirrored = whole.reduce((sum, flip) => sum + flip, 0);
  t.true(Math.abs(mirrored - 5000) < 4 * 50, `${mirrored}`);
  t.deepEqual(drawFlips(123, 77, 9n), whole.slice(123, 200));
  t.notDeepEqual(drawFlips(0, 100, 8n), whole.slice(0, 100));
});
