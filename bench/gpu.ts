// Kernels, copies, the queue and networks on a GPU. Nothing here is measured where the GPU is emulated.
import { addon } from '../src/device/addon.js';
import { Stream } from '../src/device/binding.js';
import type { Elements } from '../src/device/device.js';
import { Queue } from '../src/device/queue.js';
import { measureTrajectories } from './gpu-trajectories.js';

const samples = 64;
const length = samples * 3 * 256 * 256;
const rounds = 200;
const noise = { seed: 1n, samples: 0, step: 0, stream: Stream.predictor };

/** Seconds of a verb, once it has run a few times. */
async function time(queue: Queue, verb: () => void): Promise<number> {
  for (let i = 0; i < 10; i++) verb();
  await queue.settled();
  const start = performance.now();
  for (let i = 0; i < rounds; i++) verb();
  await queue.settled();
  return (performance.now() - start) / 1000 / rounds;
}

export async function run(): Promise<void> {
  const { name, emulated, reason } = await addon().gpuInfo();
  if (name === undefined || emulated === true) {
    console.log(`No figures: ${reason ?? 'the GPU is emulated'}.`);
    return;
  }
  const queue = new Queue(undefined, 'cuda');
  const array = (): Elements => queue.allocate(length, 'single');
  const [x, f, y] = [array(), array(), array()];
  const sums = queue.allocate(samples, 'double');
  queue.fill(x, samples, 'normal', noise);
  const rows = (width: number) => new Float64Array(samples * width).fill(0.5);
  const verbs: readonly (readonly [string, number, () => void])[] = [
    [
      'copy',
      8,
      () => {
        queue.copy(y, x);
      },
    ],
    [
      'affine, x and F, noise',
      12,
      () => {
        queue.affine(y, [x, f], rows(3), noise);
      },
    ],
    [
      'affine, x and F',
      12,
      () => {
        queue.affine(y, [x, f], rows(3));
      },
    ],
    [
      'affine, 4 arrays, noise',
      20,
      () => {
        queue.affine(y, [x, f, x, f], rows(5), noise);
      },
    ],
    [
      'langevin, sample',
      20,
      () => {
        queue.langevin(y, f, rows(3), 'sample', noise);
      },
    ],
    [
      'fill, normal',
      4,
      () => {
        queue.fill(y, samples, 'normal', noise);
      },
    ],
    [
      'fill, rademacher',
      4,
      () => {
        queue.fill(y, samples, 'rademacher', noise);
      },
    ],
    [
      'dots',
      8,
      () => {
        queue.dots(x, f, sums);
      },
    ],
    [
      'clip',
      8,
      () => {
        queue.clip(y, -1, 1);
      },
    ],
  ];
  console.log(`${name}, 64x3x256x256, ${rounds} calls each\n`);
  console.log('| verb | us | GB/s | of the copy |\n| --- | --- | --- | --- |');
  let copied = 0;
  for (const [verb, bytes, call] of verbs) {
    const seconds = await time(queue, call);
    const rate = (bytes * length) / seconds / 1e9;
    copied ||= rate;
    console.log(
      `| ${verb} | ${(seconds * 1e6).toFixed(1)} | ${rate.toFixed(0)} | ${(rate / copied).toFixed(2)} |`,
    );
  }
  const small = queue.allocate(64, 'single');
  const call = await time(queue, () => {
    queue.clip(small, -1, 1);
  });
  console.log(`\nA launch of no size, the queue included: ${(call * 1e6).toFixed(1)} us.`);
  await queue.close();
  await measureTrajectories();
}
