import type { Worker } from 'node:worker_threads';
import { EngineError } from '../errors.js';
import { networkThread } from '../onnx/run/network-thread.js';
import type { Preview } from '../sampling/sample.js';
import { errorOf } from '../failure.js';
import type { ModelFacts, Order, Report, Task } from './messages.js';
import { buffersOf } from './plain.js';
import type { PlainSource } from './source.js';

/** What a caller hears of a request under way, and how it is stopped. */
export interface Listeners {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: never) => void) | undefined;
  readonly onPreview?: ((preview: Preview) => void) | undefined;
}

/** The side of an answer that is owed. */
interface Answer {
  readonly listeners: Listeners;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** A thread with a model of its own that runs one request at a time, and keeps the process alive while it has one. */
export class Engine {
  /** Settles when the model is loaded, or cannot be. */
  readonly opened: Promise<ModelFacts>;
  /** Settles when the thread is over, however that came. */
  readonly ended: Promise<void>;
  readonly #thread: Worker;
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #owed: Answer | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #over: EngineError | undefined;

  constructor(source: PlainSource, script: URL) {
    this.#thread = networkThread(script, { ...source, stop: this.#stop });
    this.#thread.on('message', (report: Report) => {
      this.#hear(report);
    });
    let cause: unknown;
    this.#thread.once('error', (error) => (cause = error));
    this.ended = new Promise((resolve) => {
      this.#thread.once('exit', (code) => {
        this.#over = lost(code, cause);
        this.#owed?.reject(this.#over);
        resolve();
      });
    });
    this.opened = this.#answer({}) as Promise<ModelFacts>;
  }

  get over(): boolean {
    return this.#over !== undefined;
  }

  /** Runs a request to its end. Throws what the request throws, the signal's reason, or EngineError if the thread ends. */
  async run(task: Task, listeners: Listeners): Promise<unknown> {
    const { signal } = listeners;
    signal?.throwIfAborted();
    if (this.#over) throw this.#over;
    const stop = (): void => {
      this.stop(signal?.reason);
    };
    this.#stopped = undefined;
    Atomics.store(this.#stop, 0, 0);
    signal?.addEventListener('abort', stop);
    this.#thread.ref();
    this.#send({ type: 'run', task });
    try {
      return await this.#answer(listeners);
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Stops the request under way before its next evaluation; it then throws the reason. */
  stop(reason: unknown): void {
    this.#stopped ??= { reason };
    Atomics.store(this.#stop, 0, 1);
  }

  /** The caller with these listeners has dealt with a preview. */
  previewTaken(listeners: Listeners): void {
    if (this.#owed?.listeners === listeners) this.#send({ type: 'taken', what: 'preview' });
  }

  /** Ends the thread once its request is over. */
  async close(): Promise<void> {
    this.#thread.ref();
    this.#send({ type: 'close' });
    await this.ended;
  }

  /** What the thread answers to what it was last sent. */
  #answer(listeners: Listeners): Promise<unknown> {
    const answer = new Promise((resolve, reject) => {
      this.#owed = { listeners, resolve, reject };
    });
    return answer.finally(() => {
      this.#owed = undefined;
      this.#thread.unref();
    });
  }

  #hear(report: Report): void {
    switch (report.type) {
      case 'progress':
        try {
          this.#owed?.listeners.onProgress?.(report.progress as never);
        } catch (error) {
          this.stop(error);
        }
        this.#send({ type: 'taken', what: 'progress' });
        break;
      case 'preview':
        this.#owed?.listeners.onPreview?.(report.preview);
        break;
      case 'result':
        this.#owed?.resolve(report.result);
        break;
      case 'failed':
        this.#owed?.reject(this.#stopped ? this.#stopped.reason : errorOf(report.failure));
        break;
    }
  }

  #send(order: Order): void {
    this.#thread.postMessage(order, buffersOf(order));
  }
}

function lost(code: number, cause: unknown): EngineError {
  const why = cause instanceof Error ? cause.message : `its thread ended with code ${code}`;
  return new EngineError(`The engine of this request is lost: ${why}. Another takes its place.`, { cause });
}
