import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { fastsdeIn } from '../support/command-line.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-cli-'));
const fastsde = fastsdeIn(folder);
await copyFile(embeddedModel('conditional'), join(folder, 'other.onnx'));
const few = ['--class', '3', '--solver', 'ddim', '--steps', '2', '--count', '1', '--json'];

interface Record {
  counts: { networks: unknown };
  options: { model: string; classifier?: string; guidance: unknown };
}

test.after.always(() => rm(folder, { recursive: true }));

test.serial('a class is guided without a classifier, or by the embedded one', async (t) => {
  const runs: [flags: string[], networks: unknown, model: RegExp, guidance: unknown][] = [
    [
      ['--guidance', '2', '--guidance-interval', '0,1', '--guidance-rescale', '0.5'],
      { network: 3, unconditional: 1 },
      /mnist-conditional\.onnx$/,
      { kind: 'classifier-free', scale: 2, interval: [0, 1], rescale: 0.5 },
    ],
    [
      // Another class in its place is one to be avoided.
      ['--guidance', '2', '--null-class', '7'],
      { network: 3, unconditional: 3 },
      /mnist-conditional\.onnx$/,
      { kind: 'classifier-free', scale: 2, nullClass: 7 },
    ],
    [['--classifier'], { network: 3, classifier: 3 }, /mnist-vp\.onnx$/, { kind: 'classifier', scale: 1 }],
    [
      ['--guide', 'other.onnx', '--guidance', '2'],
      { network: 3, guide: 3 },
      /mnist-conditional\.onnx$/,
      { kind: 'autoguidance', scale: 2 },
    ],
  ];
  for (const [flags, networks, model, guidance] of runs) {
    const { code, stdout, stderr } = await fastsde(['sample', ...few, ...flags, '--output', 'three.npy']);
    t.is(code, 0, stderr);
    const { counts, options } = JSON.parse(stdout) as Record;
    t.deepEqual(counts.networks, networks);
    t.regex(options.model, model);
    t.deepEqual(options.guidance, guidance);
  }
});

test.serial('a folder belongs to one guidance', async (t) => {
  const flags = ['sample', ...few, '--guidance', '2', '--output', 'threes/'];
  t.is((await fastsde(flags)).code, 0);
  const { code, stderr } = await fastsde([...flags, '--guidance', '3']);
  t.is(code, 1);
  t.regex(stderr, /guidance\.scale is 2 there and 3 here/);
});

const refused: [flags: string[], message: RegExp][] = [
  [['--guidance', '2'], /--class must be a class from 0 to 9, towards which the model is guided/],
  [['--classifier'], /--class must be a class from 0 to 9/],
  [['--class', '3', '--guidance-interval', '1,2'], /--guidance must be given where/],
  [
    ['--class', '3', '--guide', embeddedModel('conditional'), '--guidance', '2'],
    /--guide must be another, weaker model/,
  ],
  [['--class', '3', '--guide', 'weak.onnx'], /--guidance must be given where --guide should act/],
  [
    ['--class', '3', '--guidance', '2', '--guidance-interval', '2,1'],
    /--guidance-interval must be \[least, most\]/,
  ],
  [['--class', '3', '--guidance', 'NaN'], /Expected a number/],
  [['--class', '3', '--null-class', '7'], /--null-class must be left out unless --guidance is given/],
  [['--class', '3', '--guidance', '2', '--null-class', '11'], /--null-class must be .* got 11/],
  [
    ['--class', '3', '--guidance', '2', '--sde', 've'],
    /--guidance must be left out, or given with --classifier/,
  ],
  [['--class', '3', '--classifier', '--sde', 've'], /classifier\.sde must be ve/],
  [['--class', '3', embeddedModel('vp')], /takes no class label \(a classifier can guide it/],
  [['--class', '12', '--classifier'], /--class must be an integer from 0 to 9/],
  [['--classifier', '--guide', 'weak.onnx'], /cannot be used with option '--guide/],
  [['--mixture', 'mixture.json', '--guidance', '2'], /cannot be used with option '--mixture/],
];

for (const [flags, message] of refused) {
  test.serial(`refused: ${flags.join(' ').replace(/\S*\//, '')}`, async (t) => {
    const { code, stderr } = await fastsde(['sample', ...flags]);
    t.is(code, 1);
    t.regex(stderr, message);
  });
}
