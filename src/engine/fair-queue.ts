/** What waits, in the order in which it came for each client, the clients in turn. */
export class FairQueue<T> {
  readonly #lines = new Map<string, T[]>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(client: string, item: T): void {
    const line = this.#lines.get(client);
    if (line) line.push(item);
    else this.#lines.set(client, [item]);
    this.#length++;
  }

  /** Takes out the first item of the client whose turn it is. */
  shift(): T | undefined {
    for (const [client, line] of this.#lines) {
      this.#lines.delete(client);
      const item = line.shift()!;
      if (line.length > 0) this.#lines.set(client, line);
      this.#length--;
      return item;
    }
    return undefined;
  }

  /** Takes an item out before its turn, where it still waits. */
  remove(client: string, item: T): void {
    const line = this.#lines.get(client) ?? [];
    const place = line.indexOf(item);
    if (place < 0) return;
    line.splice(place, 1);
    if (line.length === 0) this.#lines.delete(client);
    this.#length--;
  }
}
