import test from 'ava';

import { type NoiseAddress, Stream } from '../../src/device/binding.js';
import { OptionError } from '../../src/errors.js';

/** Something that is refused, the option that its error names, and the call. */
export type Refused = readonly [title: string, option: string, run: () => void];

/** Tests that each is an error which begins with its option. */
export function testRefusals(refused: readonly Refused[]): void {
  for (const [title, option, run] of refused) {
    test(`${title} is an error that names ${option}`, (t) => {
      const error = t.throws(run, { instanceOf: OptionError });
      t.is(error.option, option);
      t.true(error.message.startsWith(`${option} must be `), error.message);
    });
  }
}

export const noise: NoiseAddress = { seed: 1n, samples: 0, step: 0, stream: Stream.user };
export const f32 = (length: number): Float32Array => new Float32Array(length);
export const f64 = (...values: number[]): Float64Array => Float64Array.from(values);

/** As a caller without types could write it. */
export const wrong = (value: unknown): never => value as never;
