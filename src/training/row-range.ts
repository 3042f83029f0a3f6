/** Consecutive rows of a batch. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}

/** Part `index` of `parts` of a range, the parts being as equal as can be. */
export function partOf({ first, count }: RowRange, index: number, parts: number): RowRange {
  const begin = Math.floor((index * count) / parts);
  const end = Math.floor(((index + 1) * count) / parts);
  return { first: first + begin, count: end - begin };
}
