import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { encodeNpy } from '../../src/io/npy.js';
import { writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn } from '../support/command-line.js';
import { fedNetwork } from '../support/fed-network.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-cli-'));
const fastsde = fastsdeIn(folder);
await writeModel(
  fedNetwork({ text: ['float32', ['N', 3, 2]], guidance: ['float32', []] }),
  join(folder, 'm.onnx'),
);
const textOf = (...means: number[]) =>
  encodeNpy({
    data: Float64Array.from({ length: 6 * means.length }, (_, i) => means[Math.floor(i / 6)]!),
    shape: [means.length, 3, 2],
  });
await writeFile(join(folder, 'one.npy'), textOf(0.5));
await writeFile(join(folder, 'three.npy'), textOf(0.5, 0, -0.5));
const times = [0, 0.25, 0.5, 1];
await writeFile(join(folder, 'table.json'), JSON.stringify(times.map((time) => [time, 1 - time, time])));

const few = ['m.onnx', '--solver', 'ddim', '--steps', '4', '--json'];
const fed = ['--input', 'text=one.npy', '--input', 'guidance=0.1'];

interface Inputs {
  readonly inputs: readonly { name: string; shape: number[]; value?: number; sha256?: string }[];
}

test.after.always(() => rm(folder, { recursive: true }));

test.serial('inputs are files and numbers, and stand in the record', async (t) => {
  const flags = [
    ...few,
    ...fed,
    '--guidance',
    '2',
    '--unconditional-input',
    'text=0',
    '--count',
    '2',
    '--output',
    'x.npy',
  ];
  const { code, stdout, stderr } = await fastsde(['sample', ...flags]);
  t.is(code, 0, stderr);
  const { options, counts } = JSON.parse(stdout) as {
    options: Inputs & { guidance: { unconditionalInputs: Inputs['inputs'] } };
    counts: { networks: unknown };
  };
  const [text, guidance] = options.inputs;
  t.like(text, { name: 'text', shape: [1, 3, 2] });
  t.regex(text!.sha256!, /^[0-9a-f]{64}$/);
  t.like(guidance, { name: 'guidance', value: 0.1 });
  t.like(options.guidance.unconditionalInputs[0], { name: 'text', value: 0 });
  t.deepEqual(counts.networks, { network: 5, unconditional: 5 });
});

test.serial('a folder has each sample with its own inputs, and belongs to them', async (t) => {
  const flags = [
    'sample',
    ...few,
    '--input',
    'text=three.npy',
    '--input',
    'guidance=0',
    '--batch',
    '2',
    '--count',
    '3',
    '--output',
    'run/',
  ];
  t.is((await fastsde(flags)).code, 0);
  const other = await fastsde(flags.map((flag) => flag.replace('text=three', 'text=one')));
  t.regex(other.stderr, /of another run/);
});

test.serial('other commands take inputs', async (t) => {
  await writeFile(
    join(folder, 'data.npy'),
    encodeNpy({ data: new Float32Array(32).fill(0.2), shape: [2, 1, 4, 4] }),
  );
  for (const args of [
    ['inspect', 'm.onnx', ...fed],
    ['encode', 'm.onnx', '--data', 'data.npy', ...fed, '--output', 'codes.npy'],
    ['decode', 'm.onnx', '--latents', 'codes.npy', ...fed, '--output', 'back.npy'],
    [
      'inpaint',
      'm.onnx',
      '--data',
      'data.npy',
      '--mask',
      'half:left',
      ...fed,
      '--steps',
      '4',
      '--output',
      'whole.npy',
    ],
    ['grid', 'm.onnx', '--steps', '3', '--count', '2', '--input', 'text=three.npy', '--input', 'guidance=0'],
  ]) {
    const { code, stderr } = await fastsde(args);
    t.is(code, 0, `${args[0]}: ${stderr}`);
  }
});

const refused: [flags: string[], message: RegExp][] = [
  [
    ['--input', 'text=nan'],
    /--input must be NAME=NUMBER or NAME=FILE\.npy, the number finite; got "text=nan"/,
  ],
  [
    [...fed, '--sde', 'vp', '--sde-constants', 'beta0=-1'],
    /--sde-constants beta0 must be a finite number above 0; got -1/,
  ],
  [
    [...fed, '--sde', 'vp', '--ladder-constants', 'betaEnd=0.03'],
    /--ladder-constants must be given with --ladder.*got "betaEnd=0\.03"/,
  ],
  [
    [...fed, '--sde', 'vp', '--ladder', 'linear', '--ladder-constants', 'betaStart=5'],
    /--ladder-constants betaStart must be between 0 and 1; got 5/,
  ],
  [
    [...fed, '--sde', 'vp', '--ladder', 'linear', '--ladder-constants', 'levels=5'],
    /--ladder-constants levels must be absent \(known are betaStart, betaEnd\)/,
  ],
  [
    [...fed, '--sde', 'vp', '--ladder', 'linear', '--sde-constants', 'beta1=10'],
    /--sde-constants beta1 must be left out beside a ladder/,
  ],
  [
    [...fed, '--sde', 'vp', '--labels', 'index', '--sde-constants', 'epsilon=0.1'],
    /--sde-constants epsilon must be left out: the first trained level says it/,
  ],
  [[...fed, '--sde', 've', '--zero-terminal-snr'], /--zero-terminal-snr must be left out with the ve SDE/],
  [
    [...fed, '--sde', 'table.json', '--sde-constants', 'epsilon=2'],
    /--sde-constants epsilon must be between 0 and T/,
  ],
  [
    [...fed, '--sde', 'vp', '--labels', 'index', '--trained-levels', '7'],
    /--trained-levels must be more than 20, the largest beta/,
  ],
  [[...fed, '--solver', 'er-sde', '--tau', '1,2'], /--tau most must be a finite number above 0/],
  [[...fed, '--grid', 'shifted', '--rho', '1e9'], /--rho must be from 0\.001 to 1000 with grid 'shifted'/],
  [
    ['--input', 'guidance=1'],
    /--input text must be a number or an array: the network takes float32\[N, 3, 2\].*--input text=FILE\.npy/,
  ],
  [[...fed, '--input', 'tekst=1'], /--input tekst must be absent \(did you mean text\?\)/],
  [['--input', 'text'], /--input must be NAME=NUMBER or NAME=FILE\.npy/],
  [['--input', 'text=none.npy'], /none\.npy/],
  [[...fed, '--input', 'text=1'], /--input must be one value for text/],
  [
    ['--input', 'text=three.npy', '--input', 'guidance=0', '--count', '2'],
    /--input must be rows for all samples or for each of them, which are 2/,
  ],
  [[...fed, '--guidance', '2'], /--unconditional-input.*NAME=FILE\.npy/],
  [
    [...fed, '--guidance', '2', '--unconditional-input', 'tekst=0'],
    /--unconditional-input tekst must be absent/,
  ],
  [
    [...fed, '--unconditional-input', 'text=0'],
    /--unconditional-input must be left out unless --guidance is given/,
  ],
];
for (const [flags, message] of refused) {
  test.serial(`refused: sample ${flags.join(' ')}`, async (t) => {
    const { code, stderr } = await fastsde(['sample', ...few, ...flags]);
    t.is(code, 1);
    t.regex(stderr, message);
    t.is(stderr.match(/^error: /gm)?.length, 1, stderr);
  });
}
