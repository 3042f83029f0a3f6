import { totalmem } from 'node:os';
import { OptionError } from './errors.js';

/** The memory of the machine, or what a container leaves of it, in bytes. */
function memory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/**
 * Throws where so many rows of numbers would not fit into memory.
 *
 * @param bytes Of one row.
 * @param hint What to do instead.
 */
export function checkFits(option: string, count: number, bytes: number, hint: string): void {
  const most = Math.floor(memory() / bytes);
  if (count > most)
    throw new OptionError(option, count, `at most ${most} in the memory of this machine (${hint})`);
}
