import { isDeepStrictEqual } from 'node:util';
import { isRecord } from './options.js';

/** How two records differ, as "options.steps is 10 there and 20 here"; undefined where they are the same. */
export function difference(there: object, here: object): string | undefined {
  for (const [name, value] of differing(there, here)) {
    const [a, b] = value.map((side) => (side === undefined ? 'absent' : JSON.stringify(side)));
    return `${name} is ${a} there and ${b} here`;
  }
  return undefined;
}

function* differing(a: unknown, b: unknown, name = ''): Generator<[string, [unknown, unknown]]> {
  if (isDeepStrictEqual(a, b)) return;
  if (!isRecord(a) || !isRecord(b)) yield [name, [a, b]];
  else
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      yield* differing(a[key], b[key], name === '' ? key : `${name}.${key}`);
}
