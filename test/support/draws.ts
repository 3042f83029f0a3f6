import type { NoiseAddress, State } from '../../src/device/binding.js';

export type Values = State | Uint16Array | Uint8Array;

/** Numbers, shapes and addresses, all functions of a seed. */
export class Draws {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1) (mulberry32). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  one<T>(...choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  number(): number {
    return 4 * this.uniform() - 2;
  }

  /** Mostly ordinary numbers; sometimes both zeros, the ends of the range, and what is no number. */
  fill<T extends Values>(array: T, odd = true): T {
    const strange = odd && this.below(8) === 0;
    for (let i = 0; i < array.length; i++) {
      array[i] =
        strange && this.below(20) === 0
          ? this.one(0, -0, Infinity, -Infinity, NaN, 1e-40, 3e38)
          : array instanceof Uint8Array || array instanceof Uint16Array
            ? this.below(65536)
            : this.number();
    }
    return array;
  }

  singles(length: number, odd?: boolean): Float32Array {
    return this.fill(new Float32Array(length), odd);
  }

  doubles(length: number, odd?: boolean): Float64Array {
    return this.fill(new Float64Array(length), odd);
  }

  states(length: number, isDouble: boolean, odd?: boolean): State {
    return isDouble ? this.doubles(length, odd) : this.singles(length, odd);
  }

  /** Points, small samples, images in quads and not, and now and then samples of several blocks of a sum. */
  shape(): { count: number; size: number } {
    const kind = this.below(40);
    if (kind === 0)
      return { count: 1 + this.below(2), size: 8192 + this.below(2) * 4096 + 4 * this.below(2000) };
    if (kind < 6) return { count: 1 + this.below(40), size: 1 + this.below(4) };
    if (kind < 14) return { count: 1 + this.below(6), size: 1 + this.below(130) };
    if (kind < 20) return { count: 1 + this.below(3), size: 1 + this.below(700) };
    return { count: 1 + this.below(3), size: 4 * (17 + this.below(160)) };
  }

  /** One row for all samples, or a row for each. */
  rows(count: number, width: number): Float64Array {
    const row = Array.from({ length: width }, () => this.number());
    const same = this.below(2) === 0;
    return Float64Array.from({ length: count * width }, (_, i) => (same ? row[i % width]! : this.number()));
  }

  noise(count: number): NoiseAddress {
    const far = this.one(0, 5, 2 ** 26 - 1, 2 ** 32 + 7);
    return {
      seed: BigInt(this.below(2 ** 32)),
      salt: this.below(3),
      step: this.below(100),
      stream: this.below(10),
      substep: this.below(4),
      samples:
        this.below(2) === 0
          ? far + this.below(10)
          : Float64Array.from({ length: count }, () => far + this.below(1000)),
    };
  }

  /** Few elements, of which some hundreds of threads make one sum. */
  smallShape(): { count: number; size: number } {
    return { count: 1 + this.below(2), size: 1 + this.below(this.one(4, 100, 100, 600)) };
  }

  places(count: number, of: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.below(of));
  }
}
