import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { writeImageFolder } from '../../src/io/image.js';
import { decodeNpy, encodeNpy } from '../../src/io/npy.js';
import { decodeNpz } from '../../src/io/npz.js';
import { fastsdeIn } from '../support/command-line.js';
import { fixture } from '../support/gaussian-image.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-likelihood-'));
const fastsde = fastsdeIn(folder);
const weights = [0.25, 0.75];
const means = [
  [-1, 0],
  [1, 0.5],
];
const variance = 0.05;
const covariance = [
  [variance, 0],
  [0, variance],
];
await writeFile(
  join(folder, 'mixture.json'),
  JSON.stringify({ weights, means, covariances: [covariance, covariance] }),
);
const points = Float32Array.of(-1, 0, 1, 0.5, 0.8, 0.3, -0.7, 0.2, 0.5, 0.25, 1.3, 0.6);
await writeFile(join(folder, 'points.npy'), encodeNpy({ data: points, shape: [6, 2] }));
const pictures = Float32Array.from({ length: 3 * 16 * 12 }, (_, i) => 70 + 20 * Math.sin(i));
await writeImageFolder(join(folder, 'pictures'), {
  samples: pictures,
  shape: [3, 1, 16, 12],
  range: [0, 255],
});

const onMixture = ['--mixture', 'mixture.json', '--rtol', '1e-7', '--atol', '1e-7'];

/** ln p_t of the mixture under VP with beta from 0.1 to 20. */
function logDensity([x, y]: readonly number[], t: number): number {
  const alpha = Math.exp(-0.25 * t * t * 19.9 - 0.5 * t * 0.1);
  const v = alpha ** 2 * variance + 1 - alpha ** 2;
  const density = weights.reduce((sum, weight, k) => {
    const [mx, my] = means[k]!;
    const square = (x! - alpha * mx!) ** 2 + (y! - alpha * my!) ** 2;
    return sum + (weight * Math.exp(-square / (2 * v))) / (2 * Math.PI * v);
  }, 0);
  return Math.log(density);
}

test.after.always(() => rm(folder, { recursive: true }));

test.serial('log-densities of a mixture are the exact ones, alike in csv, npz and JSON', async (t) => {
  const outputs = ['--output', 'r.csv', '--output', 'r.npz', '--output', 'r.png'];
  const { code, stdout, stderr } = await fastsde([
    ...['likelihood', ...onMixture, '--data', 'points.npy', ...outputs, '--json'],
  ]);
  t.is(code, 0, stderr);
  t.regex(stderr, /6 samples: .* nats/);
  const record = JSON.parse(stdout) as { mean: { bitsPerDim: number }; samples: { logDensity: number[] } };
  t.like(record, {
    count: 6,
    trace: 'exact',
    derivative: { method: 'closed-form' },
    epsilon: { t: 1e-5 },
    options: { rtol: 1e-7, variable: 't', mixture: 'mixture.json', output: ['r.csv', 'r.npz', 'r.png'] },
  });
  const [names, ...lines] = (await readFile(join(folder, 'r.csv'), 'utf8')).trim().split('\r\n');
  t.is(names, 'index,log_density,bits_per_dim,evaluations');
  const rows = lines.map((line) => line.split(',').map(Number));
  t.deepEqual(
    rows.map(([index]) => index),
    [0, 1, 2, 3, 4, 5],
  );
  for (const [i, [, density, bits]] of rows.entries()) {
    // What is left is the prior: p_T of these data has its means up to 0.007 from 0.
    t.true(Math.abs(density! - logDensity([...points.subarray(2 * i, 2 * i + 2)], 1e-5)) < 1e-2);
    t.true(Math.abs(bits! + density! / (2 * Math.LN2)) < 1e-12);
  }
  t.deepEqual(
    record.samples.logDensity,
    rows.map(([, density]) => density),
  );
  t.true(Math.abs(record.mean.bitsPerDim - rows.reduce((sum, [, , bits]) => sum + bits! / 6, 0)) < 1e-12);
  const arrays = decodeNpz(await readFile(join(folder, 'r.npz')));
  t.deepEqual(Object.keys(arrays), names!.split(','));
  t.deepEqual(Array.from(arrays['log_density']!.data, Number), record.samples.logDensity);
  t.is((await sharp(join(folder, 'r.png')).metadata()).width, 640);
});

test.serial('a part of the data has the same log-densities, random vectors included', async (t) => {
  const args = [
    'likelihood',
    '--mixture',
    'mixture.json',
    '--data',
    'points.npy',
    '--probes',
    '3',
    '--quiet',
  ];
  const all = await fastsde(args);
  const part = await fastsde([...args, '--first', '2', '--count', '3']);
  const lines = all.stdout.split('\r\n');
  t.is(lines[0], 'index,log_density,bits_per_dim,standard_error,evaluations');
  t.is(part.stdout, [lines[0], ...lines.slice(3, 6), ''].join('\r\n'));
  t.is(all.stderr, '');
});

test.serial('decoding undoes encoding, and a temperature of 0 decodes the middle of the prior', async (t) => {
  const encoded = await fastsde(['encode', ...onMixture, '--data', 'points.npy', '--output', 'z.npz']);
  t.is(encoded.code, 0, encoded.stderr);
  const { latents } = decodeNpz(await readFile(join(folder, 'z.npz')));
  t.deepEqual(latents!.shape, [6, 2]);
  const decode = ['decode', ...onMixture, '--latents', 'z.npz', '--quiet'];
  await fastsde([...decode, '--output', 'x.npy']);
  const again = decodeNpy(await readFile(join(folder, 'x.npy'))).data as Float32Array;
  t.true(again.every((value, i) => Math.abs(value - points[i]!) < 1e-5));
  await fastsde([...decode, '--temperature', '0', '--output', 'same.npy']);
  const same = decodeNpy(await readFile(join(folder, 'same.npy'))).data as Float32Array;
  t.deepEqual(same.slice(2), same.slice(0, -2));
});

