import { availableParallelism } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../device/addon.js';
import type { Measurement } from '../control/measurement.js';
import { restore, Restoring } from '../control/restore.js';
import type { RestoreOptions } from '../control/restore-options.js';
import { EngineError, OptionError, QueueFullError } from '../errors.js';
import type { Data } from '../likelihood/data-space.js';
import type { IntegrationOptions } from '../likelihood/integration.js';
import type { LikelihoodOptions } from '../likelihood/job.js';
import {
  decode,
  encode,
  interpolate,
  type DecodeOptions,
  type InterpolateOptions,
  type LatentResult,
} from '../likelihood/latent.js';
import { likelihood } from '../likelihood/likelihood.js';
import type { LikelihoodResult } from '../likelihood/summary.js';
import { checkInteger, checkSignal, isRecord } from '../options.js';
import type { Preview, Previewed } from '../sampling/previews.js';
import { sample, Sampling, type SampleOptions } from '../sampling/sample.js';
import { withInputs } from '../score/inputs.js';
import type { Inputs, Parameterization, ScoreModel } from '../score/model.js';
import type { LoadOptions } from '../score/network/load.js';
import { OnnxScoreModel } from '../score/network/model.js';
import type { Sde } from '../sde/sde.js';
import { FairQueue } from './fair-queue.js';
import { openModels, type ModelSource, type OpenModels } from './source.js';

/** How many engines there are, with how many threads, and how the model is read. */
export interface EnginesOptions extends LoadOptions {
  /** Requests that run at once, each with a session of its own. Default 1. */
  readonly engines?: number | undefined;
  /** Threads of the networks, divided equally among the engines. Default: one per core. */
  readonly threads?: number;
  /** Requests that may wait for an engine; one more is refused with QueueFullError. Default 100. */
  readonly queue?: number | undefined;
}

/** What a request says beside the options of the function. */
export interface RequestOptions {
  /** On whose behalf: requests that wait are served in turn among clients, and in order for each. Default: one client. */
  readonly client?: string | undefined;
  /** What the network is fed beside state, time and class, as {@link withInputs} takes it. Default: what the engines were opened with. */
  readonly inputs?: Inputs | undefined;
}

/**
 * Opens engines: a model with as many sessions as there are requests at once, and a queue before it. Networks run in threads of
 * their sessions, so that the calling thread stays free for other work.
 *
 * @param model The path or `file:` URL of an ONNX file, the bytes of one, `{ model, guidance }`, `{ mixture, sde }`, or a score model, which stays the caller's.
 * @throws What `loadModel` throws; EngineError where networks would run on the calling thread.
 *
 * @example
 * ```ts
 * const engines = await openEngines(embeddedModel('vp'), { engines: 2 });
 * const { samples } = await engines.sample({ count: 4 });
 * await engines.close();
 * ```
 */
export async function openEngines(model: ModelSource, options: EnginesOptions = {}): Promise<Engines> {
  const { engines = 1, queue = 100, threads, ...load } = options;
  checkInteger('engines', engines, 1, 256);
  checkInteger('queue', queue, 0);
  return new Engines(await openModels(model, engines, { ...load, ...shareOf(threads, engines) }), queue);
}

/** The threads of every engine: ONNX Runtime's own number where there is one engine and nothing is asked for. */
function shareOf(threads: number | undefined, engines: number): { threads?: number } {
  if (threads === undefined && engines === 1) return {};
  const all = threads ?? Math.max(availableParallelism(), engines);
  return { threads: Math.floor(checkInteger('threads', all, engines, limits().threads) / engines) };
}

/** A request that waits for an engine. */
interface Waiting {
  resolve(model: ScoreModel): void;
  reject(error: unknown): void;
}

/** Options that every function has. */
interface Stoppable extends RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Previews that may wait to be taken. */
const PREVIEWS = 2;

/**
 * A model that answers several requests at once, with the functions of the library. They take the same options and give the
 * same bits as the functions do with the same `threads` of the network, except that an option that the function would refuse at
 * once rejects the promise, and that where previews come faster than they are taken, those between are left out.
 *
 * Idle engines do not keep the process alive.
 */
export class Engines {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** The process of the model. */
  readonly sde: Sde;
  /** What the network's raw output means. */
  readonly parameterization: Parameterization;
  /** Number of classes where the model takes a class label. */
  readonly classes?: number | undefined;
  /** Doubts about the model, in plain words. */
  readonly warnings: readonly string[];
  readonly #open: OpenModels;
  readonly #limit: number;
  readonly #idle: ScoreModel[];
  readonly #queue = new FairQueue<Waiting>();
  /** Requests that are accepted and not answered, and how each is stopped. */
  readonly #running = new Map<AbortController, Promise<unknown>>();
  #lastRoom: Promise<unknown> = Promise.resolve();
  #roomier: () => void = () => undefined;
  #closed = false;
  #drained: Promise<void> | undefined;

  /** @internal */
  constructor(open: OpenModels, limit: number) {
    const [model] = open.models as [ScoreModel];
    this.shape = model.shape;
    this.sde = model.sde;
    this.parameterization = model.parameterization;
    this.classes = model.classes;
    this.warnings = model instanceof OnnxScoreModel ? model.warnings : [];
    this.#open = open;
    this.#limit = limit;
    this.#idle = [...open.models];
  }

