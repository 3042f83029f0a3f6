/**
 * Runs divided among workers on many machines, by a queue on a Redis server.
 *
 * @module queue
 */
import './globals.js';

export {
  cancelRun,
  submitRun,
  waitForRun,
  type SubmitOptions,
  type WaitOptions,
} from './cli/queue/submit.js';
export { work, type WorkOptions } from './cli/queue/worker.js';
export type { QueuedRun } from './cli/queue/run.js';
