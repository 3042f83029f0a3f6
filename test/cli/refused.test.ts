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

test.serial('what was not given is called nothing', async (t) => {
  const { code, stderr } = await fastsde(['grid']);
  t.is(code, 1);
  t.regex(stderr, /^error: --evaluations must be at least 2: .*; got nothing\.$/m);
});
