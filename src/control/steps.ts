/** Work that is done in steps, each by commands of a device, or else to be awaited before the next one; and what it makes. */
export type Steps<T> = Generator<void | Promise<void>, T, void>;

/** Takes all steps, of which none has to be awaited. */
export function enqueued<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Takes all steps, one after the other. */
export async function awaited<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await value;
  }
}