test.serial(
  'a doubt about the prior is told on stderr and in the record, by every command that uses it',
  async (t) => {
    const far = { weights: [0.9, 0.1], means: [[-300], [300]], covariances: [1, 1] };
    await writeFile(join(folder, 'far.json'), JSON.stringify(far));
    await writeFile(join(folder, 'far.npy'), encodeNpy({ data: Float32Array.of(-300, 300), shape: [2, 1] }));
    const model = ['--mixture', 'far.json', '--sde', 've', '--json'];
    const coarse = ['--rtol', '1e-2', '--atol', '1e-2'];
    for (const args of [
      ['sample', '--count', '1', '--steps', '2', '--output', 'far-samples.npy'],
      ['likelihood', '--data', 'far.npy', ...coarse],
      ['encode', '--data', 'far.npy', '--output', 'far-codes.npz', ...coarse],
      ['decode', '--latents', 'far-codes.npz', '--output', 'far-again.npy', ...coarse],
      ['interpolate', '--data', 'far.npy', '--points', '2', '--output', 'far-path.npy', ...coarse],
    ]) {
      const { code, stdout, stderr } = await fastsde([...args, ...model]);
      t.is(code, 0, stderr);
      t.regex(stderr, /^warning: The prior is not the law of the data at T: .* -240 and 187/m, args[0]);
      const { warnings } = JSON.parse(stdout) as { warnings: string[] };
      t.is(warnings.length, 1, args[0]);
    }
  },
);

test.serial('a path between data begins and ends at them', async (t) => {
  const args = [
    '--data',
    'points.npy',
    '--pairs',
    '0:1,5:2',
    '--points',
    '4',
    '--output',
    'path.npz',
    '--json',
  ];
  const { stdout, stderr } = await fastsde(['interpolate', ...onMixture, ...args]);
  t.like(JSON.parse(stdout), { shape: [2, 4, 2], output: 'path.npz' }, stderr);
  const { samples } = decodeNpz(await readFile(join(folder, 'path.npz')));
  t.deepEqual(samples!.shape, [2, 4, 2]);
  [0, 3, 4, 7].forEach((place, k) => {
    const end = [0, 1, 5, 2][k]!;
    for (const axis of [0, 1]) {
      t.true(Math.abs(Number(samples!.data[2 * place + axis]) - points[2 * end + axis]!) < 1e-5);
    }
  });
});

test.serial(
  'pictures of a folder are scaled to a network and give bits/dim and a picture of the path',
  async (t) => {
    const network = [fixture('vp-eps'), '--data', 'pictures', '--resize', '--rtol', '1e-3', '--atol', '1e-3'];
    const scored = await fastsde(['likelihood', ...network, '--output', 'bits.png', '--json', '--quiet']);
    t.is(scored.code, 0, scored.stderr);
    t.like(JSON.parse(scored.stdout), {
      count: 3,
      offset: 7,
      trace: 'rademacher',
      derivative: { method: 'vjp' },
    });
    const { code, stderr } = await fastsde(['interpolate', ...network, '--points', '5']);
    t.is(code, 0, stderr);
    // One row of five images of 8 x 8 pixels, magnified 25 times to fit into 1024 pixels, with gaps of two.
    const { width, height } = await sharp(join(folder, 'path.png')).metadata();
    t.deepEqual([width, height], [5 * 202 + 2, 204]);
  },
);

for (const [args, message] of [
  [['likelihood', '--mixture', 'mixture.json'], /required option '--data <source>' not specified/],
  [['likelihood', '--data', 'points.npy', '--output', 'r.txt'], /--output must be a file ending in \.csv/],
  [
    ['likelihood', fixture('vp-eps'), '--data', 'points.npy'],
    /points\.npy: .*shape \[2\], the model takes \[1, 8, 8\].*--data/,
  ],
  [['likelihood', fixture('vp-eps'), '--data', 'pictures'], /shape \[1, 16, 12\].*--resize/],
  [
    ['encode', ...onMixture, '--data', 'points.npy', '--first', '4', '--count', '3'],
    /--count must be from 1 to 2/,
  ],
  [['interpolate', ...onMixture, '--data', 'points.npy', '--pairs', '0-3'], /two indices with a colon/],
  [
    ['interpolate', ...onMixture, '--data', 'points.npy', '--pairs', '0:6'],
    /--pairs must be indices from 0 to 5/,
  ],
  [['decode', ...onMixture, '--latents', 'absent.npz'], /absent\.npz/],
  [
    ['interpolate', ...onMixture, '--data', 'points.npy', '--points', '1000000000'],
    /--points must be .* to 10000/,
  ],
  [
    ['likelihood', ...onMixture, '--data', 'points.npy', '--repeats', '1000000000'],
    /--repeats must be .* to 10000/,
  ],
  [
    ['likelihood', ...onMixture, '--data', 'points.npy', '--elbo', '1000000000'],
    /--elbo must be .* to 100000/,
  ],
  [
    ['decode', ...onMixture, '--latents', 'points.npy', '--temperature', '-1'],
    /--temperature must be .* got -1/,
  ],
] as const) {
  test.serial(`refused with exit code 1: fastsde ${args[0]}: ${message.source}`, async (t) => {
    const before = await readdir(folder);
    const { code, stdout, stderr } = await fastsde(args);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.notRegex(stderr, /\n\s+at /);
    t.deepEqual(await readdir(folder), before);
  });
}
