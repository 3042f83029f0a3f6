/** Milliseconds of work that are awaited at once. */
const SPAN = 1;

/** Steps that are awaited at once, at most. */
const MOST = 64;

/** Who does the work. */
interface Worker {
  /** Settles once all that was asked for has happened. */
  settled(): Promise<void>;
}

/**
 * Lets a solver ask for its next steps while those before are under way, so that a device never waits for it, and no further than
 * that: its memory stays bounded, other work gets its turns, and steps are told when they have happened.
 */
export class Lookahead {
  readonly #worker: Worker;
  /** What to tell of the steps asked for since the last that are awaited. */
  #asked: (() => unknown)[] = [];
  #awaited: { readonly settled: Promise<void>; readonly told: readonly (() => unknown)[] } | undefined;
  /** Steps that are awaited at once. */
  #size = 1;
  #last = performance.now();

  constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** A step was asked for; `told` is called once it has happened. */
  async step(told: () => unknown): Promise<void> {
    this.#asked.push(told);
    if (this.#asked.length >= this.#size) await this.#turn();
  }

  /** Settles once all steps have happened. */
  async end(): Promise<void> {
    await this.#turn();
    await this.#finish();
  }

  /** Awaits the steps before those that were just asked for. */
  async #turn(): Promise<void> {
    const next = { settled: this.#worker.settled(), told: this.#asked };
    next.settled.catch(() => undefined); // where the steps before fail, so do these
    this.#asked = [];
    await this.#finish();
    this.#awaited = next;
  }

  async #finish(): Promise<void> {
    if (!this.#awaited) return;
    const { settled, told } = this.#awaited;
    this.#awaited = undefined;
    await settled;
    const now = performance.now();
    const span = now - this.#last;
    this.#last = now;
    if (span < SPAN) this.#size = Math.min(2 * told.length, MOST);
    else if (span > 2 * SPAN) this.#size = Math.max(1, Math.floor(told.length / 2));
    for (const tell of told) await tell();
  }
}
