import type { PartLosses } from './batch-part.js';

/** Milliseconds between two reports, where no number of steps is given. */
const INTERVAL = 500;

/** Means over the steps since the report before. */
export interface StepReport {
  readonly step: number;
  /** Number of these steps. */
  readonly steps: number;
  readonly loss: number;
  /** L2 norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** For each bucket of times: sum of the losses of its rows, and their number. */
  readonly buckets: readonly { readonly sum: number; readonly rows: number }[];
  readonly milliseconds: number;
  /** Mean over the parts of their milliseconds in the network. */
  readonly network: number;
}

/** Gathers the figures of steps into reports. */
export class Recorder {
  readonly #edges: Float64Array;
  readonly #every: number;
  #step: number;
  #reported: number;
  #loss = 0;
  #norm = 0;
  #network = 0;
  #milliseconds = 0;
  readonly #sums: Float64Array;
  readonly #rows: Float64Array;

  /**
   * @param edges ends of the buckets of times, ascending
   * @param made steps made before
   * @param every steps between two reports; 0 for one every half second
   */
  constructor(edges: Float64Array, made: number, every: number) {
    this.#edges = edges;
    this.#every = every;
    this.#step = made;
    this.#reported = made;
    this.#sums = new Float64Array(edges.length - 1);
    this.#rows = new Float64Array(edges.length - 1);
  }

  /** Takes the figures of the next step, and the milliseconds since the one before. */
  add(loss: number, norm: number, parts: readonly PartLosses[], milliseconds: number): void {
    this.#step++;
    this.#milliseconds += milliseconds;
    this.#loss += loss;
    this.#norm += norm;
    for (const { runs, milliseconds } of parts) {
      this.#network += milliseconds / parts.length;
      for (const { losses, times } of runs) if (losses) this.#addByTime(losses, times);
    }
  }

  /** A report, where one is due or `now` is set. */
  report(now: boolean): StepReport | undefined {
    const steps = this.#step - this.#reported;
    const due = this.#every > 0 ? this.#step % this.#every === 0 : this.#milliseconds >= INTERVAL;
    if (steps === 0 || !(now || due)) return undefined;
    const report: StepReport = {
      step: this.#step,
      steps,
      loss: this.#loss / steps,
      gradientNorm: this.#norm / steps,
      buckets: Array.from(this.#sums, (sum, k) => ({ sum, rows: this.#rows[k]! })),
      milliseconds: this.#milliseconds,
      network: this.#network,
    };
    this.#reported = this.#step;
    this.#loss = this.#norm = this.#network = this.#milliseconds = 0;
    this.#sums.fill(0);
    this.#rows.fill(0);
    return report;
  }

  #addByTime(losses: Float32Array, times: Float64Array): void {
    const last = this.#sums.length - 1;
    for (let n = 0; n < times.length; n++) {
      let bucket = 0;
      while (bucket < last && times[n]! >= this.#edges[bucket + 1]!) bucket++;
      this.#sums[bucket]! += losses[n]!;
      this.#rows[bucket]! += 1;
    }
  }
}
