import { pathOf, type FilePath } from './path.js';
import { writeAtomically } from './atomic.js';
import { escaped, frame, linearScale, logarithmicScale, typeface, type Box, type Scale } from './axis.js';
import { loadSharp } from './sharp.js';

/** A line through points (x, y) in the order of x. */
export interface Curve {
  /** Its name in the legend. */
  readonly label: string;
  /** Abscissae, ascending. */
  readonly x: ArrayLike<number>;
  /** Ordinates, one for each x. */
  readonly y: ArrayLike<number>;
  /** Standard errors of y, shown as bars where there are few points. */
  readonly errors?: ArrayLike<number>;
}

/** Curves over one axis. */
export interface Chart {
  /** A line above the plot. */
  readonly title: string;
  /** What x is, below its axis. */
  readonly label: string;
  /** What is drawn. */
  readonly curves: readonly Curve[];
  /** Values of y that a dashed line marks; one without a place on a logarithmic axis is left out. */
  readonly marks?: readonly { readonly label: string; readonly y: number }[];
  /** Whether the axis of x is logarithmic; its values are then positive. Default false. */
  readonly logarithmic?: boolean;
}

/** Charts side by side, with one legend: what has the same label has the same colour in all. */
export interface Charts {
  /** In rows, from left to right. */
  readonly charts: readonly Chart[];
  /** Default 2. */
  readonly columns?: number;
}

/** A chart alone. */
const single = { left: 60, top: 40, width: 510, height: 344 };
/** One of several. */
const cell = { width: 360, height: 250, across: 84, down: 96 };
const legendWidth = 150;
const lineHeight = 20;
const colours = [
  ...['#08306b', '#b2582b', '#2b8a5a', '#8a4fa3', '#b59a1f'],
  ...['#4288c4', '#777777', '#d4719a', '#5f8f1f', '#3aa7a0'],
];
const dashes = ['', '7 3', '2 2', '8 2 2 2'];

/** Points that a curve has at most: neighbouring ones are averaged. */
const most = 240;

/** Points up to which each is shown. */
const few = 24;

/** Writes curves as a PNG file, atomically. */
export async function writeChart(file: FilePath, chart: Chart): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, await chartPng(chart));
}

/** Writes charts side by side as a PNG file, atomically. */
export async function writeCharts(file: FilePath, charts: Charts): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, await chartsPng(charts));
}

/**
 * Curves with axes and a legend as a PNG file. The vertical axis is logarithmic where all values are positive and span more
 * than a factor of 3. Values that are not finite are left out.
 */
export function chartPng(chart: Chart): Promise<Uint8Array> {
  const styles = stylesOf([chart]);
  const place = { x: single.left + single.width + 14, y: single.top + 10 };
  return png(720, 440, [plotOf(chart, single, styles), legend(styles, place)]);
}

/** Charts in reading order as a PNG file, as {@link chartPng} draws each, and one legend to the right. */
export function chartsPng({ charts, columns = 2 }: Charts): Promise<Uint8Array> {
  const styles = stylesOf(charts);
  const across = Math.min(columns, charts.length);
  const down = Math.ceil(charts.length / columns);
  const boxes = charts.map((_, i) => ({
    left: single.left + (i % columns) * (cell.width + cell.across),
    top: single.top + Math.floor(i / columns) * (cell.height + cell.down),
    width: cell.width,
    height: cell.height,
  }));
  const right = single.left + across * cell.width + (across - 1) * cell.across + 14;
  const longest = styles.reduce((length, { label }) => Math.max(length, label.length), 0);
  const height = Math.max(
    single.top + down * (cell.height + cell.down) - 40,
    single.top + lineHeight * (styles.length + 1),
  );
  return png(right + Math.max(legendWidth, 44 + 7.5 * longest), height, [
    ...charts.map((chart, i) => plotOf(chart, boxes[i]!, styles)),
    legend(styles, { x: right, y: single.top + 10 }),
  ]);
}

async function png(width: number, height: number, parts: readonly string[]): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}">${parts.join('')}</svg>`;
  return sharp(Buffer.from(svg)).flatten({ background: '#fff' }).png().toBuffer();
}

/** How the curve, or the mark, of a label is drawn. */
interface Style {
  readonly label: string;
  readonly colour: string;
  readonly dash: string;
}

