import { styleText } from 'node:util';

/** Whether a line on this stream can be written again: not in files, pipes and terminals that know no control sequences. */
export function isLive(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env['TERM'] !== 'dumb';
}

/** Columns of the bar at most, and with fewer than which it is left out. */
const WIDEST = 24;
const NARROWEST = 6;

/** A progress bar on a terminal: share done, rate and remaining time, as far as there is room. Elsewhere, one line that says what has begun. */
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
    if (!isLive(this.#stream)) {
      if (this.#drawn < 0)
        this.#stream.write(`${this.#label} ${total} ${total === 1 ? this.#unit : `${this.#unit}s`}\n`);
      this.#drawn = now;
      return;
    }
    if (now - this.#drawn < 100 && fraction < 1) return;
    this.#drawn = now;
    this.#stream.write(`\r${this.#line(fraction, total, detail, (now - this.#start) / 1000)}\x1b[K`);
  }

  /** What there is room for: a line that wraps could not be taken back. The share comes first, then the time left. */
  #line(fraction: number, total: number, detail: string, seconds: number): string {
    const options = { stream: this.#stream };
    const columns = (this.#stream.columns || 80) - 1;
    const share = `${String(Math.floor(100 * fraction)).padStart(3)} %`;
    const left = fraction > 0 ? `${clock((seconds * (1 - fraction)) / fraction)} left` : '';
    const rate = `${((fraction * total) / seconds).toPrecision(2)} ${this.#unit}s/s`;
    const shown = [this.#label, share, detail, rate, left].filter((part) => part !== '');
    const length = (): number => shown.join('  ').length;
    for (const part of [detail, rate, this.#label, left])
      if (length() > columns) shown.splice(shown.indexOf(part), shown.includes(part) ? 1 : 0);
    if (length() > columns) return '';
    const width = Math.min(WIDEST, columns - length() - 2);
    const at = shown.indexOf(share);
    if (width >= NARROWEST) shown.splice(at, 0, bar(fraction, width, options));
    return shown.map((part) => (part === this.#label ? styleText('bold', part, options) : part)).join('  ');
  }

  /** Removes the bar. */
  clear(): void {
    if (isLive(this.#stream) && this.#drawn > 0) this.#stream.write('\r\x1b[K');
  }
}

function bar(share: number, width: number, options: { readonly stream: NodeJS.WriteStream }): string {
  const filled = Math.round(share * width);
  return (
    styleText('cyan', '━'.repeat(filled), options) + styleText('dim', '─'.repeat(width - filled), options)
  );
}

/** A duration in seconds as m:ss or h:mm:ss. */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}
