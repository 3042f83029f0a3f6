import { LoadError } from '../errors.js';
import { blockConvolutions } from '../onnx/run/blocked.js';
import { modelBytes, type Model } from '../onnx/file/model.js';
import { createSession, sessionKind, type Session, type SessionOptions } from '../onnx/run/runtime.js';

/** How sessions run: by default on one thread of the CPU. */
export type GraphSessionOptions = Pick<SessionOptions, 'threads' | 'provider' | 'tf32'>;

/** Sessions for a training graph, by the number of rows that they are run on, opened when first asked for. */
export class GraphSessions {
  readonly #model: Model;
  readonly #trained: ReadonlySet<number>;
  readonly #options: GraphSessionOptions;
  readonly #open = new Map<number, Promise<Session>>();
  #plain: Promise<Session> | undefined;

  /**
   * @param trained numbers of rows of a training step: for each of them convolutions are blocked on the CPU. It is faster from 4 rows
   *   on, and is no matter of timing, so that a resumed run rounds as the first one did.
   */
  constructor(model: Model, trained: ReadonlySet<number>, options: GraphSessionOptions = {}) {
    this.#model = model;
    this.#trained = options.provider === 'cuda' ? new Set() : trained;
    this.#options = { threads: 1, ...options };
  }

  /** The session for so many rows. */
  for(rows: number): Promise<Session> {
    const known = this.#open.get(rows);
    if (known !== undefined) return known;
    const session = this.#trained.has(rows) ? this.#blocked(rows) : this.#asItIs();
    this.#open.set(rows, session);
    return session;
  }

  /** Ends them, once no run is to come. */
  async close(): Promise<void> {
    const open = [...this.#open.values(), ...(this.#plain ? [this.#plain] : [])];
    for (const end of await Promise.allSettled(open))
      if (end.status === 'fulfilled') await end.value.release();
  }

  async #blocked(rows: number): Promise<Session> {
    const blocked = await blockConvolutions(this.#model, rows);
    return blocked === undefined ? this.#asItIs() : this.#session(blocked);
  }

  #asItIs(): Promise<Session> {
    this.#plain ??= this.#session(this.#model);
    return this.#plain;
  }

  #session(model: Model): Promise<Session> {
    return createSession(modelBytes(model), {
      ...this.#options,
      ...(model.folder !== undefined && { folder: model.folder }),
    });
  }
}

/** @throws LoadError where only onnxruntime-node could run networks. */
export async function requireOwnSessions(): Promise<void> {
  if ((await sessionKind()) !== 'node') return;
  throw new LoadError(
    'Training needs sessions of the addon: here onnxruntime-node runs networks (FASTSDE_SESSIONS=node, or a system without ' +
      'them). Unset FASTSDE_SESSIONS, or see the warning for what is missing.',
  );
}
