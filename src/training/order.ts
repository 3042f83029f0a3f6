import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';

/**
 * The order in which training sees the samples of a data set: every epoch is a permutation of its own, a pure function of
 * (seed, epoch), so that a run can go on from any position with nothing stored.
 */
export class DataOrder {
  readonly #count: number;
  readonly #seed: bigint;
  #epoch = -1;
  #permutation = new Uint32Array(0);

  constructor(count: number, seed: bigint) {
    this.#count = count;
    this.#seed = seed;
  }

  /** The samples at `length` positions of the endless sequence of epochs. */
  samples(first: number, length: number): Uint32Array {
    const samples = new Uint32Array(length);
    for (let done = 0; done < length;) {
      const begin = (first + done) % this.#count;
      const epoch = Math.floor((first + done) / this.#count);
      if (epoch !== this.#epoch) {
        this.#permutation = drawPermutation(this.#count, this.#seed, epoch);
        this.#epoch = epoch;
      }
      const part = this.#permutation.subarray(begin, begin + length - done);
      samples.set(part, done);
      done += part.length;
    }
    return samples;
  }
}

/** A uniformly random permutation of 0 .. count - 1 (Fisher and Yates; Durstenfeld 1964). */
function drawPermutation(count: number, seed: bigint, epoch: number): Uint32Array<ArrayBuffer> {
  const values = Uint32Array.from({ length: count }, (_, i) => i);
  const uniform = new Float64Array(2 * count);
  fillUniform(uniform, 1, { seed, samples: 0, step: epoch, stream: Stream.dataOrder });
  for (let i = count - 1; i > 0; i--) {
    // A draw has 23 bits; two together choose among more elements than there can be.
    const draw = (Math.floor(uniform[2 * i]! * 2 ** 23) + uniform[2 * i + 1]!) / 2 ** 23;
    const j = Math.floor(draw * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

/** For each of `length` positions 1 or 0, each with probability 1/2: whether the image there is mirrored. */
export function drawFlips(first: number, length: number, seed: bigint): Uint8Array {
  const uniform = new Float32Array(length);
  fillUniform(uniform, length, { seed, samples: first, step: 0, stream: Stream.augmentation });
  return Uint8Array.from(uniform, (value) => (value < 0.5 ? 1 : 0));
}
