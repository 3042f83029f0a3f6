import { totalmem } from 'node:os';
import { OptionError } from './errors.js';

/** The memory of the machine, or what a container leaves of it, in bytes. */
function memory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/** What the addon, ONNX Runtime and Node say where there is no memory left. */
const SHORTAGE = /std::bad_alloc|Failed to allocate memory|Array buffer allocation failed/;

/** What to do where {@link isShortage}. */
export const LESS_AT_ONCE = 'A smaller batch takes less.';

/** Whether a message says that memory has run out. */
export function isShortage(message: string): boolean {
  return SHORTAGE.test(message);
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
