import { readFile } from 'node:fs/promises';
import { writeAtomically } from '../../io/atomic.js';
import { writeChart, type Curve } from '../../io/chart.js';
import { encodeCsv } from '../../io/csv.js';
import type { TrainProgress } from '../../training/run.js';

/** Of the columns of losses by time. */
const prefix = 'loss_t_';

type Row = Readonly<Record<string, number>>;

/** The progress of a run as a table: `loss.csv`, and its curves. */
export class LossHistory {
  readonly #path: string;
  #rows: Row[];
  #started = false;
  #validated = -1;

  private constructor(path: string, rows: Row[]) {
    this.#path = path;
    this.#rows = rows;
  }

  /** @param path Of the table; that of an earlier part of the run is gone on with. */
  static async open(path: string): Promise<LossHistory> {
    return new LossHistory(path, parse(await readFile(path, 'utf8').catch(() => '')));
  }

  add(progress: TrainProgress): void {
    const { step, loss, losses, gradientNorm, learningRate, imagesPerSecond, seconds, validation } = progress;
    if (!this.#started) {
      // Steps that were made before the run was stopped, but after its last checkpoint, are made again.
      this.#rows = this.#rows.filter((row) => row['step']! < step);
      this.#started = true;
    }
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
