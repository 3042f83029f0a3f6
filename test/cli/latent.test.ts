import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { decodeNpy, encodeNpy } from '../../src/io/npy.js';
import { decodeNpz } from '../../src/io/npz.js';
import { writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn } from '../support/command-line.js';
import { decoderNetwork, encoderNetwork, standardNormal } from '../support/latent-networks.js';

/** Random networks of Stable Diffusion's kind, see test/latent/diffusers.test.ts. */
const stableDiffusion = resolve('test/fixtures/stable-diffusion');

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

test.after.always(() => rm(folder, { recursive: true }));

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

const text = ['sample', stableDiffusion, '--prompt', 'a cat', '--solver', 'ddim', '--steps', '3', '--json'];

test.serial('a folder of diffusers draws pictures of a text', async (t) => {
  const guided = ['--guidance', '7.5', '--negative-prompt', 'a dog', '--output', 'text.npz'];
  const { code, stdout, stderr } = await fastsde([...text, ...guided]);
  t.is(code, 0, stderr);
  const { shape, counts, options } = JSON.parse(stdout) as {
    shape: number[];
    counts: { networks: Record<string, number> };
    options: Record<string, unknown>;
  };
  t.deepEqual(shape, [1, 3, 16, 16]);
  t.deepEqual(counts.networks, { network: 3, unconditional: 3 });
  t.like(options, {
    model: stableDiffusion,
    prompt: 'a cat',
    negativePrompt: 'a dog',
    parameterization: 'eps',
    trainedLevels: 12,
    latentScale: 0.18215,
    latentShift: 0,
  });
  t.regex(String(options['sha256']), /^[\da-f]{64}$/);
  const { samples, latents } = decodeNpz(await readFile(join(folder, 'text.npz')));
  t.deepEqual(
    [samples!.shape, latents!.shape],
    [
      [1, 3, 16, 16],
      [1, 4, 8, 8],
    ],
  );
  const plain = await fastsde([...text, '--no-decode', '--count', '2', '--output', 'latents.npy']);
  t.is(plain.code, 0, plain.stderr);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'latents.npy'))).shape, [2, 4, 8, 8]);
});

test.serial('what of a long text is not read is told', async (t) => {
  const { stderr } = await fastsde([...text.with(3, 'cat '.repeat(32)), '--output', 'long.npy']);
  t.regex(stderr, /text_encoder reads 32 tokens of a text; not read is "cat cat"/);
});

for (const [args, message] of [
  [
    ['sample', stableDiffusion, '--steps', '2'],
    /--prompt must be a text, which the network in .* takes \(or --input encoder_hidden_states=FILE\.npy\)/,
  ],
  [
    [...text, '--input', 'encoder_hidden_states=0'],
    /--input encoder_hidden_states must be left out with --prompt, whose text it is fed; got 0/,
  ],
  [
    [...text, '--guidance', '2', '--unconditional-input', 'encoder_hidden_states=0'],
    /--unconditional-input encoder_hidden_states must be left out with --prompt/,
  ],
  [[...plain, '--prompt', 'a cat'], /--prompt must be left out: score\.onnx is no folder with a tokenizer/],
  [
    [...text, '--negative-prompt', 'a dog'],
    /--negative-prompt must be left out unless --prompt and --guidance are given/,
  ],
  [[...text, '--latent-scale', '1', '--no-decode'], /--latent-scale must be left out with --no-decode/],
  [
    [...text, '--decoder', 'decoder.onnx', '--latent-scale', '1'],
    /--decoder must be one for latents of shape \[4, 8, 8\]/,
  ],
  [
    [...text, '--shape', '4,7,8'],
    /--shape must be \[channels, height, width\] with sides that are multiples of 2, as the network in .* takes them; got \[4, 7, 8\]/,
  ],
] as const) {
  test.serial(`told before a text is drawn: ${args.slice(2).join(' ')}`, async (t) => {
    const { code, stderr } = await fastsde(args);
    t.is(code, 1);
    t.regex(stderr, message);
    t.notRegex(stderr, /Sampling/);
  });
}

test.serial('pictures become codes of a latent model', async (t) => {
  const bytes = Uint8Array.from({ length: 2 * 3 * 16 * 16 }, (_, i) => (7 * i) % 256);
  await writeFile(join(folder, 'bytes.npy'), encodeNpy({ data: bytes, shape: [2, 3, 16, 16] }));
  const tolerances = ['--rtol', '0.1', '--atol', '0.1'];
  const own = ['encode', stableDiffusion, '--prompt', 'a cat', '--data', 'bytes.npy', ...tolerances];
  const { code, stderr } = await fastsde([...own, '--output', 'codes.npy']);
  t.is(code, 0, stderr);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'codes.npy'))).shape, [2, 4, 8, 8]);
  const wrong = await fastsde([
    'encode',
    'score.onnx',
    '--no-probe',
    '--data',
    'bytes.npy',
    '--latent-shift',
    '1',
  ]);
  t.regex(wrong.stderr, /--latent-shift must be left out without an --encoder/);
  await writeModel(encoderNetwork([[1, 0, 0]], 'latent_sample'), join(folder, 'encoder.onnx'));
  const other = ['--encoder', 'encoder.onnx', '--latent-scale', '1'];
  const misfit = await fastsde(['encode', 'score.onnx', '--no-probe', '--data', 'bytes.npy', ...other]);
  t.regex(
    misfit.stderr,
    /--encoder must be one of latents of 2 channels, or of 4 with their variances: it makes 1/,
  );
});