  /** Requests that wait for an engine. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Settles once a request would not be refused, for one caller after the other: the back-pressure of the queue. */
  room(): Promise<void> {
    const turn = this.#lastRoom.then(async () => {
      while (this.#full && !this.#closed) await new Promise<void>((resolve) => (this.#roomier = resolve));
    });
    this.#lastRoom = turn.then(() => nextTurn());
    return turn;
  }

  /** As the function `sample`. */
  sample(options: SampleOptions & RequestOptions = {}): Sampling {
    const own = copied(options);
    return new Sampling(
      (emit) => this.#request(own, async (model, given) => previewed(sample(model, given), emit)),
      PREVIEWS,
    );
  }

  /** As the function `likelihood`. */
  async likelihood(data: Data, options: LikelihoodOptions & RequestOptions = {}): Promise<LikelihoodResult> {
    const own = data.slice();
    return this.#request(copied(options), (model, given) => likelihood(model, own, given));
  }

  /** As the function `restore`. */
  restore(measurement: Measurement, options: RestoreOptions & RequestOptions = {}): Restoring {
    const values = (measurement as Partial<Measurement> | undefined)?.values;
    const own = { ...measurement, values: ownOf(values) as Measurement['values'] };
    const given = copied(options);
    return new Restoring(
      (emit) => this.#request(given, (model, given) => previewed(restore(model, own, given), emit)),
      PREVIEWS,
    );
  }

  /** As the function `encode`. */
  async encode(data: Data, options: IntegrationOptions & RequestOptions = {}): Promise<LatentResult> {
    const own = data.slice();
    return this.#request(copied(options), (model, given) => encode(model, own, given));
  }

  /** As the function `decode`. */
  async decode(
    latents: Float32Array | Float64Array,
    options: DecodeOptions & RequestOptions = {},
  ): Promise<LatentResult> {
    const own = latents.slice();
    return this.#request(copied(options), (model, given) => decode(model, own, given));
  }

  /** As the function `interpolate`. */
  async interpolate(
    from: Data,
    to: Data,
    options: InterpolateOptions & RequestOptions = {},
  ): Promise<LatentResult> {
    const [left, right] = [from.slice(), to.slice()];
    return this.#request(copied(options), (model, given) => interpolate(model, left, right, given));
  }

  /**
   * Refuses new requests and closes the sessions, once those accepted are answered. With `abort`, which also a later call may
   * ask for, these are rejected with EngineError, those under way within an operator of the network.
   */
  async close({ abort = false }: { readonly abort?: boolean } = {}): Promise<void> {
    this.#closed = true;
    this.#roomier();
    if (abort) for (const controller of this.#running.keys()) controller.abort(closedError());
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  /** As `close()`, at the end of the block of an `await using`: requests that were accepted are answered before. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
    await this.#open.close();
  }

  async #request<Options extends Stoppable, Result>(
    { client = '', inputs, ...options }: Options,
    work: (model: ScoreModel, options: Omit<Options, 'client' | 'inputs'>) => PromiseLike<Result>,
  ): Promise<Result> {
    if (this.#closed) throw closedError();
    const given = checkSignal(options.signal);
    given?.throwIfAborted();
    const controller = new AbortController();
    const { signal } = controller;
    const stop = (): void => {
      controller.abort(given!.reason);
    };
    given?.addEventListener('abort', stop);
    const answer = this.#answer(client, signal, (model) =>
      work(inputs === undefined ? model : withInputs(model, inputs), { ...options, signal }),
    );
    this.#running.set(controller, answer);
    return answer.finally(() => {
      given?.removeEventListener('abort', stop);
      this.#running.delete(controller);
    });
  }

  async #answer<Result>(
    client: string,
    signal: AbortSignal,
    work: (model: ScoreModel) => PromiseLike<Result>,
  ): Promise<Result> {
    const model = await this.#engine(client, signal);
    try {
      return await work(model);
    } finally {
      const waiting = this.#queue.shift();
      if (waiting) waiting.resolve(model);
      else this.#idle.push(model);
      this.#roomier();
    }
  }

  get #full(): boolean {
    return this.#idle.length === 0 && this.#queue.length >= this.#limit;
  }

  /** An engine for one request, when it is the turn of this client. */
  #engine(client: string, signal: AbortSignal): Promise<ScoreModel> | ScoreModel {
    signal.throwIfAborted();
    const idle = this.#idle.shift();
    if (idle) return idle;
    if (this.#full) throw new QueueFullError(this.#queue.length);
    return new Promise<ScoreModel>((resolve, reject) => {
      const leave = (): void => {
        this.#queue.remove(client, waiting);
        reject(signal.reason as Error);
        this.#roomier();
      };
      const waiting: Waiting = {
        resolve(model) {
          signal.removeEventListener('abort', leave);
          resolve(model);
        },
        reject,
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.push(client, waiting);
    });
  }
}

/** A run whose previews are handed on. */
async function previewed<Result>(
  run: Previewed<Result>,
  emit: ((preview: Preview) => void) | undefined,
): Promise<Result> {
  if (emit) for await (const preview of run) emit(preview);
  return run;
}

function closedError(): EngineError {
  return new EngineError('The engines are closed.');
}

/** Options whose arrays are the request's own, so that the caller may change his while it waits. */
function copied<Options extends RequestOptions>(options: Options): Options {
  if (!isRecord(options)) throw new OptionError('options', options, 'an object');
  const entries = Object.entries(options).map(([name, value]: [string, unknown]) => [
    name,
    name === 'inputs' ? structuredClone(value) : ownOf(value),
  ]);
  return Object.fromEntries(entries) as Options;
}

function ownOf(value: unknown): unknown {
  const isArray =
    value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array;
  return isArray ? value.slice() : value;
}
