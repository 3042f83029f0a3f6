/**
 * Sends what is offered while fewer than `size` values are on their way or wait to be dealt with; of the others it keeps
 * the newest. So a slow receiver holds a few values, the latest among them, however many there are.
 */
export class Window<T> {
  readonly #send: (value: T) => void;
  #free: number;
  #newest: { readonly value: T } | undefined;

  constructor(size: number, send: (value: T) => void) {
    this.#free = size;
    this.#send = send;
  }

  offer(value: T): void {
    this.#newest = { value };
    this.#advance();
  }

  /** The receiver has dealt with one. */
  taken(): void {
    this.#free++;
    this.#advance();
  }

  /** Sends the newest in any case: no more will come. */
  flush(): void {
    this.#free++;
    this.#advance();
  }

  #advance(): void {
    if (this.#free === 0 || this.#newest === undefined) return;
    const { value } = this.#newest;
    this.#newest = undefined;
    this.#free--;
    this.#send(value);
  }
}
