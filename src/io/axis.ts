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
