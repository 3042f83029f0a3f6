import fc from 'fast-check';
import test from 'ava';

import { addon } from '../../src/device/addon.js';
import { Queue } from '../../src/device/queue.js';
import { useEmulatedGpu } from '../support/emulated-gpu.js';

/** More runs: FASTSDE_FUZZ_RUNS=100000 npx ava .test-build/test/device/queue-fuzz.test.js */
const numRuns = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500);

const numbers = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5, 2, NaN, Infinity, 2 ** 32, -(2 ** 53), 1e300),
  fc.integer({ min: -2, max: 40 }),
);

/** A part of the memory of a queue, or memory that is not its own. */
const arrays = fc
  .tuple(
    fc.constantFrom(Float32Array, Float64Array, Uint16Array, Int32Array, Uint32Array),
    fc.constantFrom('own', 'own', 'own', 'plain', 'shared', 'detached'),
    fc.integer({ min: 0, max: 8 }),
    fc.integer({ min: 0, max: 12 }),
  )
  .map(([Type, memory, begin, length]) => (own: SharedArrayBuffer) => {
    if (memory === 'own') return new Type(own as unknown as ArrayBuffer, 8 * begin, length);
    const bytes = length * Type.BYTES_PER_ELEMENT;
    const buffer = memory === 'shared' ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
    const array = new Type(buffer as ArrayBuffer);
    if (memory === 'detached') structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    return array;
  });

const values = fc.oneof(
  { weight: 6, arbitrary: arrays },
  {
    weight: 1,
    arbitrary: fc
      .array(arrays, { maxLength: 3 })
      .map((list) => (own: SharedArrayBuffer) => list.map((make) => make(own))),
  },
  { weight: 2, arbitrary: numbers.map((value) => () => value) },
  { weight: 1, arbitrary: fc.anything().map((value) => () => value) },
);

const verbs = Object.entries(addon() as unknown as Record<string, { parameters: readonly string[] }>)
  .filter(([name, { parameters }]) => parameters[0] === 'queue' && !['closeQueue', 'settle'].includes(name))
  .map(([name, { parameters }]) => [name, parameters.length] as const);

useEmulatedGpu();

for (const where of ['cpu', 'cuda'] as const)
  test.serial(
    `on ${where}, commands of any arguments end in an error or take effect in memory of the queue alone`,
    async (t) => {
      const native = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
      const call = fc
        .constantFrom(...verbs)
        .chain(([name, length]) =>
          fc.tuple(fc.constant(name), fc.array(values, { minLength: length - 1, maxLength: length - 1 })),
        );
      const runs = where === 'cpu' ? numRuns : Math.ceil(numRuns / 3);
      let posted = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), async (calls) => {
          const queue = new Queue(undefined, where);
          // What the queue holds lies between memory that it does not.
          const buffer = new SharedArrayBuffer(512);
          const bytes = new Uint8Array(buffer).fill(0);
          bytes.subarray(256).fill(0xa5);
          addon().hold(queue.number, bytes.subarray(0, 256));
          for (const [name, makers] of calls) {
            try {
              native[name]!(queue.number, ...makers.map((make) => make(buffer)));
              posted++;
            } catch (error) {
              if (!(error instanceof Error)) throw new TypeError('the addon threw what is no error');
            }
          }
          await queue.settled().catch(() => undefined);
          await queue.close();
          return bytes.subarray(256).every((byte) => byte === 0xa5);
        }),
        { seed: 22, numRuns: runs },
      );
      t.true(posted > runs / 20, `only ${posted} commands were posted`);
    },
  );
