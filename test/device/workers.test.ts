import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import test, { type ExecutionContext } from 'ava';

import { setThreads } from '../../src/device/addon.js';
import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';

const kernels = new URL('../../src/device/kernels.js', import.meta.url).href;
const addon = new URL('../../src/device/addon.js', import.meta.url).href;

/** Calls the addon without end: large calls, which use the threads of the pool, and small ones that are refused. */
const program = `
  import(${JSON.stringify(kernels)}).then(({ affine, fillNormal }) => {
    const { parentPort, workerData } = require('node:worker_threads');
    const x = new Float32Array(workerData);
    const noise = { seed: 1n, samples: 0, step: 0, stream: 0 };
    parentPort.postMessage('started');
    for (;;) {
      fillNormal(x, 1, noise);
      affine(x, [x], Float64Array.of(0.5, 1), noise);
      try { affine(x, [x, x.subarray(1)], Float64Array.of(1, 1, 0)); } catch {}
    }
  });`;

test('threads that are terminated in the middle of calls leave the process and its kernels as they were', async (t) => {
  setThreads(2);
  const fill = () => {
    const values = new Float32Array(1 << 18);
    fillNormal(values, 1, { seed: 5n, samples: 0, step: 0, stream: Stream.user });
    return values;
  };
  const expected = fill();
  for (const sizes of [
    [1 << 18, 1 << 18, 64],
    [1 << 18, 1 << 10, 1 << 10],
  ]) {
    const workers = sizes.map((elements) => new Worker(program, { eval: true, workerData: elements }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    for (const [i, worker] of workers.entries()) {
      await new Promise((resolve) => setTimeout(resolve, 2 * i));
      t.deepEqual(fill(), expected);
      await worker.terminate();
    }
    t.deepEqual(fill(), expected);
  }
});

// Only Linux tells the threads of a process.
const onLinux = existsSync('/proc/self/task') ? test : () => undefined;

onLinux('a thread that stays on itself starts no other', (t: ExecutionContext) => {
  const started = (first: string): number => {
    const source = `
      import { readdirSync } from 'node:fs';
      import { setThreads, stayOnThisThread } from ${JSON.stringify(addon)};
      import { fillNormal } from ${JSON.stringify(kernels)};
      const threads = () => readdirSync('/proc/self/task').length;
      setThreads(3);
      ${first}
      const before = threads();
      fillNormal(new Float32Array(1 << 20), 1, { seed: 1n, samples: 0, step: 0, stream: 0 });
      console.log(threads() - before);`;
    return Number(execFileSync(process.execPath, ['--input-type=module', '--eval', source]));
  };
  t.is(started(''), 2);
  t.is(started('stayOnThisThread();'), 0);
});
