import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { decodeNpy } from '../../src/io/npy.js';
import { decodeNpz } from '../../src/io/npz.js';
import { fastsdeIn } from '../support/command-line.js';
import { moments } from '../support/gaussian.js';
import { fixture } from '../support/gaussian-image.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-cli-'));
const fastsde = fastsdeIn(folder);
const mixture = join(folder, 'mixture.json');
const covariance = [
  [0.05, 0],
  [0, 0.05],
];
await writeFile(
  mixture,
  JSON.stringify({
    weights: [0.25, 0.75],
    means: [
      [-1, 0],
      [1, 0.5],
    ],
    covariances: [covariance, covariance],
  }),
);

test.after.always(() => rm(folder, { recursive: true }));

test.serial(
  'that a network is read wrong is said in the record, and on stderr whatever is asked for',
  async (t) => {
    const flags = [
      'sample',
      fixture('ddpm'),
      '--sde',
      'vp',
      '--parameterization',
      'eps',
      '--ladder',
      'cosine',
    ];
    const few = ['--solver', 'ddim', '--steps', '2', '--count', '1', '--output', 'wrong.npy'];
    const { code, stdout, stderr } = await fastsde([...flags, ...few, '--quiet', '--json']);
    t.is(code, 0);
    t.regex(stderr, /^warning: The process may be wrong: .* Give --ladder linear/);
    const { warnings } = JSON.parse(stdout) as { warnings: string[] };
    t.regex(warnings[0]!, /^The process may be wrong/);
  },
);

test.serial('a class without a file means the embedded model that takes classes', async (t) => {
  const flags = [
    '--class',
    '3',
    '--solver',
    'ddim',
    '--steps',
    '2',
    '--count',
    '1',
    '--output',
    'three.npy',
    '--json',
  ];
  const { stdout } = await fastsde(['sample', ...flags]);
  const { options } = JSON.parse(stdout) as { options: { model: string; classLabel: number } };
  t.regex(options.model, /mnist-conditional\.onnx$/);
  t.is(options.classLabel, 3);
});

for (const { file, reading, values } of [
  {
    file: 'schedule.json',
    reading: [fixture('rectified'), '--parameterization', 'x0', '--labels', 't', '--sde', 'schedule.json'],
    values: (end: number) => [0, 0.25, 0.5, 0.75, 1].map((time) => [time, 1 - end * time, end * time]),
  },
  {
    file: 'betas.json',
    reading: [
      ...[fixture('vp-eps'), '--sde', 'vp', '--parameterization', 'eps', '--labels', 't*999'],
      ...['--ladder', 'betas.json', '--no-probe'],
    ],
    values: (end: number) => Array.from({ length: 50 }, (_, i) => 1e-3 + (0.3 * end * i) / 49),
  },
]) {
  test.serial(`a folder belongs to what ${file} held, not to its name`, async (t) => {
    const into = ['--solver', 'ddim', '--steps', '3', '--count', '2', '--output', `of-${file}/`];
    const flags = ['sample', ...reading, '--shape', '1,8,8', ...into];
    await writeFile(join(folder, file), JSON.stringify(values(0.95)));
    const first = await fastsde(flags);
    t.is(first.code, 0, first.stderr);
    const again = await fastsde(flags);
    t.is(again.code, 0, again.stderr);
    await writeFile(join(folder, file), JSON.stringify(values(0.9)));
    const changed = await fastsde(flags);
    t.is(changed.code, 1);
    t.regex(changed.stderr, /is of another run: origin\.(ladder|sdeTable) is "[0-9a-f]{64}" there/);
  });
}

