import { OptionError } from '../errors.js';

/** Consecutive samples. */
export interface Range {
  /** Index of the first. */
  readonly first: number;
  readonly count: number;
}

/** One of `of` nearly equal parts of a run, from 0. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

/** The batches of a part of a run; every batch of the run belongs to exactly one part. */
export function batchesOf(run: Range, batch: number, { index, of }: Part = { index: 0, of: 1 }): Range[] {
  const batches = Math.ceil(run.count / batch);
  const from = Math.floor((index * batches) / of);
  const to = Math.floor(((index + 1) * batches) / of);
  return Array.from({ length: to - from }, (_, k) => {
    const offset = (from + k) * batch;
    return { first: run.first + offset, count: Math.min(batch, run.count - offset) };
  });
}

/**
 * Those of these numbers; all without any.
 *
 * @throws OptionError for a number that there is not.
 */
export function chosenBatches(
  batches: readonly Range[],
  numbers: readonly number[] | undefined,
): readonly Range[] {
  return (
    numbers?.map((number) => {
      const batch = batches[number];
      if (batch) return batch;
      throw new OptionError('batches', number, `numbers from 0 to ${batches.length - 1}`);
    }) ?? batches
  );
}

export function samplesIn(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** @throws OptionError for a part that does not exist. */
export function checkPart({ index, of }: Part): void {
  if (Number.isSafeInteger(of) && Number.isSafeInteger(index) && of >= 1 && index >= 0 && index < of) return;
  throw new OptionError(
    'shard',
    `${index}/${of}`,
    'i/n with 0 <= i < n: the parts of n are 0/n to (n - 1)/n',
  );
}