/** Styles of all labels: colours in turn, dashed from the eleventh on; marks are dark and dashed. */
function stylesOf(charts: readonly Chart[]): Style[] {
  const curves = new Set(charts.flatMap((chart) => chart.curves.map(({ label }) => label)));
  const marks = new Set(charts.flatMap((chart) => (chart.marks ?? []).map(({ label }) => label)));
  return [
    ...[...curves].map((label, i) => ({
      label,
      colour: colours[i % colours.length]!,
      dash: dashes[Math.floor(i / colours.length) % dashes.length]!,
    })),
    ...[...marks].map((label, i) => ({ label, colour: '#222', dash: ['4 4', '1 4', '10 4'][i % 3]! })),
  ];
}

function legend(styles: readonly Style[], { x, y }: { x: number; y: number }): string {
  const lines = styles.map(({ label, colour, dash }, i) => {
    const top = y + lineHeight * i;
    return (
      `<path d="M${x} ${top}h18" stroke="${colour}" stroke-width="2" ${dashed(dash)}/>` +
      `<text x="${x + 24}" y="${top + 4}">${escaped(label)}</text>`
    );
  });
  return `<g fill="#222" font-family="${typeface}" font-size="13">${lines.join('')}</g>`;
}

function dashed(dash: string): string {
  return dash === '' ? '' : `stroke-dasharray="${dash}"`;
}

function plotOf({ title, label, curves, marks = [], logarithmic }: Chart, box: Box, styles: Style[]): string {
  const styleOf = (name: string): Style => styles.find((style) => style.label === name)!;
  const lines = curves.map((curve) => ({ ...curve, points: averaged(curve) }));
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const x = logarithmic && xs.length > 0 ? logarithmicScale(xs) : linearScale(xs, 7);
  const y = verticalScale(
    ys,
    marks.map((mark) => mark.y),
  );
  const px = (value: number): string => (box.left + x.at(value) * box.width).toFixed(1);
  const py = (value: number): string => (box.top + (1 - y.at(value)) * box.height).toFixed(1);
  const paths = lines.map(({ points, errors, label: name }) => {
    const { colour, dash } = styleOf(name);
    const d = points.map(([at, value], i) => `${i === 0 ? 'M' : 'L'}${px(at)} ${py(value)}`).join('');
    const line = `<path d="${d}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round" ${dashed(dash)}/>`;
    if (points.length > 1 && !(errors && points.length <= few)) return line;
    const dots = points.map(
      ([at, value]) => `<circle cx="${px(at)}" cy="${py(value)}" r="2.5" fill="${colour}"/>`,
    );
    const bars = points.map(([at, value], i) => {
      const [low, high] = [-1, 1].map((side) => y.at(value + side * (errors?.[i] ?? 0)));
      // A logarithmic axis has no place for 0 and below.
      const ends = [Number.isNaN(low!) ? 0 : low!, high!].map((end) => Math.min(Math.max(end, 0), 1));
      const [bottom, top] = ends.map((end) => (box.top + (1 - end) * box.height).toFixed(1));
      return `M${px(at)} ${bottom!}V${top!}`;
    });
    return `${line}<path d="${bars.join('')}" stroke="${colour}" stroke-opacity="0.5"/>${dots.join('')}`;
  });
  const levels = marks.map(({ label: name, y: value }) => {
    const { colour, dash } = styleOf(name);
    if (!Number.isFinite(y.at(value))) return '';
    return `<path d="M${box.left} ${py(value)}h${box.width}" stroke="${colour}" ${dashed(dash)}/>`;
  });
  const middle = box.left + box.width / 2;
  return `${levels.join('')}${paths.join('')}
  ${frame(box, { ticks: x.ticks, at: px }, { ticks: y.ticks, at: py })}
  <g fill="#222" font-family="${typeface}" font-size="13">
    <text x="${middle}" y="${box.top + box.height + 42}" text-anchor="middle">${escaped(label)}</text>
    <text x="${middle}" y="${box.top - 14}" text-anchor="middle" font-size="14">${escaped(title)}</text>
  </g>`;
}

/** Logarithmic where all values are positive and span more than a factor of 3; a mark at 0 or below then has no place. */
function verticalScale(values: readonly number[], marks: readonly number[]): Scale {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(low > 0 && high > 3 * low)) return linearScale([...values, ...marks], 6, 0.05);
  return logarithmicScale([...values, ...marks.filter((mark) => mark > 0)]);
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
