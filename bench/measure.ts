import { performance } from 'node:perf_hooks';

/**
 * Best time of one call in nanoseconds. Runs are short (0.5 ms or one call) and many (for 0.4 s, at least 5), so that the
 * best of them met no other process on its core.
 */
export function nanoseconds(call: () => unknown): number {
  const time = (calls: number) => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    return (performance.now() - start) * 1e6;
  };
  let calls = 1;
  while (time(calls) < 5e5) calls *= 2;
  let best = Infinity;
  const end = performance.now() + 400;
  for (let runs = 0; runs < 5 || performance.now() < end; runs++) best = Math.min(best, time(calls) / calls);
  return best;
}

/** Prints rows under a header, numbers aligned to the right. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  console.log(line(header));
  console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  for (const row of rows) console.log(line(row));
}
