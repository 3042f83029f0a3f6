import { clock, isLive } from '../../io/progress.js';
import type { TimeBucket, TrainProgress } from '../../training/results.js';

/** Milliseconds between two lines on a terminal, and where stderr is none. */
const SHORT = 500;
const LONG = 10_000;

/** What a training run tells on stderr: one line that is kept up to date on a terminal, elsewhere a line now and then. */
export class TrainingLine {
  readonly #stream: NodeJS.WriteStream;
  #last = -Infinity;
  #shown = false;
  #since: TrainProgress[] = [];

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Takes the progress of a step; shown are means over the steps since the line before. */
  update(progress: TrainProgress): void {
    this.#since.push(progress);
    const now = performance.now();
    const terminal = isLive(this.#stream);
    if (now - this.#last < (terminal ? SHORT : LONG) && progress.step < progress.steps) return;
    this.#last = now;
    const text = describeProgress(meanProgress(this.#since));
    this.#since = [];
    this.#stream.write(terminal ? `\r${this.#cut(text)}\x1b[K` : `${text}\n`);
    this.#shown = terminal;
  }

  /** What is done instead of training. */
  now(text: string): void {
    if (!isLive(this.#stream)) return;
    this.#stream.write(`\r${this.#cut(text)}\x1b[K`);
    this.#shown = true;
  }

  /** A line that wraps could not be taken back. */
  #cut(text: string): string {
    return text.slice(0, (this.#stream.columns || 80) - 1);
  }

  /** A line that stays, above the one that is kept up to date. */
  say(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }
}

/** The progress of several reports as one: where the last one is, with the means of all. */
export function meanProgress(reports: readonly TrainProgress[]): TrainProgress {
  const mean = (value: (progress: TrainProgress) => number): number =>
    reports.reduce((sum, progress) => sum + value(progress), 0) / reports.length;
  const buckets = new Map<number, TimeBucket>();
  for (const bucket of reports.flatMap(({ losses }) => losses)) {
    const { loss, rows } = buckets.get(bucket.from) ?? { loss: 0, rows: 0 };
    const all = rows + bucket.rows;
    buckets.set(bucket.from, { ...bucket, loss: (loss * rows + bucket.loss * bucket.rows) / all, rows: all });
  }
  return {
    ...reports.at(-1)!,
    model: undefined,
    loss: mean(({ loss }) => loss),
    losses: [...buckets.values()].sort((a, b) => a.from - b.from),
    gradientNorm: mean(({ gradientNorm }) => gradientNorm),
    imagesPerSecond: 1 / mean(({ imagesPerSecond }) => 1 / imagesPerSecond),
  };
}

/** Step, loss and its parts by time, held-out loss, learning rate, speed and the time that is left. */
export function describeProgress(progress: TrainProgress): string {
  const { step, steps, loss, losses, validation, learningRate, imagesPerSecond, remaining } = progress;
  const byTime = merged(losses, 5).map(shortNumber).join(' ');
  return [
    `step ${step}/${steps}`,
    `loss ${shortNumber(loss)}`,
    ...(losses.length > 1 ? [`by time ${byTime}`] : []),
    ...(validation ? [`held-out ${shortNumber(validation.loss)}`] : []),
    `rate ${shortNumber(learningRate)}`,
    `${imagesPerSecond >= 100 ? Math.round(imagesPerSecond) : shortNumber(imagesPerSecond)} samples/s`,
    `${clock(remaining)} left`,
  ].join('  ');
}

/** Mean losses of at most so many runs of neighbouring buckets. */
function merged(buckets: readonly TimeBucket[], most: number): number[] {
  const run = Math.ceil(buckets.length / most);
  const means: number[] = [];
  for (let start = 0; start < buckets.length; start += run) {
    const part = buckets.slice(start, start + run);
    const rows = part.reduce((sum, bucket) => sum + bucket.rows, 0);
    means.push(part.reduce((sum, { loss, rows: weight }) => sum + (loss * weight) / rows, 0));
  }
  return means;
}

function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
