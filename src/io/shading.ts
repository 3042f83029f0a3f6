/** The square of the plane that is shown. */
export interface View {
  readonly left: number;
  readonly bottom: number;
  readonly extent: number;
}

/** The square that holds all points, or the central 99.9 % of each coordinate where a few lie far out. */
export function viewOf(points: Float32Array): View {
  const [x, y] = [0, 1].map((axis) => {
    const values = points.filter((value, i) => i % 2 === axis && Number.isFinite(value)).sort();
    const tail = Math.floor(values.length * 0.0005);
    return [values[tail] ?? -1, values[values.length - 1 - tail] ?? 1] as const;
  }) as [readonly [number, number], readonly [number, number]];
  const extent = 1.12 * Math.max(x[1] - x[0], y[1] - y[0], 1e-6);
  return { left: (x[0] + x[1] - extent) / 2, bottom: (y[0] + y[1] - extent) / 2, extent };
}

/** A Gaussian kernel density estimate on bins of the view, row by row from the top, scaled to a maximum of 1. */
export function density(points: Float32Array, { left, bottom, extent }: View, bins: number): Float64Array {
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

/**
 * A density, scaled to a maximum of 1, as RGBA: from nothing over light to deep blue, with a power below one so that weak
 * modes show.
 */
export function shade(values: Float64Array): Uint8Array {
  const rgba = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => {
    const level = value ** 0.7;
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = sparse[c]! + level * (dense[c]! - sparse[c]!);
    rgba[4 * i + 3] = 255 * Math.min(1, 2 * level);
  });
  return new Uint8Array(rgba.buffer);
}
