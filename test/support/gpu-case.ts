import type { QueueNumber } from '../../src/device/addon-interface.js';
import type { State } from '../../src/device/binding.js';
import type { Draws, Values } from './draws.js';

/** What a case runs on; `queue` is undefined for the kernels of the CPU. */
type Verb = (arrays: readonly Values[], queue: QueueNumber | undefined) => void;

interface Case {
  readonly arrays: readonly Values[];
  /** Whether arrays begin at multiples of 16 bytes in any case. */
  readonly isAligned?: boolean;
  readonly run: Verb;
}

/** Makes cases of verbs, by name, of which there is a number. */
export type Cases = Readonly<Record<string, (draw: Draws, number: number) => Case>>;

export const float = (array: Values | undefined): Float32Array => array as Float32Array;
export const double = (array: Values | undefined): Float64Array => array as Float64Array;
export const state = (array: Values | undefined): State => array as State;
