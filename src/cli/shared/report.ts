/** Tells doubts on stderr. */
export function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

/** A seed in a JSON object: above 2^53 it is no number that every reader keeps. */
export function jsonSeed(seed: bigint): number | string {
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : String(seed);
}

/** Score evaluations that each sample took: one number, or the least and the most. */
export function evaluationRange(evaluations: Int32Array): string {
  const least = evaluations.reduce((a, b) => Math.min(a, b));
  const most = evaluations.reduce((a, b) => Math.max(a, b));
  return least === most ? String(least) : `${least} to ${most}`;
}

/** "1 sample", "2 samples". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
