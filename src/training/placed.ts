import type { Queue } from '../device/queue.js';

/** Values that commands of a queue read and write from now on, in an array of it; here and now, those of the caller. */
export function placed(values: Float32Array, queue: Queue | undefined): Float32Array {
  if (queue === undefined) return values;
  const place = queue.allocate(values.length, 'single') as Float32Array;
  queue.write(place, values);
  return place;
}
