import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds that awaited work may hold the event loop before other work gets a turn. */
const TURN = 3;

let last = performance.now();

/**
 * To be awaited between pieces of work. Promises alone give other work no turn: neither those that are settled already nor, while
 * there are more of them, those that another thread settles.
 */
export async function turn(): Promise<void> {
  if (performance.now() - last < TURN) return;
  await nextTurn();
  last = performance.now();
}
