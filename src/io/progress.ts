import { styleText } from 'node:util';

/** A progress bar on a terminal: share done, rate and remaining time. Elsewhere, one line that says what has begun. */
export class ProgressBar {
  readonly #label: string;
  readonly #unit: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #start = performance.now();
  #drawn = -Infinity;

  /** @param unit What is counted, in the singular, such as `sample`. */
  constructor(label: string, unit: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#unit = unit;
    this.#stream = stream;
  }

  /** Shows that `fraction` of `total` units is done; draws at most ten times a second. */
  update(fraction: number, total: number, detail = ''): void {
    const now = performance.now();
    if (!this.#stream.isTTY) {
      if (this.#drawn < 0)
        this.#stream.write(`${this.#label} ${total} ${total === 1 ? this.#unit : `${this.#unit}s`}\n`);
      this.#drawn = now;
      return;
    }
    if (now - this.#drawn < 100 && fraction < 1) return;
    this.#drawn = now;
    const seconds = (now - this.#start) / 1000;
    const parts = [
      styleText('bold', this.#label, { stream: this.#stream }),
      this.#bar(fraction, 24),
      `${String(Math.floor(100 * fraction)).padStart(3)} %`,
      detail,
      `${((fraction * total) / seconds).toPrecision(2)} ${this.#unit}s/s`,
      fraction > 0 ? `${clock((seconds * (1 - fraction)) / fraction)} left` : '',
    ];
    this.#stream.write(`\r${parts.filter((part) => part !== '').join('  ')}\x1b[K`);
  }

  #bar(share: number, width: number): string {
    const filled = Math.round(share * width);
    const options = { stream: this.#stream };
    return (
      styleText('cyan', '━'.repeat(filled), options) + styleText('dim', '─'.repeat(width - filled), options)
    );
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#stream.isTTY && this.#drawn > 0) this.#stream.write('\r\x1b[K');
  }
}

/** A duration in seconds as m:ss or h:mm:ss. */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}
