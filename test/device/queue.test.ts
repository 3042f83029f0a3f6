import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import test from 'ava';

import { addon } from '../../src/device/addon.js';
import { Stream } from '../../src/device/binding.js';
import type { Device, Elements } from '../../src/device/device.js';
import * as kernels from '../../src/device/kernels.js';
import { Queue } from '../../src/device/queue.js';

const noise = { seed: 3n, samples: 0, step: 1, stream: Stream.user };

/** An array of a device with these values. */
function arrayOf(device: Device, ...values: number[]): Elements {
  const array = device.allocate(values.length, 'single');
  device.write(array, Float32Array.from(values));
  return array;
}

test('verbs take effect in order, with the bits that they have at once', async (t) => {
  const queue = new Queue();
  const x = queue.allocate(1 << 16, 'single');
  const y = queue.allocate(1 << 16, 'single');
  const here = [new Float32Array(1 << 16), new Float32Array(1 << 16)] as const;
  const rows = Float64Array.of(0.5, 0.25, 2);
  queue.fill(x, 4, 'normal', noise);
  queue.affine(y, [x, x], rows, noise);
  queue.affine(x, [y, x], rows);
  queue.clip(x, -1, 1);
  rows.fill(0); // small inputs were copied
  kernels.fill(here[0], 4, 'normal', noise);
  kernels.affine(here[1], [here[0], here[0]], Float64Array.of(0.5, 0.25, 2), noise);
  kernels.affine(here[0], [here[1], here[0]], Float64Array.of(0.5, 0.25, 2));
  kernels.clip(here[0], -1, 1);
  t.deepEqual(await queue.read(x), here[0]);
  t.deepEqual(await queue.read(y), here[1]);
  await queue.close();
});

test('what is read is an ordinary array of the caller', async (t) => {
  const queue = new Queue();
  const x = arrayOf(queue, 1, 2);
  const values = await queue.read(x);
  t.true(values.buffer instanceof ArrayBuffer);
  queue.clip(x, 0, 0);
  await queue.settled();
  t.deepEqual(values, Float32Array.of(1, 2));
  await queue.close();
});

test('rows are gathered, scattered and scaled, and precisions converted', async (t) => {
  const queue = new Queue();
  const x = arrayOf(queue, 1, 2, 3, 4, 5, 6);
  const part = queue.allocate(4, 'single');
  queue.gather(part, x, Int32Array.of(2, 0));
  queue.scale(part, Float64Array.of(10, 0.1));
  queue.scatter(x, part, Int32Array.of(0, 1));
  t.deepEqual(await queue.read(x), Float32Array.of(50, 60, 0.1, Math.fround(0.1 * 2), 5, 6));
  const [double, half] = [queue.allocate(6, 'double'), queue.allocate(6, 'half')];
  queue.copy(double, x);
  t.deepEqual(await queue.read(double), Float64Array.from(await queue.read(x)));
  queue.copy(half, x);
  queue.copy(x, half);
  t.deepEqual(await queue.read(x), Float32Array.of(50, 60, 0.0999755859375, 0.199951171875, 5, 6));
  await queue.close();
});

test('after a failure the rest is passed over, and whatever is awaited has its error', async (t) => {
  const queue = new Queue();
  const bad = arrayOf(queue, 1, 2, NaN, 4);
  const after = arrayOf(queue, 7);
  queue.requireFinite(bad, 4, (sample) => new RangeError(`sample ${sample}`));
  queue.requireFinite(bad, 2, (sample) => new RangeError(`second ${sample}`));
  queue.clip(after, 0, 0);
  await t.throwsAsync(queue.settled(), { instanceOf: RangeError, message: 'sample 2' });
  await t.throwsAsync(queue.read(after), { instanceOf: RangeError, message: 'sample 2' });
  t.is((after as Float32Array)[0], 7);
  await queue.close();
});

test('an abort passes over the rest, and its reason is what is thrown', async (t) => {
  const controller = new AbortController();
  const queue = new Queue(controller.signal);
  const x = queue.allocate(1 << 20, 'single');
  const last = arrayOf(queue, 7);
  await queue.settled();
  for (let i = 0; i < 1000; i++) queue.fill(x, 1, 'normal', noise);
  queue.clip(last, 0, 0);
  const pending = queue.settled();
  controller.abort(new RangeError('enough'));
  await t.throwsAsync(pending, { instanceOf: RangeError, message: 'enough' });
  t.is((last as Float32Array)[0], 7);
  await queue.close();
  await t.throwsAsync(new Queue(controller.signal).settled(), { message: 'enough' });
});

test('arrays that a queue does not hold are refused', async (t) => {
  const [queue, other] = [new Queue(), new Queue()];
  const own = queue.allocate(8, 'single');
  const message = /memory of the queue/;
  for (const foreign of [
    other.allocate(8, 'single'),
    new Float32Array(8),
    new Float32Array(new SharedArrayBuffer(32)),
  ]) {
    t.throws(
      () => {
        queue.copy(own, foreign);
      },
      { instanceOf: RangeError, message },
    );
    t.throws(
      () => {
        queue.affine(foreign, [own], Float64Array.of(1, 0));
      },
      { instanceOf: RangeError, message },
    );
  }
  t.throws(
    () => {
      addon().hold(queue.number, new Float32Array(8));
    },
    { instanceOf: TypeError, message: 'memory must be shared' },
  );
  await Promise.all([queue.close(), other.close()]);
});

