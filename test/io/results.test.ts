import test from 'ava';
import { encodeCsv } from '../../src/io/csv.js';
import { binned, histogramPng } from '../../src/io/histogram.js';
import sharp from 'sharp';

test('numbers in CSV are read back unchanged', (t) => {
  const values = Float64Array.of(0.1 + 0.2, -1e-300, 1 / 3);
  const [names, ...lines] = encodeCsv({ index: Int32Array.of(0, 1, 2), value: values }).split('\r\n');
  t.is(names, 'index,value');
  t.is(lines.pop(), '');
  t.deepEqual(
    lines.map((line) => line.split(',').map(Number)),
    Array.from(values, (value, i) => [i, value]),
  );
});

test('the bins of a histogram hold every value once, also of equal values', (t) => {
  const values = Float64Array.from({ length: 1000 }, (_, i) => Math.sin(i) ** 3);
  const { low, width, counts } = binned(values);
  t.is(
    counts.reduce((a, b) => a + b),
    1000,
  );
  const second = Array.from(values).filter((x) => x >= low + width && x < low + 2 * width);
  t.is(counts[1], second.length);
  // Width 2 IQR / n^(1/3), rounded so that bins fill the extent.
  t.true(Math.abs(width / ((2 * 0.7071) / 10) - 1) < 0.1);
  t.deepEqual(binned([2, 2, 2]).counts, [3]);
});

test('a histogram is a picture of one size for any values', async (t) => {
  for (const values of [[3], [1, 2, 2.5], [-1e-9, 1e-9]]) {
    const { format, width, height } = await sharp(
      await histogramPng({ values, label: 'bits/dim & <more>', title: 'a' }),
    ).metadata();
    t.deepEqual({ format, width, height }, { format: 'png', width: 640, height: 420 });
  }
});
