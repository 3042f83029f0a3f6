import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { DataError, OutputError } from '../../src/errors.js';
import { assertWritable, writeAtomically, writeFolder } from '../../src/io/atomic.js';
import {
  decodePixels,
  pictureValues,
  readImage,
  encodePixels,
  writeAnimation,
  writeImageFolder,
  writeImageGrid,
} from '../../src/io/image.js';
import { scatterPng } from '../../src/io/scatter.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-io-'));
test.after.always(() => rm(folder, { recursive: true }));

test('a file is replaced whole, and nothing else is left', async (t) => {
  const path = join(await mkdtemp(join(folder, 'atomic-')), 'a.txt');
  await writeAtomically(path, 'old');
  await writeAtomically(path, 'new');
  t.is(await readFile(path, 'utf8'), 'new');
  t.deepEqual(await readdir(join(path, '..')), ['a.txt']);
});

test('an output that cannot be written names the path and the reason', async (t) => {
  const empty = await mkdtemp(join(folder, 'output-'));
  const path = join(empty, 'no', 'such', 'a.txt');
  const message = `Cannot write ${path}: its folder does not exist.`;
  await t.throwsAsync(writeAtomically(path, ''), { instanceOf: OutputError, message });
  await t.throwsAsync(assertWritable(path), { instanceOf: OutputError, message });
  const taken = join(empty, 'taken');
  await mkdir(taken);
  await t.throwsAsync(writeAtomically(taken, ''), { message: /a folder of this name exists/ });
  t.deepEqual(await readdir(empty), ['taken']);
});

test('a folder is written whole, and files of other names in it stay', async (t) => {
  const path = join(folder, 'set');
  await writeFolder(`${path}/`, new Map([['1', Buffer.from('one')]]));
  await writeFolder(path, new Map([['2', Buffer.from('two')]]));
  t.deepEqual(await readdir(path), ['1', '2']);
});

test('bytes survive the way through the range of a model and back', (t) => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const range of [
    [0, 1],
    [-1, 1],
  ] as const)
    t.deepEqual(encodePixels(decodePixels(bytes, range), range), bytes);
  t.deepEqual(encodePixels(Float32Array.of(-9, -1, 0, 1, 9), [-1, 1]), Uint8Array.of(0, 0, 128, 255, 255));
});

for (const channels of [1, 3] as const) {
  test(`images of ${channels} channel(s) survive a folder of PNG files`, async (t) => {
    const shape = [2, channels, 3, 5];
    const samples = Float32Array.from({ length: 2 * channels * 15 }, (_, i) => i);
    const path = join(folder, `images-${channels}`);
    await writeImageFolder(path, { samples, shape, range: [0, 255] }, 7);
    t.deepEqual(await readdir(path), ['000007.png', '000008.png']);
    const picture = await readImage(join(path, '000008.png'));
    t.like(picture, { width: 5, height: 3, channels });
    t.deepEqual(pictureValues(picture, [0, 255]), samples.slice(samples.length / 2));
  });
}

test('a grid shows the samples in reading order, magnified by a whole factor', async (t) => {
  const path = join(folder, 'grid.png');
  await writeImageGrid(path, { samples: Float32Array.of(-1, 0, 1), shape: [3, 1, 1, 1], range: [-1, 1] });
  const { data, width } = await readImage(path);
  const cell = (row: number, column: number): number => data[(row * 253 + 100) * width + column * 253 + 100]!;
  t.is(width, 2 * 253 + 6);
  t.deepEqual([cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)], [0, 128, 255, 128]);
});

test('an animation has one page per frame', async (t) => {
  const path = join(folder, 'a.webp');
  const frame = { samples: new Float32Array(4 * 3 * 64), shape: [4, 3, 8, 8], range: [0, 1] as const };
  await writeAnimation(
    path,
    [0, 0.5, 1].map((grey) => ({ ...frame, samples: frame.samples.map(() => grey) })),
  );
  const { pages, delay, loop } = await sharp(path).metadata();
  t.deepEqual({ pages, delay, loop }, { pages: 3, delay: [60, 60, 2000], loop: 0 });
});

test('a picture is scaled to cover the size asked for and cropped at both sides', async (t) => {
  const path = join(folder, 'wide.png');
  const data = Uint8Array.from({ length: 40 * 20 * 3 }, (_, i) => (Math.floor(i / 3) % 40 < 10 ? 255 : 51));
  await sharp(data, { raw: { width: 40, height: 20, channels: 3 } })
    .png()
    .toFile(path);
  const picture = await readImage(path, { size: [20, 20], channels: 1 });
  t.like(picture, { width: 20, height: 20, channels: 1 });
  t.true(picture.data.every((value) => value === 51));
  await writeFile(join(folder, 'text.png'), 'no picture');
  await t.throwsAsync(readImage(join(folder, 'text.png')), { instanceOf: DataError, message: /text\.png/ });
});

test('a scatter picture shades where the points lie', async (t) => {
  const points = Float32Array.from({ length: 400 }, (_, i) => (i < 200 ? -1 : 1) + 0.05 * Math.sin(i * i));
  const png = await scatterPng({ points, paths: [points.map((value) => 2 * value)] });
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const brightness = (x: number, y: number): number => data[(y * info.width + x) * info.channels]!;
  // Two clusters on the diagonal, so that its middle and the other corners stay white.
  const [left, top, right, bottom] = [98, 556, 582, 60];
  t.true(brightness(left, top) < 200 && brightness(right, bottom) < 200);
  t.is(brightness(left, bottom), 255);
  t.is(brightness(right, top), 255);
});
