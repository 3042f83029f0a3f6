import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { decodeNpy } from '../../src/io/npy.js';
import { decodeNpz } from '../../src/io/npz.js';
import { modelBytes } from '../../src/onnx/file/model.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixturePosterior } from '../../src/score/mixture/posterior.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { moments } from '../support/gaussian.js';
import { standardNormal } from '../support/latent-networks.js';
import { byMatrix, digits, restorationFolder, mixtureSpec } from '../support/restoration-files.js';

const { folder, fastsde, write } = await restorationFolder();
test.after.always(() => rm(folder, { recursive: true }));
const conditional = embeddedModel('conditional');
test.before(async () => {
  const white = sharp({ create: { width: 28, height: 28, channels: 3, background: '#fff' } });
  const hole = {
    input: { create: { width: 10, height: 28, channels: 3, background: '#000' } },
    left: 0,
    top: 0,
  } as const;
  await white.composite([hole]).png().toFile(join(folder, 'mask.png'));
});

const short = ['--steps', '3', '--json', '--quiet'];

test.serial('inpaint: bytes in, pictures of that size out, and what is known is kept', async (t) => {
  const flags = ['--data', 'digits.npy', '--mask', 'mask.png', '--count', '2', ...short];
  const { code, stdout, stderr } = await fastsde(['inpaint', ...flags, '--output', 'filled/']);
  t.is(code, 0, stderr);
  const { shape, options } = JSON.parse(stdout) as { shape: number[]; options: Record<string, unknown> };
  t.deepEqual(shape, [2, 2, 1, 28, 28]);
  t.like(options, { method: 'replacement', operator: { name: 'inpainting', known: 504 } });
  const files = (await readdir(join(folder, 'filled'))).filter((file) => file.endsWith('.png')).sort();
  t.is(files.length, 4);
  for (const [n, file] of files.entries()) {
    const { data, info } = await sharp(join(folder, 'filled', file))
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    t.is(`${info.width} x ${info.height}`, '28 x 28');
    const original = digits.subarray(784 * Math.floor(n / 2));
    t.true(data.every((byte, i) => i % 28 < 10 || byte === original[i]));
  }
});

test.serial(
  'inpaint: a row for each picture, and the same samples whichever pictures go with it',
  async (t) => {
    const flags = ['--data', 'digits.npy', '--mask', 'half:bottom', '--count', '3', ...short];
    t.is((await fastsde(['inpaint', ...flags, '--output', 'row.png'])).code, 0);
    const { width, height } = await sharp(join(folder, 'row.png')).metadata();
    t.is(width / height > 2, true, `${width} x ${height}: the original, what is known, and three samples`);
    t.is((await fastsde(['inpaint', ...flags, '--output', 'both.npy'])).code, 0);
    t.is(
      (await fastsde(['inpaint', ...flags, '--first', '1', '--batch', '2', '--output', 'second.npy'])).code,
      0,
    );
    const read = async (name: string) => decodeNpy(await readFile(join(folder, name)));
    const [both, second] = [await read('both.npy'), await read('second.npy')];
    t.deepEqual(second.shape, [1, 3, 1, 28, 28]);
    const off = Math.max(
      ...Array.from(second.data as Float32Array, (value, i) =>
        Math.abs(value - Number(both.data[3 * 784 + i])),
      ),
    );
    t.true(off < 1e-4, String(off));
  },
);

test.serial('restore: originals are measured, or the data are what was measured', async (t) => {
  const flags = [
    '--operator',
    'downsample:4',
    '--noise',
    '0.1',
    '--method',
    'replacement',
    '--count',
    '1',
    ...short,
  ];
  const { code, stdout } = await fastsde(['restore', '--data', 'digits.npy', ...flags]);
  t.is(code, 0);
  t.like(JSON.parse(stdout), { output: 'restored.png', shape: [2, 1, 1, 28, 28] });
  await write('small.npy', digits.subarray(0, 98), [2, 1, 7, 7]);
  const small = await fastsde([
    'restore',
    '--data',
    'small.npy',
    '--measured',
    ...flags,
    '--output',
    'large.npy',
  ]);
  t.is(small.code, 0, small.stderr);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'large.npy'))).shape, [2, 1, 1, 28, 28]);
  const wrong = await fastsde(['restore', '--data', 'digits.npy', '--measured', ...flags]);
  t.is(wrong.code, 1);
  t.regex(
    wrong.stderr,
    /The data have shape \[1, 28, 28\], and a measurement by downsample:4 has \[1, 7, 7\]/,
  );
});

