import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import test from 'ava';

import { setThreads } from '../src/native/addon.js';
import { Stream } from '../src/native/binding.js';
import { fillNormal } from '../src/native/kernels.js';

const kernels = new URL('../src/native/kernels.js', import.meta.url).href;

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
