/** What holds something until it is closed, by `close()` or at the end of the block of an `await using`. */
export interface Closable {
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Both ways to close something. */
export function closable(close: () => Promise<void>): Closable {
  return { close, [Symbol.asyncDispose]: close };
}
