import type { Device, Elements } from '../../device/device.js';

/** States between the steps of an adaptive integration, at times that a caller chose. */
export interface DenseOutput {
  readonly times: ArrayLike<number>;
  /** Whether nobody looks at the states, which then are not interpolated. Default false. */
  readonly blind?: boolean;
  /**
   * Sees the state (the first block) of all samples at times[k], and its derivative in time, interpolated.
   * Called in the order of the times, each when the last sample has passed it.
   */
  visit(k: number, y: Elements, slope: Elements): void | Promise<void>;
}

/** What is known of the samples at one of the times. */
interface Frame {
  readonly y: Elements;
  readonly slope: Elements;
  /** Samples that have not passed the time. */
  missing: number;
}

/** Dense output: states at chosen times, collected until the last sample has passed each. */
export class DenseFrames {
  readonly #device: Device;
  readonly #output: DenseOutput;
  readonly #direction: number;
  readonly #width: number;
  /** The next time that each sample has to pass. */
  readonly #next: Int32Array;
  readonly #pending = new Map<number, Frame>();
  /** Frames that were delivered, whose arrays later ones take over. */
  readonly #free: Frame[] = [];
  #delivered = 0;

  constructor(device: Device, output: DenseOutput, samples: number, width: number, direction: number) {
    this.#device = device;
    this.#output = output;
    this.#direction = direction;
    this.#width = width;
    this.#next = new Int32Array(samples);
  }

  /** Delivers the state at the start where it is among the times. */
  async start(y: Elements, slope: Elements, from: number): Promise<void> {
    if (this.#output.times[0] !== from) return;
    await this.#output.visit(0, y, slope);
    this.#delivered = 1;
    this.#next.fill(1);
  }

  /**
   * A sample steps from t to `next`.
   * @param interpolate puts its state and the slope there after a share of the step, at a time.
   */
  pass(
    sample: number,
    t: number,
    next: number,
    interpolate: (y: Elements, slope: Elements, share: number, time: number) => void,
  ): void {
    const row = (x: Elements) => this.#device.rows(x, this.#width, sample, 1);
    for (;;) {
      const k = this.#next[sample]!;
      const time = this.#output.times[k];
      if (time === undefined || this.#direction * (time - next) > 0) return;
      this.#next[sample]!++;
      const frame = this.#frame(k);
      if (!this.#output.blind) interpolate(row(frame.y), row(frame.slope), (time - t) / (next - t), time);
      frame.missing--;
    }
  }

  async deliver(): Promise<void> {
    for (;;) {
      const frame = this.#pending.get(this.#delivered);
      if (!frame || frame.missing > 0) return;
      this.#pending.delete(this.#delivered);
      await this.#output.visit(this.#delivered++, frame.y, frame.slope);
      this.#free.push(frame);
    }
  }

  #frame(k: number): Frame {
    let frame = this.#pending.get(k);
    if (!frame) {
      const samples = this.#next.length;
      const allocate = () => this.#device.allocate(samples * this.#width, 'double');
      frame = this.#free.pop() ?? { y: allocate(), slope: allocate(), missing: 0 };
      frame.missing = samples;
      this.#pending.set(k, frame);
    }
    return frame;
  }
}
