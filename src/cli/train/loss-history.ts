import { readFile } from 'node:fs/promises';
import { writeAtomically } from '../../io/atomic.js';
import { writeChart, type Curve } from '../../io/chart.js';
import { encodeCsv } from '../../io/csv.js';
import type { TrainProgress } from '../../training/results.js';
import { meanProgress } from './progress.js';

/** Of the columns of losses by time. */
const prefix = 'loss_t_';

type Row = Readonly<Record<string, number>>;

/** Rows of a whole run. */
const ROWS = 500;

/** The progress of a run as a table: `loss.csv`, and its curves. Its rows lie at multiples of a number of steps. */
export class LossHistory {
  readonly #path: string;
  readonly #every: number;
  #rows: Row[];
  #started = false;
  #validated = -1;
  #since: TrainProgress[] = [];

  private constructor(path: string, every: number, rows: Row[]) {
    this.#path = path;
    this.#every = every;
    this.#rows = rows;
  }

  /**
   * @param path of the table; that of an earlier part of the run is gone on with
   * @param steps of the whole run
   */
  static async open(path: string, steps: number): Promise<LossHistory> {
    const rows = parse(await readFile(path, 'utf8').catch(() => ''));
    return new LossHistory(path, Math.ceil(steps / ROWS), rows);
  }

  /** Takes the progress of a step; returns what a new row tells, the means over the steps since the row before. */
  add(progress: TrainProgress): TrainProgress | undefined {
    if (!this.#started) {
      // Steps that were made before the run was stopped, but after its last checkpoint, are made again.
      this.#rows = this.#rows.filter((row) => row['step']! < progress.step);
      this.#started = true;
    }
    this.#since.push(progress);
    if (progress.step % this.#every !== 0 && progress.step < progress.steps) return undefined;
    const row = meanProgress(this.#since);
    this.#since = [];
    this.#add(row);
    return row;
  }

  #add(progress: TrainProgress): void {
    const { step, loss, losses, gradientNorm, learningRate, imagesPerSecond, seconds, validation } = progress;
    const measured = validation !== undefined && validation.step !== this.#validated;
    if (measured) this.#validated = validation.step;
    this.#rows.push({
      step,
      loss,
      held_out_loss: measured ? validation.loss : NaN,
      gradient_norm: gradientNorm,
      learning_rate: learningRate,
      samples_per_second: imagesPerSecond,
      seconds,
      ...Object.fromEntries(losses.map((bucket) => [prefix + name(bucket), bucket.loss])),
    });
  }

  /** Writes the table, and its curves beside it: `loss.png`, and `loss-by-time.png` where there are losses by time. */
  async write(): Promise<void> {
    if (this.#rows.length === 0) return;
    const columns = this.#columns();
    await writeAtomically(this.#path, encodeCsv(columns));
    const curve = (label: string, key: string): Curve[] => {
      const y = columns[key] ?? [];
      return y.some(Number.isFinite) ? [{ label, x: columns['step']!, y }] : [];
    };
    const stem = this.#path.replace(/\.csv$/, '');
    const curves = [...curve('training', 'loss'), ...curve('held out', 'held_out_loss')];
    await writeChart(`${stem}.png`, { title: 'Loss', label: 'step', curves });
    const parts = Object.keys(columns).filter((key) => key.startsWith(prefix));
    if (parts.length < 2) return;
    await writeChart(`${stem}-by-time.png`, {
      title: 'Training loss by time',
      label: 'step',
      curves: parts.flatMap((key) => curve(`t ${key.slice(prefix.length).replace('_', ' to ')}`, key)),
    });
  }

  #columns(): Record<string, number[]> {
    const keys = [...new Set(this.#rows.flatMap((row) => Object.keys(row)))];
    return Object.fromEntries(keys.map((key) => [key, this.#rows.map((row) => row[key] ?? NaN)]));
  }
}

/** Ends of a bucket of times, as they are in a name: `0.2_0.4`. */
function name({ from, to }: { from: number; to: number }): string {
  return [from, to].map((t) => Number(t.toPrecision(3))).join('_');
}

function parse(csv: string): Row[] {
  const [head = '', ...lines] = csv.split(/\r?\n/).filter((line) => line !== '');
  const keys = head.split(',');
  return lines.map((line) =>
    Object.fromEntries(line.split(',').map((value, i) => [keys[i]!, Number(value)])),
  );
}
