import type { NoiseAddress } from '../device/binding.js';
import type { Device, Elements } from '../device/device.js';

/** The increments of a Brownian motion that steps of each sample take. */
export interface Increments {
  /**
   * The increments from where these samples are to the times `to`, one row each, until the next call.
   * @param attempt which call it is: it addresses the noise.
   */
  draw(rows: Int32Array, to: Float64Array, attempt: number): Elements;
  /** A sample goes on to a time that was drawn for it last. */
  reach(row: number, time: number): void;
}

export interface IncrementOptions {
  readonly device: Device;
  /** Samples of the batch, and elements of each. */
  readonly samples: number;
  readonly width: number;
  /** Noise of an attempt for all samples, the first by its global index. */
  readonly noise: (attempt: number) => NoiseAddress & { readonly samples: number };
}

/** The noise of an attempt for some of the samples. */
function noiseOf({ noise }: IncrementOptions, rows: Int32Array, attempt: number): NoiseAddress {
  const address = noise(attempt);
  return { ...address, samples: Float64Array.from(rows, (row) => address.samples + row) };
}

/** Increments drawn anew in every attempt. All samples are at time 0 at first. */
export function freshIncrements(options: IncrementOptions): Increments {
  const { device, samples, width } = options;
  const at = new Float64Array(samples);
  const all = device.allocate(samples * width, 'double');
  return {
    draw(rows, to, attempt) {
      const drawn = device.rows(all, width, 0, rows.length);
      const table = new Float64Array(2 * rows.length);
      rows.forEach((row, i) => (table[2 * i + 1] = Math.sqrt(to[i]! - at[row]!)));
      device.affine(drawn, [drawn], table, noiseOf(options, rows, attempt));
      return drawn;
    },
    reach(row, time) {
      at[row] = time;
    },
  };
}

/** A time at which the path of a sample is known, and where its value is kept. */
interface Point {
  readonly time: number;
  readonly slot: number;
}

/**
 * Increments of one Brownian path W for every sample, drawn where they are asked for: beyond the last known point W goes on from there,
 * and between two known points it is a Brownian bridge,
 *
 *     W(t) | W(a), W(b) ~ N(W(a) + (t - a) / (b - a) (W(b) - W(a)), (t - a) (b - t) / (b - a)).
 *
 * What is ahead of a sample is kept until it has gone by, so that a shorter step after a rejected one stays on the path that was seen
 * (as the stacks of Rackauckas and Nie 2017 do). All samples are at time 0 at first, with W = 0.
 */
export class BrownianPath implements Increments {
  readonly #options: IncrementOptions;
  /** Of every sample: where it is, then what is known ahead of it. */
  readonly #points: Point[][];
  /** [slots, samples, width]. */
  #values: Elements;
  #slots = 2;
  readonly #left: Elements;
  readonly #right: Elements;

  constructor(options: IncrementOptions) {
    const { device, samples, width } = options;
    this.#options = options;
    this.#points = Array.from({ length: samples }, () => [{ time: 0, slot: 0 }]);
    this.#values = device.allocate(this.#slots * samples * width, 'double');
    this.#left = device.allocate(samples * width, 'double');
    this.#right = device.allocate(samples * width, 'double');
  }

  draw(rows: Int32Array, to: Float64Array, attempt: number): Elements {
    const { device, samples, width } = this.#options;
    const count = rows.length;
    const [here, from, ahead, into] = [0, 0, 0, 0].map(() => new Int32Array(count)) as [
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    const table = new Float64Array(3 * count);
    rows.forEach((row, i) => {
      const points = this.#points[row]!;
      const time = to[i]!;
      const after = points.findIndex((point) => point.time >= time);
      const b = points[after];
      const a = points.at(b ? after - 1 : -1)!;
      if (b) {
        const share = (time - a.time) / (b.time - a.time);
        table.set([1 - share, share, Math.sqrt(share * (b.time - time))], 3 * i);
      } else table.set([1, 0, Math.sqrt(time - a.time)], 3 * i);
      const slot = b?.time === time ? b.slot : this.#freeSlot(points);
      if (b?.time !== time) points.splice(b ? after : points.length, 0, { time, slot });
      here[i] = points[0]!.slot * samples + row;
      from[i] = a.slot * samples + row;
      ahead[i] = (b ?? a).slot * samples + row;
      into[i] = slot * samples + row;
    });
    const left = device.rows(this.#left, width, 0, count);
    const right = device.rows(this.#right, width, 0, count);
    device.gather(left, this.#values, from);
    device.gather(right, this.#values, ahead);
    device.affine(right, [left, right], table, noiseOf(this.#options, rows, attempt));
    device.scatter(this.#values, right, into);
    device.gather(left, this.#values, here);
    const difference = new Float64Array(3 * count);
    for (let i = 0; i < count; i++) difference.set([-1, 1], 3 * i);
    device.affine(right, [left, right], difference);
    return right;
  }

  reach(row: number, time: number): void {
    const points = this.#points[row]!;
    points.splice(
      0,
      points.findIndex((point) => point.time === time),
    );
  }

  /** The first slot that a sample does not use; more are made where there is none. */
  #freeSlot(points: readonly Point[]): number {
    let slot = 0;
    while (points.some((point) => point.slot === slot)) slot++;
    if (slot < this.#slots) return slot;
    const { device, samples, width } = this.#options;
    const more = device.allocate(2 * this.#values.length, 'double');
    device.copy(device.rows(more, width, 0, this.#slots * samples), this.#values);
    this.#values = more;
    this.#slots *= 2;
    return slot;
  }
}
