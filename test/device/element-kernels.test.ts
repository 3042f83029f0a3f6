// What reads or rearranges elements: sums, bounds, rows, errors, spreads, bytes.
import test from 'ava';

import type { State } from '../../src/device/binding.js';
import { fromBytes, toBytes } from '../../src/device/bytes.js';
import { clip, threshold, dots, gather, matchSpread, scaledErrors } from '../../src/device/kernels.js';
import { assertClose, float32, float64, shapes } from '../support/kernel-values.js';

for (const [batch, size] of shapes) {
  const n = batch * size;

  test(`dots are summed in double precision at ${batch} x ${size}`, (t) => {
    const pairs: [State, State][] = [
      [float32(n, 1), float32(n, 2)],
      [float64(n, 1), float64(n, 2)],
      [float64(n, 1), float32(n, 2)],
      [float32(n, 1), float64(n, 2)],
    ];
    for (const [a, b] of pairs) {
      const out = new Float64Array(batch);
      dots(a, b, out);
      const expected = out.map((_, s) => {
        let sum = 0;
        for (let i = s * size; i < (s + 1) * size; i++) sum += a[i]! * b[i]!;
        return sum;
      });
      assertClose(t, out, expected, 1e-12);
    }
  });

  test(`clipping keeps what lies between the bounds, and NaN, at ${batch} x ${size}`, (t) => {
    for (const x of [float32(n, 1), float64(n, 1)]) {
      x.set([NaN, Infinity, -Infinity, -0].slice(0, n));
      const [low, high] = [-0.25, 0.5];
      const expected = x.map((v) => Math.min(Math.max(v, low), high));
      clip(x, low, high);
      t.deepEqual([...x], [...expected]);
      const untouched = x.slice();
      clip(x, -Infinity, Infinity);
      t.deepEqual([...x], [...untouched]);
    }
  });

  test(`thresholding brings the quantile of every sample to the bound, and clips, at ${batch} x ${size}`, (t) => {
    for (const quantile of [0, 0.3, 0.95, 1]) {
      const x = float64(n, 1);
      const [low, high] = [-0.25, 0.5];
      const expected = x.slice();
      for (let b = 0; b < batch; b++) {
        const sample = expected.subarray(b * size, (b + 1) * size);
        const sorted = sample.map((v) => Math.abs(v - 0.125)).sort();
        const place = quantile * (size - 1);
        const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
        const bound = Math.max(0.375, below + (place - Math.floor(place)) * (above - below));
        sample.forEach((v, e) => {
          sample[e] = Math.min(high, Math.max(low, 0.125 + ((v - 0.125) * 0.375) / bound));
        });
      }
      const single = Float32Array.from(x);
      threshold(x, batch, [low, high], quantile);
      assertClose(t, x, expected, 1e-14);
      threshold(single, batch, [low, high], quantile);
      assertClose(t, Float64Array.from(single), expected, 1e-6);
    }
    const odd = float32(n, 1).fill(NaN, 0, 1);
    threshold(odd, batch, [-1, 1], 0.5);
    t.true(Number.isNaN(odd[0]));
  });

  test(`rows are gathered in any order, some of them twice, at ${batch} x ${size}`, (t) => {
    for (const x of [float32(n, 1), float64(n, 1)]) {
      const rows = Int32Array.from({ length: batch + 1 }, (_, i) => (5 * i + 2) % batch);
      const expected = [...rows].flatMap((row) => [...x.subarray(row * size, (row + 1) * size)]);
      const out = new (x.constructor as typeof Float64Array)((batch + 1) * size);
      gather(out, x, rows);
      t.deepEqual([...out], expected);
    }
  });

  test(`errors in units of the tolerance have the bits of the loop in JavaScript at ${batch} x ${size}`, (t) => {
    const [error, before, after] = [float64(n, 1), float64(n, 2), float64(n, 3)];
    const [atol, rtol] = [1e-5, 1e-3];
    const expected = Float64Array.from({ length: batch }, (_, b) => {
      let sum = 0;
      for (let e = b * size; e < (b + 1) * size; e++) {
        const scaled = error[e]! / (atol + rtol * Math.max(Math.abs(before[e]!), Math.abs(after[e]!)));
        sum += scaled * scaled;
      }
      return sum / size;
    });
    const out = new Float64Array(batch);
    scaledErrors(error, before, after, atol, rtol, out);
    t.deepEqual(out, expected);
    for (const scale of ['sum', 'larger'] as const) {
      const squares = error.map((value, i) => {
        const relative = rtol * Math.max(Math.abs(before[i]!), Math.abs(after[i]!));
        return (value / (scale === 'sum' ? atol + relative : Math.max(atol, relative))) ** 2;
      });
      const of = (b: number) => squares.subarray(b * size, (b + 1) * size);
      scaledErrors(error, before, after, atol, rtol, out, { scale });
      t.deepEqual(
        out,
        out.map((_, b) => of(b).reduce((sum, x) => sum + x, 0) / size),
      );
      scaledErrors(error, before, after, atol, rtol, out, { scale, norm: 'max' });
      t.deepEqual(
        out,
        out.map((_, b) => of(b).reduce((most, x) => Math.max(most, x), 0)),
      );
    }
    for (const array of [error, before, after]) {
      const value = array[n - 1]!;
      array[n - 1] = NaN;
      for (const measure of [{}, { scale: 'larger' }, { norm: 'max' }] as const) {
        scaledErrors(error, before, after, atol, rtol, out, measure);
        t.is(out[batch - 1], NaN);
      }
      array[n - 1] = value;
    }
  });

  test(`samples get the share of the spread of others at ${batch} x ${size}`, (t) => {
    const [x, reference] = [float64(n, 1), float64(n, 2).map((value) => 3 * value + 5)];
    const deviation = (values: Float64Array) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / size;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size);
    };
    const shares = Float64Array.from({ length: batch }, (_, b) => b / batch);
    const found = x.slice();
    matchSpread(found, reference, shares);
    const single = Float32Array.from(x);
    matchSpread(single, Float32Array.from(reference), shares);
    for (let b = 0; b < batch; b++) {
      const own = x.subarray(b * size, (b + 1) * size);
      const ratio = deviation(reference.subarray(b * size, (b + 1) * size)) / deviation(own);
      const factor = size === 1 ? 1 : 1 + shares[b]! * (ratio - 1);
      own.forEach((value, e) => {
        const near = (got: number, by: number) =>
          Math.abs(got - factor * value) <= by * Math.abs(factor * value);
        if (!near(found[b * size + e]!, 1e-12)) t.fail(`${found[b * size + e]} is not ${factor * value}`);
        if (!near(single[b * size + e]!, 1e-5)) t.fail(`${single[b * size + e]} is not ${factor * value}`);
      });
    }
    const even = new Float64Array(n).fill(2);
    matchSpread(even, reference, shares);
    t.true(
      even.every((value) => value === 2),
      'what is even has no spread',
    );
  });
}

test('bytes round to nearest, ties to even, and clamp', (t) => {
  const x = Float32Array.of(-3, 0.5, 1.5, 2.5, 254.5, 255.4, 1000, NaN, Infinity, -Infinity);
  const out = new Uint8Array(x.length);
  toBytes(x, 0, 255, out);
  t.deepEqual([...out], [0, 0, 2, 2, 254, 255, 255, 0, 255, 0]);
});

test('every byte survives the way to floats and back', (t) => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const [low, high] of [
    [0, 1],
    [-1, 1],
    [-0.5, 0.5],
    [0, 255],
    [-2.1, 2.6],
  ] as const) {
    const floats = new Float32Array(256);
    const back = new Uint8Array(256);
    fromBytes(bytes, low, high, floats);
    assertClose(
      t,
      floats,
      Array.from(bytes, (b) => low + ((high - low) * b) / 255),
      1e-6,
    );
    toBytes(floats, low, high, back);
    t.deepEqual(back, bytes);
  }
});
