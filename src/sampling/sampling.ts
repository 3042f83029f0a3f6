import type { Preview, SampleResult } from './sample.js';
import { Task } from '../task.js';

/** A sampling run: await it for the result, iterate over it (`for await`) for previews on the way, or both. */
export class Sampling extends Task<SampleResult, Preview> {
  /** @internal @param taken is called for every preview that the iterator hands out. */
  constructor(
    run: (emit: ((preview: Preview) => void) | undefined) => Promise<SampleResult>,
    taken?: () => void,
  ) {
    // Without an iterator no preview is ever copied.
    super((emit, isWatched) => run(isWatched ? emit : undefined), taken);
  }
}
