/** About `count` round numbers within an interval: multiples of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, extent: number, count = 8): number[] {
  const rough = extent / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((multiple) => multiple * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const last = Math.floor((low + extent) / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Where values lie along an axis, from 0 at its lower end to 1 at its upper, and which it marks. */
export interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** A scale over all of the values, about `count` of which are marked; the upper end is `room` times their range above them. */
export function linearScale(values: readonly number[], count: number, room = 0): Scale {
  const [low, high] = extremes(values);
  const extent = (1 + room) * (high - low);
  return { at: (value) => (value - low) / extent, ticks: ticks(low, extent, count) };
}

/** A scale of the logarithms of positive values, a little beyond them at either end. */
export function logarithmicScale(values: readonly number[]): Scale {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) [low, high] = [low / 2, low * 2];
  const room = Math.max(Math.log(1.05), 0.03 * Math.log(high / low));
  const [bottom, top] = [Math.log(low) - room, Math.log(high) + room];
  const first = Math.floor(Math.log10(low));
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => first + i);
  const marked = (multiples: readonly number[]): number[] =>
    decades
      .flatMap((decade) => multiples.map((multiple) => Number(`${multiple}e${decade}`)))
      .filter((value) => Math.log(value) >= bottom && Math.log(value) <= top);
  // The finest marks whose labels are apart: the coarser ones are even, and may be more.
  const fits = (values: readonly number[], i: number): boolean => values.length <= (i === 0 ? 6 : 9);
  return {
    at: (value) => (Math.log(value) - bottom) / (top - bottom),
    ticks: [marked([1, 2, 3, 4, 5, 6, 8]), marked([1, 2, 5])].find(fits) ?? marked([1]),
  };
}

/** The least and the greatest of the values, apart from each other even where they are equal. */
function extremes(values: readonly number[]): [low: number, high: number] {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(low)) return [0, 1];
  if (high > low) return [low, high];
  const half = Math.max(1, Math.abs(low)) / 2;
  return [low - half, low + half];
}

/** A number as an axis shows it. */
export function tickLabel(value: number): string {
  return (Math.abs(value) >= 1e4 ? value.toExponential() : String(value)).replace('-', '−');
}

/** The typeface of labels in pictures. */
export const typeface = 'Helvetica, Arial, DejaVu Sans, sans-serif';

/** A plot within a picture, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Values that an axis marks, and where a value lies in pixels. */
export interface Axis {
  readonly ticks: readonly number[];
  at(value: number): string;
}

/** The box of a plot with the marks of its axes below and to the left, and their labels, as SVG. */
export function frame({ left, top, width, height }: Box, x: Axis, y: Axis): string {
  const baseline = top + height;
  const marks = [
    ...x.ticks.map((value) => `M${x.at(value)} ${baseline}v5`),
    ...y.ticks.map((value) => `M${left} ${y.at(value)}h-5`),
  ];
  const labels = [
    ...x.ticks.map(
      (value) =>
        `<text x="${x.at(value)}" y="${baseline + 20}" text-anchor="middle">${tickLabel(value)}</text>`,
    ),
    ...y.ticks.map(
      (value) =>
        `<text x="${left - 9}" y="${y.at(value)}" dy="4" text-anchor="end">${tickLabel(value)}</text>`,
    ),
  ];
  return `<g fill="none" stroke="#444"><rect x="${left}" y="${top}" width="${width}" height="${height}"/><path d="${marks.join('')}"/></g>
  <g fill="#222" font-family="${typeface}" font-size="13">${labels.join('')}</g>`;
}

/** Text as SVG holds it. */
export function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
