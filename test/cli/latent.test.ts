import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { decodeNpy } from '../../src/io/npy.js';
import { decodeNpz } from '../../src/io/npz.js';
import { writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn } from '../support/command-line.js';
import { decoderNetwork, standardNormal } from '../support/latent-networks.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-latent-'));
const fastsde = fastsdeIn(folder);
await writeModel(standardNormal([2, 3, 3]), join(folder, 'score.onnx'));
await writeModel(
  decoderNetwork([
    [1, 0, 1],
    [0, 1, 1],
  ]),
  join(folder, 'decoder.onnx'),
);
await writeModel(decoderNetwork([[1], [1], [1]]), join(folder, 'three.onnx'));

const plain = [
  'sample',
  'score.onnx',
  '--no-probe',
  '--solver',
  'ddim',
  '--steps',
  '4',
  '--count',
  '3',
  '--json',
];
const decoding = [...plain, '--decoder', 'decoder.onnx', '--latent-scale', '0.5'];

test.serial('pictures come out of a latent model', async (t) => {
  const { code, stdout, stderr } = await fastsde([...decoding, '--output', 'out.npz']);
  t.is(code, 0, stderr);
  const { shape, options } = JSON.parse(stdout) as { shape: number[]; options: Record<string, unknown> };
  t.deepEqual(shape, [3, 3, 6, 6]);
  t.like(options, { decoder: 'decoder.onnx', latentScale: 0.5, latentShift: 0 });
  const { samples, latents } = decodeNpz(await readFile(join(folder, 'out.npz')));
  t.deepEqual(
    [samples!.shape, latents!.shape],
    [
      [3, 3, 6, 6],
      [3, 2, 3, 3],
    ],
  );
  // The upper left pixel of the first channel is the first latent's number, unscaled.
  t.is(samples!.data[0], Number(latents!.data[0]) / 0.5);
  await fastsde([...decoding, '--output', 'out.npy']);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'out.npy'))), samples);
  await fastsde([...plain, '--output', 'plain.npy']);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'plain.npy'))), latents);
  await fastsde([...decoding, '--output', 'out.png']);
  t.is((await sharp(join(folder, 'out.png')).metadata()).channels, 3);
});

test.serial('a folder holds latents and their pictures', async (t) => {
  const run = await fastsde([...decoding, '--batch', '2', '--output', 'many/']);
  t.is(run.code, 0, run.stderr);
  const files = await readdir(join(folder, 'many'));
  t.deepEqual(
    files.filter((file) => file.endsWith('.png')),
    ['000000.png', '000001.png', '000002.png'],
  );
  t.is((await sharp(join(folder, 'many', '000002.png')).metadata()).width, 6);
  t.deepEqual(
    decodeNpy(await readFile(join(folder, 'many', 'samples-000000-000001.npy'))).shape,
    [2, 2, 3, 3],
  );
  const other = await fastsde([
    ...plain,
    '--decoder',
    'decoder.onnx',
    '--latent-scale',
    '1',
    '--batch',
    '2',
    '--output',
    'many/',
  ]);
  t.regex(other.stderr, /is of another run: .*latentScale/);
});

for (const [flags, message] of [
  [
    ['--decoder', 'three.onnx', '--latent-scale', '1'],
    /--decoder must be one for latents of shape \[2, 3, 3\].*\[N, 3, h, w\]/,
  ],
  [['--decoder', 'decoder.onnx'], /decoder\.onnx: .*Give latentScale \(--latent-scale\)/],
  [['--decoder', 'absent.onnx', '--latent-scale', '1'], /Cannot read absent\.onnx/],
  [
    ['--decoder', 'score.onnx', '--latent-scale', '1'],
    /score\.onnx: One input of arrays is expected; it has "x", "t"/,
  ],
  [['--latent-scale', '1'], /--latent-scale must be left out without a --decoder/],
  [['--decoder', 'decoder.onnx', '--latent-scale', '-1'], /--latent-scale must be a finite number above 0/],
  [[...decoding.slice(-4), '--output', 'a.webp'], /--output must be a \.png, \.npy or \.npz file/],
] as const) {
  test.serial(`told before anything is drawn: ${flags.join(' ')}`, async (t) => {
    const { code, stderr, stdout } = await fastsde([...plain, ...flags]);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.notRegex(stderr, /Sampling/);
  });
}
