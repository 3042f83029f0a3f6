import { availableParallelism } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../device/addon.js';
import { EngineError, QueueFullError } from '../errors.js';
import { checkInteger } from '../options.js';
import type { Parameterization } from '../score/model.js';
import type { LoadOptions } from '../score/network/load.js';
import { sdeFromName } from '../sde/named.js';
import type { Sde } from '../sde/sde.js';
import type { IntegrationOptions } from '../likelihood/integration.js';
import type { DecodeOptions, InterpolateOptions, LatentResult } from '../likelihood/latent.js';
import type { LikelihoodOptions } from '../likelihood/job.js';
import type { LikelihoodResult } from '../likelihood/summary.js';
import type { Data } from '../likelihood/data-space.js';
import { Sampling, type SampleOptions, type SampleResult } from '../sampling/sample.js';
import { Engine, type Listeners } from './engine.js';
import type { ModelFacts, Task } from './messages.js';
import { plain } from './plain.js';
import { plainSource, type ModelSource, type PlainSource } from './source.js';

export interface EnginesOptions extends LoadOptions {
  /** Requests that run at once, each in a thread with a copy of the model. Default 1. */
  readonly engines?: number;
  /** Threads of the networks, divided equally among the engines. Default: one per core. */
  readonly threads?: number;
  /** Requests that may wait for an engine; one more is refused with QueueFullError. Default 100. */
  readonly queue?: number;
}

/**
 * Opens engines: threads that sample and evaluate, so that the calling thread stays free for other work.
 *
 * @param model The path of an ONNX file, the bytes of one, or `{ mixture, sde }`.
 * @throws What `loadModel` throws, and OptionError for what cannot go to another thread.
 */
export function openEngines(model: ModelSource, options: EnginesOptions = {}): Promise<Engines> {
  return Engines.open(model, options);
}

/** A request that waits for an engine. */
interface Waiting {
  resolve(engine: Engine): void;
  reject(error: unknown): void;
}

/**
 * A model in threads of its own, with the functions of the library that run it. They take the same options, give the same
 * bits as on the calling thread with the same `threads` of the network, and throw errors of the same classes, except that
 *
 * - functions and classes of your own cannot be given, but for `onProgress`, which hears of the newest step where it is slow;
 * - an option that only the model can judge rejects the promise, instead of being refused at once;
 * - where previews come faster than they are taken, those between are left out.
 *
 * Idle engines do not keep the process alive. A process that ends while they run waits for the network calls under way.
 */
export class Engines {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  readonly sde: Sde;
  readonly parameterization: Parameterization;
  /** Number of classes where the model takes a class label. */
  readonly classes?: number;
  /** Doubts about the model, in plain words. */
  readonly warnings: readonly string[];
  readonly #open: () => Engine;
  readonly #limit: number;
  readonly #engines: Set<Engine>;
  readonly #queue: Waiting[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #idle: Engine[];
  #lastRoom: Promise<unknown> = Promise.resolve();
  #roomier: () => void = () => undefined;
  /** Why requests are refused, where they are. */
  #refusal: EngineError | undefined;
  #aborted = false;
  #drained: Promise<void> | undefined;

  private constructor(open: () => Engine, limit: number, engines: readonly Engine[], facts: ModelFacts) {
    const { shape, parameterization, classes, sde, warnings } = facts;
    this.shape = shape;
    this.sde = sdeFromName(sde.name, sde.constants, sde.dataRange);
    this.parameterization = parameterization;
    if (classes !== undefined) this.classes = classes;
    this.warnings = warnings;
    this.#open = open;
    this.#limit = limit;
    this.#engines = new Set(engines);
    this.#idle = [...engines];
    for (const engine of engines) this.#watch(engine);
  }

  /** @internal */
  static async open(
    model: ModelSource,
    { engines: count = 1, queue = 100, threads, ...load }: EnginesOptions,
    script: URL = new URL('./thread.js', import.meta.url),
  ): Promise<Engines> {
    checkInteger('engines', count, 1, 256);
    checkInteger('queue', queue, 0);
    const source: PlainSource = plainSource(model, { ...load, ...shareOf(threads, count) });
    const open = () => new Engine(source, script);
    const engines = Array.from({ length: count }, open);
    const openings = await Promise.allSettled(engines.map(({ opened }) => opened));
    const failure = openings.find((opening) => opening.status === 'rejected');
    if (failure) {
      await Promise.all(engines.map((engine) => engine.close()));
      throw failure.reason;
    }
    const [first] = openings as PromiseFulfilledResult<ModelFacts>[];
    return new Engines(open, queue, engines, first!.value);
  }

