import { styleText } from 'node:util';

/** A progress bar on a terminal: share done, rate and remaining time. Silent where the stream is no terminal. */
export class ProgressBar {
  readonly #label: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #start = performance.now();
  #drawn = -Infinity;

  constructor(label: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#stream = stream;
  }

  /** Shows `done` of `total` units of work; draws at most ten times a second. */
  update(done: number, total: number, unit: string): void {
    const now = performance.now();
    if (!this.#stream.isTTY || (now - this.#drawn < 100 && done < total)) return;
    this.#drawn = now;
    const seconds = (now - this.#start) / 1000;
    const rate = done / seconds;
    const line = [
      styleText('bold', this.#label),
      bar(done / total, 24),
      `${String(Math.floor((100 * done) / total)).padStart(3)} %`,
      `${done}/${total}`,
      `${rate.toPrecision(3)} ${unit}/s`,
      done > 0 ? `${clock((total - done) / rate)} left` : '',
    ].join('  ');
    this.#stream.write(`\r${line}\x1b[K`);
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#stream.isTTY && this.#drawn > 0) this.#stream.write('\r\x1b[K');
  }
}

function bar(share: number, width: number): string {
  const filled = Math.round(share * width);
  return styleText('cyan', '━'.repeat(filled)) + styleText('dim', '─'.repeat(width - filled));
}

/** A duration in seconds as m:ss or h:mm:ss. */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}
