import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowJob, Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { QueueError } from '../../errors.js';
import { inFolder, writeAtomically } from '../../io/atomic.js';
import { describeRun, type QueuedRun } from './run.js';
import { connect, KEPT, loadBullMq, QUEUE, stopKey } from './server.js';

/** Where a run is queued, and where its samples go. */
export interface SubmitOptions {
  /** Address of the server. */
  readonly redis: string;
  /** A .npy file for all samples, written when they are there. */
  readonly merge?: string | undefined;
}

/** How its end is awaited. */
export interface WaitOptions extends SubmitOptions {
  /** Stops waiting with an AbortError; the run goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Of the batches, and of the end that needs them all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** Milliseconds between two looks at a run. */
const LOOK_EVERY = 300;

/** Tries of a job that fails for no fault of its own, such as a full disk, and milliseconds between them. */
const TRIES = 1_000_000;
const TRY_AGAIN_AFTER = 5000;

/** The file in the folder of a run by which workers know that they see the same folder. */
export function markerOf({ id }: QueuedRun): string {
  return `run-${id}.json`;
}

/**
 * Puts a command into the queue, divided into batches; where it is there already, nothing changes. A run that has ended is put
 * there again, and keeps the batches that are in its folder.
 *
 * @param args The command and its arguments, as one types them behind `fastsde`: `['sample', '--count', '4000', '--output', 'out/']`.
 *   Workers read them in the folder in which they were started.
 * @throws OptionError or DataError for what cannot be queued; QueueError; OutputError where the folder cannot be made.
 */
export async function submitRun(
  args: readonly string[],
  { redis, merge }: SubmitOptions,
): Promise<QueuedRun> {
  const run = await describeRun(args, merge);
  await withServer(redis, (queue, connection) => marked(run, () => enqueue(run, queue, connection)));
  return run;
}

async function enqueue(run: QueuedRun, queue: Queue, connection: Redis): Promise<void> {
  const last = await queue.getJob(run.id);
  const state = await last?.getState();
  if (last && state !== 'completed' && state !== 'failed' && state !== 'unknown') return;
  await last?.remove({ removeChildren: true }).catch((cause: unknown) => {
    throw new QueueError('Workers still stop the last jobs of this run. Submit it again in a moment.', {
      cause,
    });
  });
  await connection.del(stopKey(run.id));
  const { FlowProducer } = await loadBullMq();
  const flow = new FlowProducer({ connection });
  flow.on('error', () => undefined);
  try {
    await flow.add(jobsOf(run));
  } finally {
    await flow.close();
  }
}

/** Does work with the folder of a run there and marked, so that workers find it; what is new of that goes again where it fails. */
async function marked(run: QueuedRun, work: () => Promise<void>): Promise<void> {
  const { folder } = run;
  if (folder === undefined) return work();
  await inFolder(folder, async () => {
    const marker = join(folder, markerOf(run));
    const isNew = !existsSync(marker);
    await writeAtomically(marker, `${JSON.stringify(run, undefined, 1)}\n`);
    try {
      await work();
    } catch (cause) {
      if (isNew) await rm(marker);
      throw cause;
    }
  });
}

/** The run as a tree: its end waits for the batches. */
function jobsOf(run: QueuedRun): FlowJob {
  const patience = { attempts: TRIES, backoff: { type: 'fixed', delay: TRY_AGAIN_AFTER } };
  return {
    name: run.folder === undefined ? 'whole' : 'finish',
    queueName: QUEUE,
    data: run,
    opts: { ...patience, jobId: run.id, removeOnComplete: { age: KEPT }, removeOnFail: { age: KEPT } },
    children: Array.from({ length: run.batches }, (_, batch) => ({
      name: 'batch',
      queueName: QUEUE,
      data: { ...run, batch },
      opts: {
        ...patience,
        jobId: `${run.id}-${batch}`,
        failParentOnFailure: true,
        removeOnComplete: true,
        removeOnFail: { age: KEPT },
      },
    })),
  };
}

/**
 * Waits until a run in the queue has ended, and returns what it reports.
 *
 * @throws QueueError where it failed, was cancelled, or is not in the queue.
 */
export async function waitForRun({ id }: QueuedRun, options: WaitOptions): Promise<Record<string, unknown>> {
  const { redis, signal, onProgress } = options;
  return withServer(redis, async (queue, connection) => {
    for (;;) {
      const job = (await queue.getJob(id)) as Job<QueuedRun, Record<string, unknown>> | undefined;
      if (!job) throw new QueueError('The run is not in the queue.');
      const state = await job.getState();
      if (state === 'completed') return job.returnvalue;
      if (state === 'failed') {
        const stopped = await connection.get(stopKey(id));
        throw new QueueError(`The run has ended: ${stopped ?? job.failedReason}`);
      }
      const { processed = 0 } = await job.getDependenciesCount({ processed: true });
      onProgress?.(processed + (await begun(queue, id)), job.data.batches);
      await sleep(LOOK_EVERY, undefined, { signal });
    }
  });
}

/** Batches of a run that workers have done in part, as the sum of their shares. */
async function begun(queue: Queue, id: string): Promise<number> {
  const jobs = (await queue.getActive()) as Job<QueuedRun & { readonly batch?: number }>[];
  return jobs
    .filter(({ data }) => data.id === id && data.batch !== undefined)
    .reduce((sum, { progress }) => sum + (typeof progress === 'number' ? progress : 0), 0);
}

/**
 * Ends a run: workers stop its jobs within a second or so, and pass over those that wait. Batches that are complete stay.
 *
 * @throws QueueError where it is not in the queue.
 */
export async function cancelRun(
  args: readonly string[],
  { redis, merge }: SubmitOptions,
): Promise<QueuedRun> {
  const run = await describeRun(args, merge);
  await withServer(redis, async (queue, connection) => {
    if (!(await queue.getJob(run.id)))
      throw new QueueError('This run is not in the queue: give the arguments with which it was submitted.');
    await connection.set(stopKey(run.id), 'it was cancelled.', 'EX', KEPT);
  });
  return run;
}

/** Does something with the queue, and leaves the server. */
async function withServer<T>(
  redis: string,
  work: (queue: Queue, connection: Redis) => Promise<T>,
): Promise<T> {
  const connection = await connect(redis);
  const { Queue } = await loadBullMq();
  const queue = new Queue(QUEUE, { connection });
  queue.on('error', () => undefined);
  try {
    return await work(queue, connection);
  } finally {
    await queue.close();
    connection.disconnect();
  }
}
