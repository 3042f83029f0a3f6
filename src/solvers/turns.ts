import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds that synchronous work may hold the event loop before other work gets a turn. */
const TURN = 10;

/** Lets other work in between the evaluations of a synchronous model. */
export class Turns {
  #last = performance.now();

  async yield(): Promise<void> {
    if (performance.now() - this.#last < TURN) return;
    await nextTurn();
    this.#last = performance.now();
  }
}
