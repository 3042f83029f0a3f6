/** Thrown in a worker whose run was given up, by another worker's failure or by the main thread. */
export class Aborted extends Error {}

const ABORTED = 0;
const WAITING = 1;
const GENERATION = 2;
const LENGTH = 3;

/** Where the workers of a run wait for each other, and where a run is given up. */
export class Barrier {
  readonly #shared: Int32Array<SharedArrayBuffer>;
  readonly #workers: number;

  /** @param shared made by {@link barrierMemory} */
  constructor(shared: Int32Array<SharedArrayBuffer>, workers: number) {
    this.#shared = shared;
    this.#workers = workers;
  }

  /**
   * Blocks this thread until all workers have come here.
   * @throws Aborted
   */
  wait(): void {
    const generation = Atomics.load(this.#shared, GENERATION);
    this.throwIfAborted();
    if (Atomics.add(this.#shared, WAITING, 1) === this.#workers - 1) {
      Atomics.store(this.#shared, WAITING, 0);
      Atomics.add(this.#shared, GENERATION, 1);
      Atomics.notify(this.#shared, GENERATION);
    } else {
      while (Atomics.load(this.#shared, GENERATION) === generation)
        Atomics.wait(this.#shared, GENERATION, generation);
    }
    this.throwIfAborted();
  }

  /** Gives the run up: every worker throws {@link Aborted} where it waits, or where it next looks. */
  abort(): void {
    Atomics.store(this.#shared, ABORTED, 1);
    Atomics.add(this.#shared, GENERATION, 1);
    Atomics.notify(this.#shared, GENERATION);
  }

  /** @throws Aborted after an abort */
  throwIfAborted(): void {
    if (Atomics.load(this.#shared, ABORTED) !== 0) throw new Aborted('The training run was given up.');
  }
}

/** The memory behind a barrier. */
export function barrierMemory(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(LENGTH * Int32Array.BYTES_PER_ELEMENT));
}