test('nobody can take the arrays of a queue away', (t) => {
  const x = new Queue().allocate(8, 'single') as Float32Array;
  const { buffer } = x;
  t.true(buffer instanceof SharedArrayBuffer);
  t.throws(() => structuredClone(buffer, { transfer: [buffer as unknown as ArrayBuffer] }));
});

test('a closed queue refuses whatever it is told', async (t) => {
  const queue = new Queue();
  const x = queue.allocate(8, 'single');
  await queue.close();
  await queue.close();
  t.throws(
    () => {
      queue.clip(x, 0, 1);
    },
    { message: 'the queue is closed' },
  );
  t.throws(() => queue.allocate(8, 'single'), { message: 'the queue is closed' });
  await t.throwsAsync(queue.settled(), { message: 'the queue is closed' });
});

test.serial('the calling thread is free while a queue works', async (t) => {
  const queue = new Queue();
  const x = queue.allocate(1 << 20, 'single');
  for (let i = 0; i < 1000; i++) queue.fill(x, 1, 'normal', { ...noise, step: i });
  let isDone = false;
  const done = queue.settled().finally(() => (isDone = true));
  for (let turns = 0; turns < 3; turns++) await sleep(1);
  t.false(isDone);
  await queue.close();
  await t.throwsAsync(done, { message: /cancelled/ });
});

const module = new URL('../../src/device/queue.js', import.meta.url).href;
const program = (end: string) => `
  import { Queue } from ${JSON.stringify(module)};
  const queue = new Queue();
  const x = queue.allocate(1 << 20, 'single');
  for (let i = 0; i < 1000; i++) queue.fill(x, 1, 'normal', { seed: 1n, samples: 0, step: i, stream: 0 });
  console.log('working');
  ${end}`;

for (const [how, end] of [
  ['process.exit()', 'process.exit(0);'],
  ['nothing left to do', ''],
  ['an exit while somebody waits', 'void queue.settled(); setTimeout(() => process.exit(0), 5);'],
  [
    'a worker that is terminated',
    `const { Worker } = await import('node:worker_threads');
     const worker = new Worker(${JSON.stringify('PROGRAM')}, { eval: true, execArgv: [] });
     await new Promise((resolve) => worker.once('message', resolve));
     await worker.terminate();`,
  ],
] as const) {
  test(`the process ends well in the middle of queued work: ${how}`, (t) => {
    const inner = `import(${JSON.stringify(module)}).then(({ Queue }) => {
      const queue = new Queue();
      const x = queue.allocate(1 << 20, 'single');
      for (let i = 0; i < 1000; i++) queue.fill(x, 1, 'normal', { seed: 1n, samples: 0, step: i, stream: 0 });
      void queue.settled();
      require('node:worker_threads').parentPort.postMessage('working');
    });`;
    const source = program(end.replace('"PROGRAM"', JSON.stringify(inner)));
    t.is(
      execFileSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' }),
      'working\n',
    );
  });
}

test('a queue that follows another waits for what that was told before, and ends where it failed', async (t) => {
  const [first, second] = [new Queue(), new Queue()];
  const large = first.hold(new Float32Array(new SharedArrayBuffer(4 << 22)));
  second.hold(large);
  const sum = second.allocate(1, 'double') as Float64Array;
  const [before, after] = [first.allocate(1, 'double'), second.allocate(1, 'double')] as Float64Array[];
  first.fill(large, 4, 'rademacher', noise);
  first.stamp(before!);
  second.follow(first);
  second.stamp(after!);
  second.dots(large, large, sum);
  await second.settled();
  t.is(sum[0], large.length);
  t.true(before![0]! > 0 && after![0]! >= before![0]!);
  // Both wait for each other, as often as one likes.
  for (let k = 0; k < 100; k++) {
    first.follow(second);
    second.follow(first);
  }
  await Promise.all([first.settled(), second.settled()]);

  const bad = arrayOf(first, NaN);
  first.requireFinite(bad, 1, () => new RangeError('not finite'));
  second.follow(first);
  second.affine(sum, [sum], Float64Array.of(0, 0));
  await t.throwsAsync(second.settled(), { message: /^Work was given up: / });
  t.is(sum[0], large.length);
  await t.throwsAsync(first.settled(), { instanceOf: RangeError });
  t.throws(() => {
    second.follow(second);
  });
  await Promise.all([first.close(), second.close()]);
  const closed = new Queue();
  t.throws(() => {
    closed.follow(first);
  });
  await closed.close();
});

test('a queue that waits for another ends with it when both are closed', async (t) => {
  const [first, second] = [new Queue(), new Queue()];
  const large = first.hold(new Float32Array(new SharedArrayBuffer(4 << 22)));
  for (let k = 0; k < 50; k++) first.fill(large, 4, 'normal', { ...noise, step: k });
  second.follow(first);
  await Promise.all([second.close(), first.close()]);
  t.pass();
});
