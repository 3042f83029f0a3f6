/** About `count` round numbers within an interval: multiples of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, extent: number, count = 8): number[] {
  const rough = extent / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((multiple) => multiple * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const last = Math.floor((low + extent) / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
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
