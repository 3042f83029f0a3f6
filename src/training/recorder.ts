import { Figure, type Memory } from './memory.js';

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
  /** Mean over the workers of their milliseconds in the network. */
  readonly network: number;
}

/** Gathers the figures of steps into reports. */
export class Recorder {
  readonly #figures: readonly Float64Array[];
  readonly #every: number;
  #step: number;
  #reported: number;
  #loss = 0;
  #norm = 0;
  /** Sums of the figures of all workers: now, and at the report before. */
  #sums: Float64Array;
  #before: Float64Array;
  #time = performance.now();

  /**
   * To be made before any worker has figures.
   *
   * @param made steps made before
   * @param every steps between two reports; 0 for one every half second
   */
  constructor({ figures }: Pick<Memory, 'figures'>, made: number, every: number) {
    this.#figures = figures;
    this.#every = every;
    this.#step = made;
    this.#reported = made;
    this.#sums = this.#total();
    this.#before = this.#sums;
  }

  /** Takes the figures of a step; to be called where no worker changes its own. */
  add(step: number, loss: number, norm: number): void {
    this.#step = step;
    this.#loss += loss;
    this.#norm += norm;
    this.#sums = this.#total();
  }

  /** A report, where one is due or `now` is set. */
  report(now: boolean): StepReport | undefined {
    const time = performance.now();
    const steps = this.#step - this.#reported;
    const due = this.#every > 0 ? this.#step % this.#every === 0 : time - this.#time >= INTERVAL;
    if (steps === 0 || !(now || due)) return undefined;
    const grown = this.#sums.map((sum, k) => sum - this.#before[k]!);
    const buckets = (grown.length - Figure.buckets) / 2;
    const report: StepReport = {
      step: this.#step,
      steps,
      loss: this.#loss / steps,
      gradientNorm: this.#norm / steps,
      buckets: Array.from({ length: buckets }, (_, k) => ({
        sum: grown[Figure.buckets + k]!,
        rows: grown[Figure.buckets + buckets + k]!,
      })),
      milliseconds: time - this.#time,
      network: grown[Figure.network]! / this.#figures.length,
    };
    this.#reported = this.#step;
    this.#loss = 0;
    this.#norm = 0;
    this.#before = this.#sums;
    this.#time = time;
    return report;
  }

  #total(): Float64Array {
    const sums = new Float64Array(this.#figures[0]!.length);
    for (const figures of this.#figures) figures.forEach((value, k) => (sums[k]! += value));
    return sums;
  }
}
