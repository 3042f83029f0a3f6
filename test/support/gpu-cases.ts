// Cases of all verbs, and their results on the CPU and on a GPU side by side.
import type { Queue } from '../../src/device/queue.js';
import { Draws, type Values } from './draws.js';
import type { Cases } from './gpu-case.js';
import { elementCases } from './gpu-element-cases.js';
import { updateCases } from './gpu-update-cases.js';
import { vectorCases } from './gpu-vector-cases.js';

export const cases: Cases = { ...updateCases, ...elementCases, ...vectorCases };

/** An array on the queue for each of a case, within a larger one whose rest has to stay as it is. */
class Arena {
  static readonly #margin = 16;
  static readonly #length = 1 << 17;
  readonly #queue: Queue;
  readonly #arrays = new Map<string, Values>();

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  place(i: number, values: Values, offset: number): { here: Values; there: Values; part: Values } {
    const kind =
      values instanceof Float64Array
        ? 'double'
        : values instanceof Uint16Array
          ? 'half'
          : values instanceof Uint8Array
            ? 'byte'
            : 'single';
    const key = `${i} ${kind}`;
    let all = this.#arrays.get(key);
    if (!all) {
      all = this.#queue.allocate(Arena.#length, kind) as unknown as Values;
      this.#arrays.set(key, all);
    }
    const margin = Arena.#margin;
    const there = all.subarray(0, offset + values.length + margin);
    const here = new (values.constructor as new (length: number) => Values)(there.length);
    here.fill(5);
    here.set(values, offset);
    this.#queue.write(there, here);
    return { here, there, part: there.subarray(offset, offset + values.length) };
  }
}

/** The bits of what are numbers; all that are not count as one. */
function bits(values: Values): BigInt64Array | Int32Array | Values {
  if (values instanceof Float64Array)
    return new BigInt64Array(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer);
  if (values instanceof Float32Array)
    return new Int32Array(values.map((value) => (Number.isNaN(value) ? NaN : value)).buffer);
  return values;
}

function differences(a: Values, b: Values): number {
  const [own, other] = [bits(a), bits(b)];
  let count = 0;
  for (let i = 0; i < own.length; i++) if (own[i] !== other[i]) count++;
  return count;
}

/** Runs cases of a verb on the CPU and on the queue; what differs, in words. */
export async function compare(queue: Queue, verb: string, count: number): Promise<string[]> {
  const arena = new Arena(queue);
  const found: string[] = [];
  for (let number = 0; number < count; number++) {
    const draw = new Draws(number * 7919 + verb.length);
    const { arrays, run, isAligned } = cases[verb]!(draw, number);
    const offsets =
      isAligned || draw.below(2) === 0 ? arrays.map(() => 16) : arrays.map(() => draw.one(16, 4, 1, 3, 7));
    const places = arrays.map((values, i) => arena.place(i, values, offsets[i]!));
    run(
      places.map(({ here }, i) => here.subarray(offsets[i], offsets[i]! + arrays[i]!.length)),
      undefined,
    );
    run(
      places.map(({ part }) => part),
      queue.number,
    );
    for (const { there } of places) queue.fetch(there);
    await queue.settled();
    for (const [i, { here, there }] of places.entries()) {
      const wrong = differences(here, there);
      if (wrong > 0) found.push(`${verb} ${number}: ${wrong} of ${arrays[i]!.length} elements of array ${i}`);
    }
  }
  return found;
}
