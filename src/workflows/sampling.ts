import type { Preview, SampleResult } from './sample.js';

/** A sampling run: await it for the result, iterate over it (`for await`) for previews on the way, or both. */
export class Sampling implements PromiseLike<SampleResult>, AsyncIterable<Preview> {
  readonly #result: Promise<SampleResult>;
  readonly #taken: (() => void) | undefined;
  #previews: Preview[] | undefined;
  #wake: () => void = () => undefined;
  #over = false;

  /** @internal @param taken is called for every preview that the iterator hands out. */
  constructor(
    run: (emit: ((preview: Preview) => void) | undefined) => Promise<SampleResult>,
    taken?: () => void,
  ) {
    this.#taken = taken;
    // The run starts after the caller had the chance to iterate; without an iterator no preview is ever copied.
    this.#result = Promise.resolve()
      .then(() =>
        run(
          this.#previews &&
            ((preview) => {
              this.#emit(preview);
            }),
        ),
      )
      .finally(() => {
        this.#over = true;
        this.#wake();
      });
  }

  then<A = SampleResult, B = never>(
    onfulfilled?: ((result: SampleResult) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onfulfilled, onrejected);
  }

  /** Previews from the moment of the call; to see them all, iterate in the same turn in which `sample` was called. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Preview, void, undefined> {
    const previews = (this.#previews ??= []);
    // An iterating caller learns of a failure here, and need not await the promise too.
    this.#result.catch(() => undefined);
    for (;;) {
      const next = previews.shift();
      if (next) {
        this.#taken?.();
        yield next;
      } else if (this.#over) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.#result;
  }

  #emit(preview: Preview): void {
    this.#previews?.push(preview);
    this.#wake();
  }
}
