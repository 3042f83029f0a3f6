import { pathOf, type FilePath } from './path.js';
import { writeAtomically } from './atomic.js';
import { escaped, frame, ticks, typeface } from './axis.js';
import { loadSharp } from './sharp.js';

/** What a histogram shows. */
export interface Histogram {
  /** What is counted. */
  readonly values: ArrayLike<number>;
  /** What the values are, below their axis. */
  readonly label: string;
  /** A line above the plot. */
  readonly title: string;
}

const size = { width: 640, height: 420 };
const margin = { left: 56, right: 16, top: 40, bottom: 56 };
const plot = {
  width: size.width - margin.left - margin.right,
  height: size.height - margin.top - margin.bottom,
};

/** Writes a histogram as a PNG file, atomically. */
export async function writeHistogram(file: FilePath, histogram: Histogram): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, await histogramPng(histogram));
}

/** A histogram with axes and a line at the mean as a PNG file. */
export async function histogramPng(histogram: Histogram): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(Buffer.from(svg(histogram)))
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}

/** Counts of values in bins of one width, side by side from `low` on. */
export interface Bins {
  readonly low: number;
  readonly width: number;
  readonly counts: readonly number[];
}

/** Bins of the width 2 IQR / n^(1/3) (Freedman and Diaconis 1981), no fewer than 5 and no more than 80. */
export function binned(values: ArrayLike<number>): Bins {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const low = sorted[0] ?? 0;
  const extent = (sorted[n - 1] ?? 0) - low;
  if (!(extent > 0)) {
    const width = Math.max(Math.abs(low) * 0.1, 0.1);
    return { low: low - width / 2, width, counts: [n] };
  }
  const spread = sorted[Math.floor(0.75 * (n - 1))]! - sorted[Math.ceil(0.25 * (n - 1))]!;
  const bins = Math.min(80, Math.max(5, Math.ceil((extent * Math.cbrt(n)) / (2 * spread))));
  const counts = new Array<number>(bins).fill(0);
  for (const value of sorted) counts[Math.min(bins - 1, Math.floor(((value - low) / extent) * bins))]! += 1;
  return { low, width: extent / bins, counts };
}

function svg({ values, label, title }: Histogram): string {
  const { low, width, counts } = binned(values);
  const extent = width * counts.length;
  const top = 1.05 * counts.reduce((a, b) => Math.max(a, b));
  const mean = Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
  const px = (x: number): string => (margin.left + ((x - low) / extent) * plot.width).toFixed(1);
  const py = (y: number): string => (margin.top + (1 - y / top) * plot.height).toFixed(1);

  const bars = counts.map((count, i) => {
    const [left, right] = [px(low + i * width), px(low + (i + 1) * width)];
    return `M${left} ${py(0)}V${py(count)}H${right}V${py(0)}Z`;
  });
  const x = { ticks: ticks(low, extent), at: px };
  const y = { ticks: ticks(0, top, 6).filter(Number.isInteger), at: py };
  const baseline = margin.top + plot.height;
  const middle = margin.left + plot.width / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}">
  <path d="${bars.join('')}" fill="#4288c4" stroke="#fff" stroke-width="0.5"/>
  <path d="M${px(mean)} ${margin.top}V${baseline}" stroke="#b2582b" stroke-width="1.5"/>
  ${frame({ ...margin, ...plot }, x, y)}
  <g fill="#222" font-family="${typeface}" font-size="13">
    <text x="${middle}" y="${baseline + 42}" text-anchor="middle">${escaped(label)}</text>
    <text x="${middle}" y="26" text-anchor="middle" font-size="14">${escaped(title)}</text>
  </g>
</svg>`;
}
