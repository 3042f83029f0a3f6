import { writeAtomically } from './atomic.js';
import { tickLabel, ticks, typeface } from './axis.js';

/** What {@link scatterPng} shows: points of the plane, and if given the paths that led to them. */
export interface Scatter {
  /** x and y of each point, one after the other. */
  readonly points: Float32Array;
  /** States of the same points at increasing steps, each laid out as `points`. */
  readonly paths?: readonly Float32Array[];
}

const size = 640;
const margin = { left: 56, right: 16, top: 16, bottom: 40 };
const plot = { width: size - margin.left - margin.right, height: size - margin.top - margin.bottom };

/** Writes a scatter picture with density shading as a PNG file, atomically. */
export async function writeScatter(path: string, scatter: Scatter): Promise<void> {
  await writeAtomically(path, await scatterPng(scatter));
}

/**
 * A scatter picture with axes as a PNG file: a kernel density estimate as shading, up to 4000 points as dots over it, up
 * to 50 paths as faint lines. Both axes have one scale and reach over all points, or over the central 99.9 % where a
 * few lie far out.
 */
export async function scatterPng({ points, paths = [] }: Scatter): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  const view = viewOf(points);
  const bins = 128;
  const shading = await sharp(shade(density(points, view, bins)), {
    raw: { width: bins, height: bins, channels: 4 },
  })
    .resize(plot.width, plot.height, { kernel: 'cubic', fit: 'fill' })
    .png()
    .toBuffer();
  return sharp({ create: { width: size, height: size, channels: 3, background: '#ffffff' } })
    .composite([
      { input: shading, left: margin.left, top: margin.top },
      { input: Buffer.from(svg(points, paths, view)), left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
}

/** The square of the plane that is shown. */
interface View {
  readonly left: number;
  readonly bottom: number;
  readonly extent: number;
}

function viewOf(points: Float32Array): View {
  const [x, y] = [0, 1].map((axis) => {
    const values = points.filter((value, i) => i % 2 === axis && Number.isFinite(value)).sort();
    const tail = Math.floor(values.length * 0.0005);
    return [values[tail] ?? -1, values[values.length - 1 - tail] ?? 1] as const;
  }) as [readonly [number, number], readonly [number, number]];
  const extent = 1.12 * Math.max(x[1] - x[0], y[1] - y[0], 1e-6);
  return { left: (x[0] + x[1] - extent) / 2, bottom: (y[0] + y[1] - extent) / 2, extent };
}

/** A Gaussian kernel density estimate on bins of the view, row by row from the top, scaled to a maximum of 1. */
function density(points: Float32Array, { left, bottom, extent }: View, bins: number): Float64Array {
  const counts = new Float64Array(bins * bins);
  for (let i = 0; i < points.length; i += 2) {
    const column = Math.floor(((points[i]! - left) / extent) * bins);
    const row = bins - 1 - Math.floor(((points[i + 1]! - bottom) / extent) * bins);
    if (column >= 0 && column < bins && row >= 0 && row < bins) counts[row * bins + column]! += 1;
  }
  // Width of the kernel in bins: it narrows as n^(-1/6), as Scott's rule has it in two dimensions.
  const width = Math.min(3, Math.max(1, 8 * (points.length / 2) ** (-1 / 6)));
  const smooth = blur(blur(counts, bins, width, 1, bins), bins, width, bins, 1);
  const peak = smooth.reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
  return smooth.map((value) => value / peak);
}

function blur(
  values: Float64Array,
  bins: number,
  width: number,
  stride: number,
  across: number,
): Float64Array {
  const reach = Math.ceil(3 * width);
  const kernel = Array.from({ length: reach + 1 }, (_, k) => Math.exp(-0.5 * (k / width) ** 2));
  const result = new Float64Array(values.length);
  for (let line = 0; line < bins; line++) {
    for (let i = 0; i < bins; i++) {
      let sum = 0;
      for (let k = Math.max(0, i - reach); k <= Math.min(bins - 1, i + reach); k++) {
        sum += kernel[Math.abs(k - i)]! * values[line * across + k * stride]!;
      }
      result[line * across + i * stride] = sum;
    }
  }
  return result;
}

const sparse = [198, 219, 239];
const dense = [66, 136, 196];

/** Density to RGBA: from nothing over light to deep blue, with a power below one so that weak modes show. */
function shade(values: Float64Array): Uint8Array {
  const rgba = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => {
    const level = value ** 0.7;
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = sparse[c]! + level * (dense[c]! - sparse[c]!);
    rgba[4 * i + 3] = 255 * Math.min(1, 2 * level);
  });
  return new Uint8Array(rgba.buffer);
}

function svg(points: Float32Array, paths: readonly Float32Array[], view: View): string {
  const px = (x: number): string => (margin.left + ((x - view.left) / view.extent) * plot.width).toFixed(1);
  const py = (y: number): string =>
    (margin.top + (1 - (y - view.bottom) / view.extent) * plot.height).toFixed(1);
  const at = (state: Float32Array, n: number): string => `${px(state[2 * n]!)},${py(state[2 * n + 1]!)}`;
  const count = points.length / 2;

  const lines = Array.from({ length: paths.length > 0 ? Math.min(count, 50) : 0 }, (_, n) => {
    return `<polyline points="${[...paths, points].map((state) => at(state, n)).join(' ')}"/>`;
  });
  const dots = Array.from({ length: Math.min(count, 4000) }, (_, n) => {
    return `<circle cx="${px(points[2 * n]!)}" cy="${py(points[2 * n + 1]!)}" r="1.4"/>`;
  });
  const baseline = margin.top + plot.height;
  const xTicks = ticks(view.left, view.extent);
  const yTicks = ticks(view.bottom, view.extent);
  const marks = [
    ...xTicks.map((x) => `M${px(x)} ${baseline}v5`),
    ...yTicks.map((y) => `M${margin.left} ${py(y)}h-5`),
  ];
  const labels = [
    ...xTicks.map(
      (x) => `<text x="${px(x)}" y="${baseline + 20}" text-anchor="middle">${tickLabel(x)}</text>`,
    ),
    ...yTicks.map(
      (y) => `<text x="${margin.left - 9}" y="${py(y)}" dy="4" text-anchor="end">${tickLabel(y)}</text>`,
    ),
  ];
  const frame = `x="${margin.left}" y="${margin.top}" width="${plot.width}" height="${plot.height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}">
  <clipPath id="plot"><rect ${frame}/></clipPath>
  <g clip-path="url(#plot)">
    <g fill="none" stroke="#b2582b" stroke-width="0.5" stroke-opacity="0.3">${lines.join('')}</g>
    <g fill="#08306b" fill-opacity="${count > 1000 ? 0.35 : 0.6}">${dots.join('')}</g>
  </g>
  <g fill="none" stroke="#444"><rect ${frame}/><path d="${marks.join('')}"/></g>
  <g fill="#222" font-family="${typeface}" font-size="13">${labels.join('')}</g>
</svg>`;
}
