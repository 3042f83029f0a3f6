import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { byMatrix, restorationFolder } from '../support/restoration-files.js';

const { folder, fastsde, write } = await restorationFolder();
test.after.always(() => rm(folder, { recursive: true }));

test.before(async () => {
  await write('wide.npy', Float64Array.of(0.5, 1, 2), [1, 3]);
  await write('zero.npy', Float64Array.of(0, 0), [1, 2]);
  await write('nan.npy', Float64Array.of(0.5, NaN), [1, 2]);
  await write('none.npy', new Float64Array(784), [28, 28]);
  await write('channel.npy', new Float64Array(784), [1, 28, 28]);
  await write('nans.npy', new Float64Array(784).fill(NaN), [28, 28]);
  await write('far.npy', Uint8Array.of(1, 99), [2]);
  const picture = (name: string, width: number, background: string) =>
    sharp({ create: { width, height: 28, channels: 3, background } })
      .png()
      .toFile(join(folder, name));
  await picture('narrow.png', 20, '#fff');
  await picture('dark.png', 28, '#333');
});

const refused: Record<string, [string[], RegExp]> = {
  'a part of what is no folder': [
    ['colorize', '--data', 'digits.npy', '--shard', '0/2', '--output', 'x.png'],
    /--shard must be left out unless --output is a folder, such as samples\/; got "0\/2"/,
  ],
  'a mask with an axis of channels': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'channel.npy'],
    /a mask has shape \[height, width\], the same for all channels; this array has \[1, 28, 28\]/,
  ],
  'a mask of another size': [['inpaint', '--data', 'digits.npy', '--mask', 'narrow.png'], /--mask .*20 x 28/],
  'a dark mask': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'dark.png'],
    /--mask must be a picture that is light where something is known.*got "dark.png"/,
  ],
  'a mask of zeros': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'none.npy'],
    /--mask must be a picture that is not 0 where something is known.*got "none.npy"/,
  ],
  'a mask of NaN': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'nans.npy'],
    /nans\.npy: row 0, column 0 is NaN/,
  ],
  'a mask that is none': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:up'],
    /--mask must be center:16/,
  ],
  'a model of one channel': [
    ['colorize', '--data', 'digits.npy'],
    /error: --model must be one of colour pictures: samples of \[1, 28, 28\] have no colours/,
  ],
  'an operator that is none': [
    ['restore', '--data', 'digits.npy', '--operator', 'blurr:3'],
    /did you mean blur\?/,
  ],
  'an even blur': [
    ['restore', '--data', 'digits.npy', '--operator', 'blur:4'],
    /--operator must be one whose size is an odd/,
  ],
  'noise below zero': [[...byMatrix, '--noise', '-1'], /--noise must be a finite number of at least 0/],
  'more samples than memory holds': [
    [...byMatrix, '--count', '100000000000'],
    /--count must be at most \d+ in the memory/,
  ],
  'noise beyond float32': [
    ['restore', '--data', 'digits.npy', '--operator', 'blur:3', '--noise', '1e300'],
    /--noise must be at most/,
  ],
  'a blur of what is no picture': [
    ['restore', '--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'blur:3'],
    /--operator must be one of samples \[2\]: it takes \[1 or 3, height, width\]/,
  ],
  'a mask of what is no picture': [
    ['inpaint', '--mixture', 'mixture.json', '--data', 'y.npy', '--mask', 'half:top'],
    /--mask must be left out: a mask is one of pictures, and samples are \[2\]/,
  ],
  'a trajectory in a folder': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--trajectory', '2', '--output', 'way/'],
    /--output must be a \.npz or \.webp file where a trajectory is kept/,
  ],
  'a trajectory of no steps': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--trajectory', '0', '--output', 'way.npz'],
    /--trajectory must be an integer of at least 1; got 0/,
  ],
  'an adaptive solver': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--solver', 'rk45'],
    /--solver must be one on a grid, such as a predictor; got "rk45"/,
  ],
  'a class that there is not': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--data-labels', 'far.npy', '--guidance', '2'],
    /99/,
  ],
  'an animation of particles': [
    ['inpaint', '--data', 'digits.npy', '--mask', 'half:top', '--method', 'smc', '--output', 'way.webp'],
    /--output must be another than an animation/,
  ],
  'a flag in the place of a value': [
    ['sample', '--guide', '--guidance', '2'],
    /--guide .*A value is missing/,
  ],
  'a method for linear measurements': [
    [
      'restore',
      '--mixture',
      'mixture.json',
      '--data',
      'two.npy',
      '--operator',
      'square.onnx',
      '--measured',
      '--method',
      'mmps',
    ],
    /--method must be 'dps' or 'smc': what network measures is not linear/,
  ],
  'a matrix of zeros': [
    ['restore', '--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'zero.npy'],
    /--operator must be a matrix that measures something/,
  ],
  'a matrix with NaN': [
    ['restore', '--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'nan.npy'],
    /nan\.npy: .*finite/,
  ],
  'a matrix for other samples': [
    ['restore', '--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'wide.npy'],
    /--operator must be a matrix of 2 columns/,
  ],
};
for (const [name, [args, message]] of Object.entries(refused)) {
  test.serial(`refused in a line: ${name}`, async (t) => {
    const { code, stderr } = await fastsde(args);
    t.is(code, 1);
    t.regex(stderr, message);
    t.notRegex(stderr, /\n\s+at /);
  });
}