test.serial("a network of its own alpha and sigma is sampled by a table's file", async (t) => {
  const sigma = (time: number) => Math.sqrt(Math.expm1(2 * time * Math.log(25)) / (2 * Math.log(25)));
  const times = Array.from({ length: 1001 }, (_, i) => i / 1000);
  await writeFile(join(folder, 'tutorial.json'), JSON.stringify(times.map((time) => [time, 1, sigma(time)])));
  await writeFile(
    join(folder, 'rectified.json'),
    JSON.stringify(times.map((time) => [time, 1 - time, time])),
  );
  const common = ['--labels', 't', '--solver', 'rk45', '--count', '300', '--output', 'own.npy', '--json'];
  for (const [table, network, parameterization, alpha, s] of [
    ['tutorial', 'score-net', 'score', 1, sigma(1)],
    ['rectified', 'rectified', 'x0', 1e-3, 0.999],
  ] as const) {
    const flags = [
      '--sde',
      `${table}.json`,
      '--parameterization',
      parameterization,
      '--shape',
      '1,8,8',
      ...common,
    ];
    const { code, stdout, stderr } = await fastsde(['sample', fixture(network), ...flags]);
    t.is(code, 0, stderr);
    t.like(JSON.parse(stdout), { options: { sdeTable: `${table}.json`, sde: 'custom' } });
    const { data } = decodeNpy(await readFile(join(folder, 'own.npy')), 'own.npy');
    const means = Array.from({ length: 300 }, (_, i) =>
      (data as Float32Array).subarray(64 * i, 64 * i + 64).reduce((sum, value) => sum + value / 64, 0),
    );
    // Means of images have the law N(-0.4, v) at 0; the ODE starts from N(0, s^2 / 64), without the mean that is left at T.
    const v = 0.3 ** 2 + 0.1 ** 2 / 64;
    const carried = Math.sqrt(v / (alpha ** 2 * v + s ** 2 / 64));
    const exact = { mean: -0.4 + 0.4 * alpha * carried, std: (s / 8) * carried };
    const { mean, std } = moments(means);
    t.true(
      Math.abs(mean - exact.mean) < (3 * exact.std) / Math.sqrt(300),
      `${network}: ${mean} for ${exact.mean}`,
    );
    t.true(
      Math.abs(std - exact.std) < (3 * exact.std) / Math.sqrt(600),
      `${network}: ${std} for ${exact.std}`,
    );
  }
  const wrong = await fastsde([
    'sample',
    fixture('rectified'),
    '--sde',
    'missing.json',
    '--parameterization',
    'x0',
  ]);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /missing\.json/);
});

test.serial('help lists the commands, and the flags with choices and defaults', async (t) => {
  const { stdout } = await fastsde(['--help']);
  t.regex(stdout, /sample .*\n[^]*info /);
  const sample = await fastsde(['sample', '--help']);
  t.is(sample.code, 0);
  t.regex(sample.stdout, /--corrector <name> .*langevin, ald, none/);
});

