import { isMainThread, Worker, workerData } from 'node:worker_threads';

/**
 * Threads that run networks. ONNX Runtime's binding aborts the whole process when its thread is stopped in the middle of a
 * call. So such a thread is never terminated (it ends by itself when its port closes), and a process that ends first waits
 * for the calls under way.
 */

/** Cells that a thread shares with the one that started it: calls under way, and whether the process ends. */
const CALLS = 0;
const ENDING = 1;

/** Milliseconds that the end of the process waits for the calls under way; only a call that hangs takes as long. */
const PATIENCE = 60_000;

const own = isMainThread ? undefined : (workerData as { networkCalls?: Int32Array } | null)?.networkCalls;
const running = new Set<Int32Array>();

/**
 * Starts a thread in which networks may be run.
 *
 * @param data What the thread finds in its `workerData`, beside `networkCalls`, which is taken.
 */
export function networkThread(script: URL, data: object): Worker {
  const cells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  // Without execArgv of its own it would get those of the process, of which some (--input-type) refuse a file.
  const thread = new Worker(script, { workerData: { ...data, networkCalls: cells }, execArgv: [] });
  if (running.size === 0) process.on('exit', awaitCalls);
  running.add(cells);
  thread.once('exit', () => {
    running.delete(cells);
    if (running.size === 0) process.off('exit', awaitCalls);
  });
  return thread;
}

/** Makes a call into ONNX Runtime. In a thread of a process that ends it is not made, and the promise never settles. */
export async function networkCall<T>(call: () => Promise<T>): Promise<T> {
  if (own === undefined) return call();
  Atomics.add(own, CALLS, 1);
  try {
    // In this order: whoever sets ENDING and then finds no call knows that none will begin.
    if (Atomics.load(own, ENDING) === 0) return await call();
  } finally {
    Atomics.sub(own, CALLS, 1);
    Atomics.notify(own, CALLS);
  }
  return new Promise<never>(() => undefined);
}

function awaitCalls(): void {
  const limit = performance.now() + PATIENCE;
  for (const cells of running) Atomics.store(cells, ENDING, 1);
  for (const cells of running) {
    for (let calls; (calls = Atomics.load(cells, CALLS)) > 0;) {
      const left = limit - performance.now();
      if (left <= 0) return;
      Atomics.wait(cells, CALLS, calls, left);
    }
  }
}