test.serial('restore: samples of the posterior of a mixture, a row for each measurement', async (t) => {
  const count = 400;
  const flags = ['--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'A.npy', '--noise', '0.5'];
  const method = [
    '--method',
    'smc',
    '--particles',
    '8',
    '--steps',
    '60',
    '--batch',
    '6400',
    '--count',
    String(count),
  ];
  const run = await fastsde([
    'restore',
    ...flags,
    ...method,
    '--output',
    'posterior.npy',
    '--json',
    '--quiet',
  ]);
  t.is(run.code, 0, run.stderr);
  const { logEvidence } = JSON.parse(run.stdout) as { logEvidence: number[] };
  t.is(logEvidence.length, 2 * count);
  const { data, shape } = decodeNpy(await readFile(join(folder, 'posterior.npy')));
  t.deepEqual(shape, [2, count, 2]);
  for (const [n, y] of [0.3, -0.8].entries()) {
    const observation = { matrix: [[0.5, 1]], value: [y], noise: 0.25 };
    const truth = mixturePosterior(new GaussianMixture(mixtureSpec), observation);
    for (const axis of [0, 1]) {
      const own = (data as Float32Array)
        .subarray(2 * count * n, 2 * count * (n + 1))
        .filter((_, i) => i % 2 === axis);
      const error = Math.sqrt(truth.variances()[axis]! / count);
      t.true(Math.abs(moments(own).mean - truth.mean()[axis]!) < 4.5 * error, `${y} ${axis}`);
    }
  }
});

test.serial('restore: a measurement by a network, which is not linear', async (t) => {
  const flags = ['--mixture', 'mixture.json', '--data', 'two.npy', '--operator', 'square.onnx', '--measured'];
  const method = ['--noise', '0.2', '--method', 'smc', '--particles', '8', '--steps', '30', '--count', '20'];
  const run = await fastsde(['restore', ...flags, ...method, '--output', 'roots.npy', '--json', '--quiet']);
  t.is(run.code, 0, run.stderr);
  const { data } = decodeNpy(await readFile(join(folder, 'roots.npy')));
  const roots = moments(Float32Array.from(data as Float32Array, (x) => x * x).filter((_, i) => i % 2 === 0));
  t.true(Math.abs(roots.mean - 0.8) < 0.25, `${roots.mean}`);
});

test.serial('inpaint: with the class of each picture, and guided', async (t) => {
  await write('classes.npy', Uint8Array.of(3, 7), [2]);
  const flags = [
    'inpaint',
    '--data',
    'digits.npy',
    '--mask',
    'half:top',
    '--method',
    'mmps',
    '--iterations',
    '1',
  ];
  const run = [...flags, '--count', '1', '--guidance', '2', ...short, '--output'];
  const all = await fastsde([...run, 'guided.npy', '--data-labels', 'classes.npy']);
  t.is(all.code, 0, all.stderr);
  const { counts, options } = JSON.parse(all.stdout) as {
    counts: { networks: object };
    options: Record<string, object>;
  };
  t.deepEqual(counts.networks, { network: 4, unconditional: 4, derivative: 4 });
  t.like(options, { guidance: { kind: 'classifier-free', scale: 2 } });
  const seven = await fastsde([...run, 'seven.npy', '--class', '7']);
  t.is(seven.code, 0, seven.stderr);
  const read = async (name: string) => decodeNpy(await readFile(join(folder, name))).data as Float32Array;
  const [guided, sevens] = [await read('guided.npy'), await read('seven.npy')];
  const off = (from: number) =>
    guided.slice(from, from + 784).reduce((most, x, e) => Math.max(most, Math.abs(x - sevens[from + e]!)), 0);
  t.true(off(0) > 0.05, 'the first is a three, or a seven');
  t.true(off(784) < 1e-4, 'the second is a seven');
});

test.serial('a picture whose class nobody tells is of the label for none', async (t) => {
  const flags = [
    'inpaint',
    conditional,
    '--data',
    'digits.npy',
    '--mask',
    'half:top',
    '--limit',
    '1',
    '--count',
    '1',
  ];
  const run = [...flags, ...short, '--output'];
  const untold = await fastsde([...run, 'untold.npy']);
  t.is(untold.code, 0, untold.stderr);
  t.is((await fastsde([...run, 'class-10.npy', '--class', '10'])).code, 0);
  t.deepEqual(await readFile(join(folder, 'untold.npy')), await readFile(join(folder, 'class-10.npy')));
});

test.serial('the way of samples, as arrays and as an animation', async (t) => {
  const flags = ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--count', '2', '--steps', '5'];
  const kept = await fastsde([...flags, '--trajectory', '2', '--output', 'way.npz', '--json', '--quiet']);
  t.is(kept.code, 0, kept.stderr);
  const arrays = decodeNpz(await readFile(join(folder, 'way.npz')));
  t.deepEqual(arrays['samples']?.shape, [2, 2, 1, 28, 28]);
  t.deepEqual(arrays['trajectory']?.shape, [3, 2, 2, 1, 28, 28]);
  t.deepEqual(Array.from(arrays['steps']!.data, Number), [0, 2, 4]);
  // The known half goes from noise alone to what is known: its distance falls.
  const states = arrays['trajectory']!.data as Float32Array;
  const distance = (k: number): number => {
    let sum = 0;
    for (let e = 392; e < 784; e++) sum += (states[4 * 784 * k + e]! - (digits[e]! / 127.5 - 1)) ** 2;
    return sum;
  };
  t.true(distance(0) > distance(1) && distance(1) > distance(2) && distance(2) > 0);

  const moving = await fastsde([...flags, '--output', 'way.webp', '--quiet']);
  t.is(moving.code, 0, moving.stderr);
  const { pages, width, pageHeight } = await sharp(join(folder, 'way.webp'), { animated: true }).metadata();
  t.is(pages, 6, 'a frame for each step, and the samples');
  t.true(width / pageHeight! > 1.9, 'two rows of original, known and two samples');

  const plane = await fastsde([...byMatrix, '--steps', '4', '--trajectory', '1', '--output', 'way.png']);
  t.is(plane.code, 0, plane.stderr);
});

test.serial('parts of a run are those of the undivided one, in folders of their own or in one', async (t) => {
  const run = [
    ...byMatrix,
    '--noise',
    '0.5',
    '--count',
    '5',
    '--batch',
    '2',
    '--method',
    'mmps',
    '--steps',
    '4',
    '--json',
    '--quiet',
  ];
  t.is((await fastsde([...run, '--output', 'whole.npy'])).code, 0);
  const parts = ['0/3', '1/3', '2/3'];
  const sizes: number[] = [];
  for (const [i, part] of parts.entries())
    for (const place of [`part-${i}/`, 'parts/']) {
      const { code, stdout, stderr } = await fastsde([...run, '--shard', part, '--output', place]);
      t.is(code, 0, stderr);
      if (place !== 'parts/') sizes.push((JSON.parse(stdout) as { shape: number[] }).shape[0]!);
    }
  t.deepEqual(sizes, [2, 4, 4], '10 samples in 5 batches, cut between batches');
  const whole = decodeNpy(await readFile(join(folder, 'whole.npy'))).data;
  for (const places of [parts.map((_, i) => `part-${i}/`), ['parts/']]) {
    t.is((await fastsde(['merge', ...places, '--output', 'joined.npy'])).code, 0);
    const { data, shape } = decodeNpy(await readFile(join(folder, 'joined.npy')));
    t.deepEqual(shape, [10, 2]);
    t.deepEqual(data, whole);
  }
});

test.serial('colorize: grey is kept, and colours are as the network has them', async (t) => {
  // Of standard normal pictures, colours are standard normal whatever their grey is.
  await writeFile(join(folder, 'normal.onnx'), modelBytes(standardNormal([3, 2, 2])));
  const originals = Float32Array.from({ length: 24 }, (_, i) => Math.sin(5 * i));
  await write('normal.npy', originals, [2, 3, 2, 2]);
  const flags = ['normal.onnx', '--data', 'normal.npy', '--count', '200', '--method', 'mmps', '--quiet'];
  const run = await fastsde(['colorize', ...flags, '--output', 'coloured.npy']);
  t.is(run.code, 0, run.stderr);
  const { data, shape } = decodeNpy(await readFile(join(folder, 'coloured.npy')));
  t.deepEqual(shape, [2, 200, 3, 2, 2]);
  const pixel = (from: ArrayLike<number>, n: number, p: number) => [0, 4, 8].map((c) => from[12 * n + c + p]!) as [number, number, number]; // prettier-ignore
  const colours: number[] = [];
  for (let n = 0; n < 400; n++)
    for (let p = 0; p < 4; p++) {
      const [r, g, b] = pixel(data as Float32Array, n, p);
      const [red, green, blue] = pixel(originals, Math.floor(n / 200), p);
      t.true(Math.abs(r + g + b - (red + green + blue)) < 0.02);
      colours.push((r - b) / Math.SQRT2, (r - 2 * g + b) / Math.sqrt(6));
    }
  const { mean, std } = moments(colours);
  t.true(Math.abs(mean) < 4 / Math.sqrt(3200), String(mean));
  t.true(Math.abs(std - 1) < 0.01 + 4 / Math.sqrt(2 * 3200), String(std));
});
