import { networkThread } from '../onnx/run/network-thread.js';
import { Barrier } from './barrier.js';
import { Flag } from './memory.js';
import type { TrainingJob, WorkerMessage } from './messages.js';

/** What comes from the workers; `died` is of one that ended before it was done. */
export type Received =
  WorkerMessage | { readonly kind: 'died'; readonly worker: number; readonly reason: string };

/**
 * Trains in one thread per worker, and resolves when all of them have ended.
 *
 * Each worker differentiates the loss of its rows of a batch, and updates its slice of the parameters with the sum of all
 * gradients, in memory that they share.
 *
 * @param receive takes what comes from the workers; where it throws, all of them end, after their run of the network
 * @throws the first error of `receive`
 */
export async function trainInParallel(
  job: Omit<TrainingJob, 'worker'>,
  receive: (message: Received) => void | Promise<void>,
): Promise<void> {
  const { gradients, flags, barrier } = job.memory;
  const failures: unknown[] = [];
  const received: Promise<void>[] = [];
  const take = (message: Received): void => {
    if (failures.length > 0) return;
    const taken = (async () => receive(message))().catch((error: unknown) => {
      failures.push(error);
      new Barrier(barrier, gradients.length).abort();
      setFlag(flags, 'writing', 0);
      setFlag(flags, 'showing', 0);
    });
    received.push(taken);
  };
  const work = (worker: number): Promise<void> =>
    new Promise((resolve) => {
      const thread = networkThread(new URL('./worker.js', import.meta.url), { ...job, worker });
      let isDone = false;
      let reason: string | undefined;
      thread.on('message', (message: WorkerMessage) => {
        isDone ||= message.kind === 'done' || message.kind === 'failed';
        take(message);
      });
      thread.on('error', (error: unknown) => {
        reason = error instanceof Error ? error.message : String(error);
      });
      thread.once('exit', (code) => {
        if (!isDone) take({ kind: 'died', worker, reason: reason ?? `it ended with code ${code}` });
        resolve();
      });
    });
  await Promise.all(gradients.map((_, worker) => work(worker)));
  await Promise.all(received);
  if (failures.length > 0) throw failures[0];
}

/** Sets a flag that a worker may wait for. */
export function setFlag(flags: Int32Array, flag: keyof typeof Flag, value: number): void {
  Atomics.store(flags, Flag[flag], value);
  Atomics.notify(flags, Flag[flag]);
}
