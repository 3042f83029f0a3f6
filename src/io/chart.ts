import { writeAtomically } from './atomic.js';
import { escaped, frame, ticks, typeface } from './axis.js';
import { loadSharp } from './sharp.js';

/** A line through points (x, y) in the order of x. */
export interface Curve {
  readonly label: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
}

export interface Chart {
  /** A line above the plot. */
  readonly title: string;
  /** What x is, below its axis. */
  readonly label: string;
  readonly curves: readonly Curve[];
}

const size = { width: 720, height: 440 };
const margin = { left: 60, right: 150, top: 40, bottom: 56 };
const plot = {
  width: size.width - margin.left - margin.right,
  height: size.height - margin.top - margin.bottom,
};
const colours = [
  ...['#08306b', '#b2582b', '#2b8a5a', '#8a4fa3', '#b59a1f'],
  ...['#4288c4', '#777777', '#d4719a', '#5f8f1f', '#3aa7a0'],
];

/** Points that a curve has at most: neighbouring ones are averaged. */
const most = 240;

/** Writes curves as a PNG file, atomically. */
export async function writeChart(path: string, chart: Chart): Promise<void> {
  await writeAtomically(path, await chartPng(chart));
}

/**
 * Curves with axes and a legend as a PNG file. The vertical axis is logarithmic where all values are positive and span more
 * than a factor of 3. Values that are not finite are left out.
 */
export async function chartPng(chart: Chart): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(Buffer.from(svg(chart)))
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}

function svg({ title, label, curves }: Chart): string {
  const lines = curves.map((curve, i) => ({
    ...curve,
    points: averaged(curve),
    colour: colours[i % colours.length]!,
  }));
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const [left, right] = range(xs);
  const y = verticalAxis(lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const px = (x: number): string => (margin.left + ((x - left) / (right - left)) * plot.width).toFixed(1);
  const py = (value: number): string => (margin.top + (1 - y.at(value)) * plot.height).toFixed(1);
  const baseline = margin.top + plot.height;

  const paths = lines.map(({ points, colour }) => {
    if (points.length === 1)
      return `<circle cx="${px(points[0]![0])}" cy="${py(points[0]![1])}" r="2.5" fill="${colour}"/>`;
    const d = points.map(([x, value], i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${py(value)}`).join('');
    return `<path d="${d}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round"/>`;
  });
  const legend = lines.map(({ label: name, colour }, i) => {
    const [x, top] = [margin.left + plot.width + 14, margin.top + 10 + 20 * i];
    return `<path d="M${x} ${top}h18" stroke="${colour}" stroke-width="2"/><text x="${x + 24}" y="${top + 4}">${escaped(name)}</text>`;
  });
  const box = { ...margin, ...plot };
  const middle = margin.left + plot.width / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}">
  ${paths.join('')}
  ${frame(box, { ticks: ticks(left, right - left, 7), at: px }, { ticks: y.ticks, at: py })}
  <g fill="#222" font-family="${typeface}" font-size="13">${legend.join('')}
    <text x="${middle}" y="${baseline + 42}" text-anchor="middle">${escaped(label)}</text>
    <text x="${middle}" y="26" text-anchor="middle" font-size="14">${escaped(title)}</text>
  </g>
</svg>`;
}

/** The finite points, runs of them averaged where there are many. */
export function averaged({ x, y }: Pick<Curve, 'x' | 'y'>): [x: number, y: number][] {
  const finite = Array.from({ length: x.length }, (_, i): [number, number] => [x[i]!, y[i]!]).filter(
    ([, value]) => Number.isFinite(value),
  );
  const run = Math.ceil(finite.length / most);
  const points: [number, number][] = [];
  for (let start = 0; start < finite.length; start += run) {
    const part = finite.slice(start, start + run);
    points.push([
      part.reduce((sum, [value]) => sum + value, 0) / part.length,
      part.reduce((sum, [, value]) => sum + value, 0) / part.length,
    ]);
  }
  return points;
}

interface VerticalAxis {
  /** Where a value lies, from 0 at the lower end to 1 at the upper. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

function verticalAxis(values: readonly number[]): VerticalAxis {
  const [low, high] = range(values);
  if (!(low > 0 && high > 3 * low)) {
    const extent = 1.05 * (high - low);
    return { at: (value) => (value - low) / extent, ticks: ticks(low, extent, 6) };
  }
  const [bottom, top] = [Math.log(low / 1.05), Math.log(high * 1.05)];
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => Math.floor(Math.log10(low)) + i,
  );
  const multiples = decades.length > 4 ? [1] : [1, 2, 5];
  const marked = decades
    .flatMap((decade) => multiples.map((multiple) => Number(`${multiple}e${decade}`)))
    .filter((value) => Math.log(value) >= bottom && Math.log(value) <= top);
  return { at: (value) => (Math.log(value) - bottom) / (top - bottom), ticks: marked };
}

/** The least and the greatest of the values, apart from each other even where they are equal. */
function range(values: readonly number[]): [low: number, high: number] {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(low)) return [0, 1];
  return high > low
    ? [low, high]
    : [low - Math.max(1, Math.abs(low)) / 2, low + Math.max(1, Math.abs(low)) / 2];
}
