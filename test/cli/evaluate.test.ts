import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { encodeNpy } from '../../src/io/npy.js';
import { fastsdeIn } from '../support/command-line.js';
import { normals } from '../support/features.js';
import { linearFeatures } from '../support/feature-network.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-evaluate-'));
test.after.always(() => rm(folder, { recursive: true }));
const fastsde = fastsdeIn(folder);

const write = (name: string, data: Float32Array | Uint8Array, shape: readonly number[]) =>
  writeFile(join(folder, name), encodeNpy({ data, shape }));
const bytes = (count: number, first: number) =>
  Uint8ClampedArray.from(normals(count, 16, first), (z) => 128 + 40 * z);

test.before(async () => {
  await write('points.npy', normals(300, 2), [300, 2]);
  await write('few.npy', normals(3, 2), [3, 2]);
  await write('others.npy', normals(400, 2, 1000), [400, 2]);
  await write('a.npy', Uint8Array.from(bytes(120, 0)), [120, 1, 4, 4]);
  await write('b.npy', Uint8Array.from(bytes(150, 500)), [150, 1, 4, 4]);
  const values = Float32Array.from(bytes(120, 0), (byte) => byte / 127.5 - 1);
  await write('values.npy', values, [120, 1, 4, 4]);
  const network = linearFeatures((pixel, feature) => ((pixel * (feature + 2)) % 5) - 2);
  await writeFile(join(folder, 'features.onnx'), network);
});

test('a GPU is refused where no network runs', async (t) => {
  const { code, stderr } = await fastsde([
    'evaluate',
    ...['--samples', 'points.npy', '--data', 'others.npy', '--provider', 'cuda'],
  ]);
  t.is(code, 1);
  t.regex(stderr, /--provider must be cpu where no feature network runs/);
});

test('points are compared as they are', async (t) => {
  const { code, stdout, stderr } = await fastsde([
    'evaluate',
    ...['--samples', 'points.npy', '--data', 'others.npy', '--held-out', 'others.npy', '--json', '--quiet'],
  ]);
  t.is(code, 0, stderr);
  const result = JSON.parse(stdout) as Record<string, { value: number; standardError: number }>;
  t.like(result, { samples: { generated: 300, reference: 400 }, features: 2, options: { features: 'raw' } });
  for (const name of ['frechet', 'kernel', 'precision', 'recall', 'density', 'coverage', 'slicedWasserstein'])
    t.true(result[name]!.standardError > 0, name);
  t.like(result, { memorisation: { close: 0 } }, 'held-out data that are the reference');
  t.is(stderr, '');
});

test('pictures are compared by a network, as bytes or as values of a data range, with a picture of neighbours', async (t) => {
  const common = [
    '--data',
    'b.npy',
    '--features',
    'features.onnx',
    '--cache',
    'cache',
    '--metrics',
    'frechet,kernel',
  ];
  const first = await fastsde([
    'evaluate',
    '--samples',
    'a.npy',
    ...common,
    '--json',
    '--neighbours',
    'pairs.png',
  ]);
  t.is(first.code, 0, first.stderr);
  const second = await fastsde([
    'evaluate',
    '--samples',
    'values.npy',
    '--data-range=-1,1',
    ...common,
    '--json',
  ]);
  t.is(second.code, 0, second.stderr);
  const [a, b] = [first, second].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
  t.deepEqual(a!['frechet'], b!['frechet']);
  t.is(a!['precision'], undefined);
  t.is((await readFile(join(folder, 'pairs.png'))).subarray(1, 4).toString(), 'PNG');
  const table = await fastsde(['evaluate', '--samples', 'a.npy', ...common, '--quiet']);
  t.regex(table.stdout, /^120 samples against 150, 3 features\nFrechet distance +[\d.]+ ± /);
});

test('what cannot be compared is refused', async (t) => {
  for (const [flags, message] of [
    [['--samples', 'points.npy', '--data', 'b.npy'], /shape \[2\] and the data \[1, 4, 4\]/],
    [['--samples', 'values.npy', '--data', 'b.npy'], /--data-range must be given/],
    [
      ['--samples', 'values.npy', '--data', 'b.npy', '--features', 'features.onnx'],
      /Give dataRange \(--data-range\)/,
    ],
    [['--samples', 'a.npy', '--data', 'b.npy', '--features', 'a.npy'], /a\.npy/],
    [['--samples', 'few.npy', '--data', 'points.npy'], /--samples must be at least \d+ samples; got 3/],
    [['--samples', 'points.npy', '--data', 'few.npy'], /--data must be at least \d+ samples; got 3/],
    [['--samples', 'a.npy', '--data', 'b.npy', '--metrics', 'fid'], /--metrics must be one of frechet/],
    [['--samples', 'a.npy', '--data', 'b.npy', '--metrics', 'memorisation'], /held-out/],
  ] as const) {
    const { code, stderr } = await fastsde(['evaluate', ...flags, '--quiet']);
    t.is(code, 1);
    t.regex(stderr, message);
  }
});
