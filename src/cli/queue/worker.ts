import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { DataError, FastsdeError, OutputError, QueueError } from '../../errors.js';
import { fastsde } from '../shared/package.js';
import type { OpenRun } from './kinds.js';
import { parseRun, type QueuedRun } from './run.js';
import { connect, KEPT, loadBullMq, QUEUE, stopKey } from './server.js';
import { markerOf } from './submit.js';
import { runWhole } from './whole.js';

/** Whose jobs a worker does, and how it is stopped. */
export interface WorkOptions {
  /** Address of the server. */
  readonly redis: string;
  /** Ends the worker: the job that it has goes back to the queue at once. */
  readonly signal: AbortSignal;
  /** Threads of networks and kernels. Default: as the run says, else one per core. */
  readonly threads?: number | undefined;
  /** Told in plain words: jobs that begin, end or fail. */
  readonly onEvent?: ((line: string) => void) | undefined;
  /**
   * Milliseconds after which the job of a worker that gives no sign of life is another's. Default 30,000. It must be many times
   * what one evaluation of a model takes that is no network, which has the thread for itself.
   */
  readonly lockDuration?: number | undefined;
}

/** Milliseconds between two looks at whether a run was cancelled. */
const LOOK_EVERY = 1000;

/** Tries of a job that fails for a reason nobody foresaw. */
const TRIES = 3;

/** A job of a run: one of its batches, or, without, its end. */
type RunJob = Job<QueuedRun & { readonly batch?: number }, object>;

/**
 * Does the jobs of a queue, one after the other, until the signal. A job that is done twice, since its worker was silent for too
 * long, writes the same bits.
 *
 * @throws LoadError without bullmq, QueueError without a server.
 */
export async function work(options: WorkOptions): Promise<void> {
  const { redis, signal, lockDuration = 30_000, onEvent = () => undefined } = options;
  const connection = await connect(redis);
  const { DelayedError, UnrecoverableError, Worker } = await loadBullMq();
  const open = new LastRun(options);
  const worker = new Worker<RunJob['data'], object>(
    QUEUE,
    async (job, token) => {
      const named = nameOf(job);
      onEvent(`${named}: started`);
      const began = performance.now();
      try {
        const result = await perform(job, open, connection, options);
        onEvent(`${named}: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
        return result;
      } catch (cause) {
        if (signal.aborted) {
          await job.moveToDelayed(Date.now(), token);
          throw new DelayedError();
        }
        const { message } = cause as Error;
        if (isFault(cause, job)) {
          await connection.set(stopKey(job.data.id), message, 'EX', KEPT);
          onEvent(`${named}: failed: ${message}`);
          throw new UnrecoverableError(message);
        }
        onEvent(`${named}: later: ${message}`);
        throw cause;
      }
    },
    {
      connection,
      lockDuration,
      stalledInterval: lockDuration,
      // Workers may die any number of times.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    },
  );
  let away = false;
  worker.on('error', (error) => {
    if (!away) onEvent(`the server is away: ${error.message}`);
    away = true;
  });
  worker.on('ready', () => {
    if (away) onEvent('the server is back');
    away = false;
  });
  try {
    if (!signal.aborted) await new Promise((resolve) => { signal.addEventListener('abort', resolve, { once: true }); }); // prettier-ignore
  } finally {
    // What it would tell a server that is away, that finds out by itself.
    await worker.close(away);
    await open.close();
    connection.disconnect();
  }
}

/** Whether a job that failed would fail again, be it of other files or of other options. */
function isFault(cause: unknown, { attemptsMade }: RunJob): boolean {
  if (cause instanceof OutputError) return false;
  return cause instanceof FastsdeError || attemptsMade + 1 >= TRIES;
}

function nameOf({ data }: RunJob): string {
  const [command, output] = [data.args[0]!, data.folder ?? ''];
  const part = data.batch === undefined ? 'end' : `batch ${data.batch} of ${data.batches}`;
  return `${command} ${output} ${data.folder === undefined ? '' : part}`.trim();
}

async function perform(
  job: RunJob,
  open: LastRun,
  connection: Redis,
  { signal, threads }: WorkOptions,
): Promise<object> {
  const { data } = job;
  if (data.fastsde !== fastsde.version)
    throw new QueueError(
      `The run is of fastsde ${data.fastsde}, and this worker of ${fastsde.version}: only equal versions make equal bits. ` +
        'Install one version everywhere, and submit the run again.',
    );
  await checkFolder(data);
  const stop = new AbortController();
  const stopped = (reason: string | null): void => {
    if (reason !== null) stop.abort(new QueueError(reason));
  };
  stopped(await connection.get(stopKey(data.id)));
  stop.signal.throwIfAborted();
  let progress: number | undefined;
  const look = setInterval(() => {
    // A server that is away stops nothing.
    connection.get(stopKey(data.id)).then(stopped, () => undefined);
    if (progress !== undefined) job.updateProgress(progress).catch(() => undefined);
    progress = undefined;
  }, LOOK_EVERY);
  const turn = {
    signal: AbortSignal.any([signal, stop.signal]),
    onProgress: (fraction: number): void => {
      progress = fraction;
    },
  };
  try {
    if (data.folder === undefined) return await runWhole(data.args, turn.signal, threads);
    const run = await open.of(data, turn.signal);
    if (data.batch === undefined) return await run.finish(turn, data.merge);
    await run.batch(data.batch, turn);
    return {};
  } catch (cause) {
    if (!signal.aborted) stop.signal.throwIfAborted();
    throw cause;
  } finally {
    clearInterval(look);
  }
}

/** Where a run is done in a folder, this worker has to see the folder that it was submitted with. */
async function checkFolder(run: QueuedRun): Promise<void> {
  if (run.folder === undefined) return;
  const marker = join(run.folder, markerOf(run));
  await access(marker).catch((cause: unknown) => {
    throw new DataError(
      `${marker}, which the run was submitted with, is not there for a worker in ${process.cwd()}. Start workers in the folder ` +
        'in which runs are submitted, as their machine sees it, or submit paths that are the same on all machines.',
      { value: run.folder, cause },
    );
  });
}

/** The run that a worker did last, with its model at hand. */
class LastRun {
  readonly #threads: number | undefined;
  #id: string | undefined;
  #open: OpenRun | undefined;

  constructor({ threads }: WorkOptions) {
    this.#threads = threads;
  }

  async of(run: QueuedRun, signal: AbortSignal): Promise<OpenRun> {
    if (this.#open && this.#id === run.id) return this.#open;
    const { kind, model, flags } = parseRun(run.args);
    await this.close();
    const threads = this.#threads === undefined ? {} : { threads: this.#threads };
    this.#open = await kind.filling!.open(model, { ...flags, ...threads }, signal, run.batches);
    this.#id = run.id;
    return this.#open;
  }

  async close(): Promise<void> {
    await this.#open?.close();
    this.#open = undefined;
  }
}