test.serial('the version is that of the package', async (t) => {
  const manifest = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
  t.deepEqual(await fastsde(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

for (const [args, message] of [
  [['sample', '--correctr', 'ald'], /unknown option '--correctr'\n\(Did you mean --corrector\?\)/],
  [['sampel'], /unknown command 'sampel'\n\(Did you mean sample\?\)/],
  [['sample', '--corrector', 'langvin'], /Did you mean langevin\?/],
  [['sample', '--steps', '10x'], /'--steps <n>' argument '10x' is invalid\. Expected an integer/],
  [
    ['sample', '--mixture', 'mixture.json', '--corrector-steps', '0'],
    /--corrector-steps must be an integer of at least 1; got 0/,
  ],
  [
    ['sample', '--mixture', 'mixture.json', '--labels', 'sigma'],
    /'--labels <rule>' cannot be used with option '--mixture <file>'/,
  ],
  [
    ['sample', '--mixture', 'mixture.json', '--output', 'a.webp'],
    /--output must be a \.png, \.npy or \.npz file/,
  ],
  [
    ['sample', '--mixture', 'mixture.json', '--output', 'no/a.npy'],
    /Cannot write no\/a\.npy: its folder does not exist/,
  ],
  [['sample', '--mixture', 'absent.json'], /absent\.json/],
  [['sample', 'absent.onnx'], /absent\.onnx/],
  [['sample', '--shape', '3,28,28'], /--shape must be as in the network's input/],
  [
    ['sample', '--solver', 'rk45', '--snr', '0.1'],
    /--snr must be left out with --solver rk45: it belongs to predictor-corrector; got 0\.1/,
  ],
] as const) {
  test.serial(`refused with exit code 1: fastsde ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await fastsde(args);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.notRegex(stderr, /\n\s+at /);
  });
}

test.serial('a mixture goes to npy, and --json says what was done', async (t) => {
  const args = [
    '--mixture',
    'mixture.json',
    '--count',
    '2000',
    '--steps',
    '100',
    '--snr',
    '0.16',
    '--seed',
    '18446744073709551615',
  ];
  const outcome = await fastsde(['sample', ...args, '--output', 'plane.npy', '--json', '--quiet']);
  t.like(outcome, { code: 0, stderr: '' });
  const record = JSON.parse(outcome.stdout) as Record<string, unknown>;
  t.like(record, {
    counts: { score: 200, denoise: 1, rejected: 0, jvp: 0, vjp: 0 },
    seed: '18446744073709551615',
    first: 0,
    count: 2000,
    shape: [2000, 2],
    output: 'plane.npy',
    options: {
      mixture: 'mixture.json',
      sde: 'vp',
      predictor: 'reverse-diffusion',
      corrector: 'ald',
      snr: 0.16,
    },
  });
  const { data, shape } = decodeNpy(await readFile(join(folder, 'plane.npy')));
  t.true(data instanceof Float32Array);
  t.deepEqual(shape, [2000, 2]);
  // The mean is (0.5, 0.375) with a standard deviation of sqrt(0.75 + 0.05) and sqrt(0.047 + 0.05) per sample.
  const mean = [0, 1].map(
    (axis) => (data as Float32Array).filter((_, i) => i % 2 === axis).reduce((a, b) => a + b) / 2000,
  );
  t.true(Math.abs(mean[0]! - 0.5) < 5 * Math.sqrt(0.8 / 2000));
  t.true(Math.abs(mean[1]! - 0.375) < 5 * Math.sqrt(0.1 / 2000));
});

test.serial('samples continue where an earlier run ended', async (t) => {
  const args = ['sample', '--mixture', 'mixture.json', '--steps', '20', '--quiet', '--output'];
  await fastsde([...args, 'all.npy', '--count', '6']);
  await fastsde([...args, 'rest.npy', '--count', '2', '--first', '4']);
  const [all, rest] = await Promise.all(['all.npy', 'rest.npy'].map((name) => readFile(join(folder, name))));
  t.deepEqual(decodeNpy(rest!).data, decodeNpy(all!).data.slice(8));
});

test.serial('a trajectory in npz starts at the prior and has its times', async (t) => {
  const args = ['--mixture', 'mixture.json', '--steps', '20', '--trajectory', '5', '--output', 'path.npz'];
  t.is((await fastsde(['sample', ...args])).code, 0);
  const arrays = decodeNpz(await readFile(join(folder, 'path.npz')));
  t.deepEqual(arrays['samples']!.shape, [16, 2]);
  t.deepEqual(arrays['trajectory']!.shape, [4, 16, 2]);
  t.deepEqual(arrays['steps']!.data, Int32Array.of(0, 5, 10, 15));
  t.is(arrays['times']!.data[0], 1);
});

test.serial('the embedded model draws a grid of digits as a PNG file', async (t) => {
  const { code, stderr } = await fastsde(['sample', '--steps', '3', '--count', '4']);
  t.is(code, 0, stderr);
  t.regex(stderr, /4 samples, 4 score evaluations each, .*: samples\.png/);
  const { format, width, height, channels } = await sharp(join(folder, 'samples.png')).metadata();
  t.deepEqual({ format, width, height, channels }, { format: 'png', width: 510, height: 510, channels: 1 });
});

test.serial('an adaptive solver counts its rejected steps', async (t) => {
  const args = ['--mixture', 'mixture.json', '--solver', 'rk45', '--rtol', '1e-3', '--atol', '1e-3'];
  const { stdout, code } = await fastsde(['sample', ...args, '--output', 'ode.npy', '--json', '--quiet']);
  t.is(code, 0);
  const { counts, options } = JSON.parse(stdout) as { counts: Record<string, number>; options: object };
  t.like(options, { solver: 'rk45', rtol: 1e-3, atol: 1e-3, coupling: 'sample', epsilon: 1e-3 });
  // Dormand-Prince makes six evaluations a step, and the first one and that of the initial step size besides.
  t.is((counts['score']! + counts['rejected']! - 2) % 6, 0);
});

test.serial('a damaged model is refused with its name', async (t) => {
  const model = await readFile(new URL('../../../models/mnist-vp.onnx', import.meta.url));
  await writeFile(join(folder, 'cut.onnx'), model.subarray(0, model.length / 2));
  const { code, stderr } = await fastsde(['sample', 'cut.onnx']);
  t.is(code, 1);
  t.regex(stderr, /^error: .*cut\.onnx/);
  t.notRegex(stderr, /\n\s+at /);
});

test.serial('Ctrl-C ends a run with exit code 130 and leaves nothing behind', async (t) => {
  const before = await readdir(folder);
  const args = [
    'sample',
    '--mixture',
    'mixture.json',
    '--count',
    '20000',
    '--steps',
    '100000',
    '--output',
    'late.npy',
  ];
  const { code, stdout, stderr } = await fastsde(args, { signal: 'SIGINT', when: 'Sampling' });
  t.is(code, 130);
  t.is(stdout, '');
  t.regex(stderr, /Interrupted/);
  t.deepEqual(await readdir(folder), before);
});

test.serial('info says what runs here', async (t) => {
  const { code, stdout } = await fastsde(['info', '--json']);
  t.is(code, 0);
  const { versions, isa, supportedIsas, providers } = JSON.parse(stdout) as {
    versions: Record<string, string>;
    isa: string;
    supportedIsas: string[];
    providers: { name: string; loads: boolean }[];
  };
  t.is(versions['node'], process.versions.node);
  t.true(supportedIsas.includes(isa));
  t.like(providers[0], { name: 'cpu', loads: true });
});
