import test from 'ava';
import sharp from 'sharp';
import { averaged, chartPng } from '../../src/io/chart.js';
import { panelsPng } from '../../src/io/panels.js';

/** Colour of a pixel of a PNG file. */
async function pixels(png: Uint8Array): Promise<(x: number, y: number) => [number, number, number]> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return (x, y) => {
    const at = 3 * (y * info.width + x);
    return [data[at]!, data[at + 1]!, data[at + 2]!];
  };
}

/** Pixels of a column of the plot that have about this colour, as their mean height. */
function heightAt(colour: (x: number, y: number) => number[], x: number, of: readonly number[]): number {
  const rows = Array.from({ length: 440 }, (_, y) => y).filter((y) =>
    colour(x, y).every((value, c) => Math.abs(value - of[c]!) < 40),
  );
  return rows.reduce((a, b) => a + b, 0) / rows.length;
}

const navy = [8, 48, 107];

test('a curve over more than a factor of 3 has a logarithmic axis, else a linear one', async (t) => {
  const x = Array.from({ length: 101 }, (_, i) => i);
  // An exponential is a straight line on a logarithmic axis: its middle lies halfway between its ends.
  const decay = { label: 'loss', x, y: x.map((v) => Math.exp(-v / 20)) };
  const logarithmic = await pixels(await chartPng({ title: 'a', label: 'step', curves: [decay] }));
  const heights = [70, 315, 560].map((px) => heightAt(logarithmic, px, navy));
  t.true(Math.abs((heights[0]! + heights[2]!) / 2 - heights[1]!) < 5, heights.join());
  const line = { label: 'loss', x, y: x.map((v) => 100 + v) };
  const linear = await pixels(await chartPng({ title: 'a', label: 'step', curves: [line] }));
  const straight = [70, 315, 560].map((px) => heightAt(linear, px, navy));
  t.true(Math.abs((straight[0]! + straight[2]!) / 2 - straight[1]!) < 5, straight.join());
  t.true(straight[0]! > straight[2]! + 200);
});

test('a chart is a picture of one size for any values', async (t) => {
  const charts = [
    { x: [], y: [] },
    { x: [3], y: [0.5] },
    { x: [1, 2], y: [-1, NaN] },
    { x: [1, 2, 3], y: [1e-9, 1, 1e9] },
  ];
  for (const curve of charts) {
    const png = await chartPng({ title: 'a & b', label: '<step>', curves: [{ label: 'loss', ...curve }] });
    const { format, width, height } = await sharp(png).metadata();
    t.deepEqual({ format, width, height }, { format: 'png', width: 720, height: 440 });
  }
});

test('many points of a curve are averaged in runs, and those that are not finite are left out', (t) => {
  const x = Float64Array.from({ length: 960 }, (_, i) => i);
  const y = x.map((v) => 2 * v);
  y[1] = NaN;
  const points = averaged({ x, y });
  t.is(points.length, 240);
  t.deepEqual(points[0], [(0 + 2 + 3 + 4) / 4, (0 + 4 + 6 + 8) / 4]);
  t.deepEqual(averaged({ x: [1, 2], y: [Infinity, 3] }), [[2, 3]]);
});

test('panels show a density from the top row down, dots where points lie, and arrows as the field points', async (t) => {
  const density = new Float64Array(16 * 16);
  density.fill(1, 0, 16 * 4); // The upper quarter.
  const view = { left: 0, bottom: 0, extent: 1 };
  const field = { places: Float32Array.of(0.5, 0.5), vectors: Float32Array.of(1, 0) };
  const png = await panelsPng({
    panels: [
      { title: 'density', density },
      { title: 'points', points: Float32Array.of(0.25, 0.75) },
      { title: 'field', field },
    ],
    view,
    columns: 2,
  });
  const { width, height } = await sharp(png).metadata();
  t.deepEqual([width, height], [44 + 280 + 18 + 280 + 16, 36 + 280 + 44 + 280 + 32]);
  const colour = await pixels(png);
  // Blue at the top of the first panel, white at its bottom.
  t.deepEqual([colour(184, 56)[0] < 150, colour(184, 296)], [true, [255, 255, 255]]);
  t.true(colour(44 + 298 + 70, 36 + 70)[0] < 200);
  // The arrow goes right from the middle of the third panel, and not left.
  const [x, y] = [44 + 140, 36 + 324 + 140];
  t.deepEqual([colour(x + 4, y)[2] < 200, colour(x - 4, y)], [true, [255, 255, 255]]);
});
