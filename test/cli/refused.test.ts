import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import test from 'ava';

import { fastsdeIn } from '../support/command-line.js';

const conditional = resolve('models/mnist-conditional.onnx');
const folder = await mkdtemp(join(tmpdir(), 'fastsde-refused-'));
const fastsde = fastsdeIn(folder);
test.after.always(() => rm(folder, { recursive: true }));

const refused: Readonly<Record<string, readonly [args: string, message: RegExp]>> = {
  'data of a training run': ['train --data absent.npy --output run', /absent\.npy/],
  'the batch of one': [
    'train --data swiss-roll --batch 100000000 --steps 10 --output run',
    /--batch must be/,
  ],
  'a class of samples': ['sample --class 99 --count 2 --output samples/', /--class must be/],
  'samples without their class': [
    `sample ${conditional} --count 2 --output samples/`,
    /--class must be .*; got nothing/,
  ],
  'data of a comparison': ['compare --data absent --output comparison', /absent/],
};

for (const [what, [args, message]] of Object.entries(refused)) {
  test.serial(`a command that is refused leaves nothing behind: ${what}`, async (t) => {
    const { code, stderr } = await fastsde(args.split(' '));
    t.is(code, 1);
    t.regex(stderr, message);
    t.deepEqual(await readdir(folder), []);
  });
}

const hints: Readonly<Record<string, readonly RegExp[]>> = {
  'sample mnst': [/no file or folder mnst\. A model is an ONNX file, .*, or the name cifar10/],
  'likelihood --data mnits': [/Did you mean mnist\?$/m],
  'likelihood --data cifar10': [/Data are a file, a folder, or one of mnist, /],
  'likelihood --data nowhere.npy': [/no such file or folder\.$/m],
  'inpaint --data mnist': [
    /'--mask <name\|file>' not specified$/m,
    /^For example: fastsde inpaint --data mnist --mask half:bottom$/m,
    /^All options: fastsde inpaint --help$/m,
  ],
  'sample --stpes 5': [/mean --steps/, /^All options: fastsde sample --help$/m],
  smaple: [/mean sample/, /^All commands: fastsde --help$/m],
};

for (const [args, messages] of Object.entries(hints))
  test.serial(`a first mistake is told what to do: ${args}`, async (t) => {
    const { code, stderr } = await fastsde(args.split(' '));
    t.is(code, 1);
    for (const message of messages) t.regex(stderr, message);
  });

test.serial('what was not given is called nothing', async (t) => {
  const { code, stderr } = await fastsde(['grid']);
  t.is(code, 1);
  t.regex(stderr, /^error: --evaluations must be at least 2: .*; got nothing\.$/m);
});