  /** Requests that wait for an engine. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Settles once a request would not be refused, for one caller after the other: the back-pressure of the queue. */
  room(): Promise<void> {
    const turn = this.#lastRoom.then(async () => {
      while (this.#full && !this.#refusal) await new Promise<void>((resolve) => (this.#roomier = resolve));
    });
    this.#lastRoom = turn.then(() => nextTurn());
    return turn;
  }

  /** As the function `sample`, in another thread. */
  sample(options: SampleOptions = {}): Sampling {
    const { task, listeners } = taskOf('sample', {}, options);
    let heard = listeners;
    return new Sampling(
      (onPreview) => {
        heard = { ...listeners, onPreview };
        return this.#request({ ...task, previews: onPreview !== undefined }, heard) as Promise<SampleResult>;
      },
      () => {
        for (const engine of this.#engines) engine.previewTaken(heard);
      },
    );
  }

  /** As the function `likelihood`, in another thread. */
  async likelihood(data: Data, options: LikelihoodOptions = {}): Promise<LikelihoodResult> {
    return this.#call('likelihood', { data }, options) as Promise<LikelihoodResult>;
  }

  /** As the function `encode`, in another thread. */
  async encode(data: Data, options: IntegrationOptions = {}): Promise<LatentResult> {
    return this.#call('encode', { data }, options) as Promise<LatentResult>;
  }

  /** As the function `decode`, in another thread. */
  async decode(latents: Float32Array | Float64Array, options: DecodeOptions = {}): Promise<LatentResult> {
    return this.#call('decode', { latents }, options) as Promise<LatentResult>;
  }

  /** As the function `interpolate`, in another thread. */
  async interpolate(from: Data, to: Data, options: InterpolateOptions = {}): Promise<LatentResult> {
    return this.#call('interpolate', { from, to }, options) as Promise<LatentResult>;
  }

  /**
   * Refuses new requests and ends the threads, once those accepted are answered. With `abort`, which also a later call may
   * ask for, these are rejected with EngineError, those under way within one network call.
   */
  async close({ abort = false }: { readonly abort?: boolean } = {}): Promise<void> {
    this.#refuse(new EngineError('The engines are closed.'));
    if (abort) {
      this.#aborted = true;
      this.#rejectWaiting();
      for (const engine of this.#engines) engine.stop(this.#refusal);
    }
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  async #drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await Promise.all(Array.from(this.#engines, (engine) => engine.close()));
  }

  #call(
    method: Task['method'],
    data: Readonly<Record<string, unknown>>,
    options: Listeners,
  ): Promise<unknown> {
    const { task, listeners } = taskOf(method, data, options);
    return this.#request(task, listeners);
  }

  async #request(task: Task, listeners: Listeners): Promise<unknown> {
    const answer = this.#answer(task, listeners);
    this.#running.add(answer);
    return answer.finally(() => this.#running.delete(answer));
  }

  async #answer(task: Task, listeners: Listeners): Promise<unknown> {
    const engine = await this.#engine(listeners.signal);
    try {
      if (this.#aborted) throw this.#refusal!;
      return await engine.run(task, listeners);
    } finally {
      this.#release(engine);
    }
  }

  get #full(): boolean {
    return this.#idle.length === 0 && this.#queue.length >= this.#limit;
  }

  /** An engine for one request, in the order in which requests came. */
  #engine(signal: AbortSignal | undefined): Promise<Engine> | Engine {
    if (this.#refusal) throw this.#refusal;
    signal?.throwIfAborted();
    const idle = this.#idle.shift();
    if (idle) return idle;
    if (this.#full) throw new QueueFullError(this.#queue.length);
    return new Promise<Engine>((resolve, reject) => {
      const waiting: Waiting = { resolve, reject };
      const leave = (): void => {
        const place = this.#queue.indexOf(waiting);
        if (place >= 0) this.#queue.splice(place, 1);
        reject(signal?.reason as Error);
        this.#roomier();
      };
      signal?.addEventListener('abort', leave, { once: true });
      waiting.resolve = (engine) => {
        signal?.removeEventListener('abort', leave);
        resolve(engine);
      };
      this.#queue.push(waiting);
    });
  }

  /** Gives an engine that is free to the request that has waited longest. */
  #release(engine: Engine): void {
    if (!this.#engines.has(engine) || engine.over) return;
    const waiting = this.#queue.shift();
    if (waiting) waiting.resolve(engine);
    else this.#idle.push(engine);
    this.#roomier();
  }

  /** Opens another engine when this one is over before its time. */
  #watch(engine: Engine): void {
    void engine.ended.then(async () => {
      this.#engines.delete(engine);
      this.#idle = this.#idle.filter((other) => other !== engine);
      if (this.#refusal && this.#queue.length === 0) return;
      const other = this.#open();
      this.#engines.add(other);
      try {
        await other.opened;
        this.#watch(other);
        this.#release(other);
      } catch (cause) {
        this.#engines.delete(other);
        if (this.#engines.size > 0) return;
        const why = cause instanceof Error ? cause.message : String(cause);
        this.#refuse(
          new EngineError(`No engine is left, as the model cannot be opened again: ${why}`, { cause }),
        );
        this.#rejectWaiting();
      }
    });
  }

  #refuse(refusal: EngineError): void {
    this.#refusal ??= refusal;
    this.#roomier();
  }

  #rejectWaiting(): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#refusal);
  }
}

/** A call as another thread can have it, and what stays on this side. */
function taskOf(
  method: Task['method'],
  data: Readonly<Record<string, unknown>>,
  { signal, onProgress, ...options }: Listeners,
): { task: Task; listeners: Listeners } {
  return {
    task: {
      method,
      data: Object.entries(data).map(([name, value]) => plain(name, value)),
      options: plain('', options),
      progress: onProgress !== undefined,
      previews: false,
    },
    listeners: { signal, onProgress },
  };
}

/** The threads of every engine: ONNX Runtime's own number where there is one engine and nothing is asked for. */
function shareOf(threads: number | undefined, engines: number): { threads?: number } {
  if (threads === undefined && engines === 1) return {};
  const all = threads === undefined ? Math.max(availableParallelism(), engines) : threads;
  return { threads: Math.floor(checkInteger('threads', all, engines, limits().threads) / engines) };
}
