/** Work under way: await it for the result, iterate over it (`for await`) for what it reports, or both. */
export class Task<Result, Item> implements Promise<Result>, AsyncIterable<Item> {
  readonly [Symbol.toStringTag]: string = 'Task';
  readonly #result: Promise<Result>;
  readonly #taken: ((item: Item) => void) | undefined;
  #items: Item[] | undefined;
  #wake: () => void = () => undefined;
  #over = false;

  /**
   * @internal
   * @param run starts after the caller had the chance to iterate; `isWatched` tells whether it did
   * @param options.taken is called for every item once the iterator has handed it out, or nobody iterates any more
   * @param options.most items wait to be taken; of those that come meanwhile, the newest is kept
   */
  constructor(
    run: (emit: (item: Item) => void, isWatched: boolean) => Promise<Result>,
    { taken, most = Infinity }: { taken?: (item: Item) => void; most?: number | undefined } = {},
  ) {
    this.#taken = taken;
    const emit = (item: Item): void => {
      if (this.#items) this.#items.splice(Math.min(this.#items.length, most - 1), 1, item);
      else this.#taken?.(item);
      this.#wake();
    };
    this.#result = Promise.resolve()
      .then(() => run(emit, this.#items !== undefined))
      .finally(() => {
        this.#over = true;
        this.#wake();
      });
  }

  then<A = Result, B = never>(
    onfulfilled?: ((result: Result) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onfulfilled, onrejected);
  }

  catch<B = never>(onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.#result.catch(onrejected);
  }

  finally(onfinally?: (() => void) | null): Promise<Result> {
    return this.#result.finally(onfinally);
  }

  /** Reports from the moment of the call; to see them all, iterate in the same turn in which the work was started. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    const items = (this.#items ??= []);
    // An iterating caller learns of a failure here, and need not await the promise too.
    this.#result.catch(() => undefined);
    try {
      for (;;) {
        const next = items.shift();
        if (next) {
          this.#taken?.(next);
          yield next;
        } else if (this.#over) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#items = undefined;
      for (const item of items) this.#taken?.(item);
    }
    await this.#result;
  }
}
