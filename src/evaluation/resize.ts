/**
 * How pictures are scaled to the size that a feature network takes. Features depend on it, so that a network's rule is part of it.
 *
 * - `tf1`: bilinear without a shift of half a pixel and without antialiasing, as TensorFlow 1 and torch-fidelity do;
 * - `clean`: bicubic with antialiasing, clipped to 0..255, as PIL and clean-fid do;
 * - `pytorch`: bilinear with a shift of half a pixel, without antialiasing, as torch.nn.functional.interpolate does.
 */
export type ResizeRule = 'tf1' | 'clean' | 'pytorch';

export const resizeRuleNames: readonly ResizeRule[] = ['tf1', 'clean', 'pytorch'];

/** What an output pixel is along one axis: weights of input pixels from `first` on. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/**
 * Scales pictures along both axes, first across, then down, rounding to single precision after each.
 *
 * @param planes [count, height, width], of values 0..255.
 * @param from Height and width.
 * @param to Height and width.
 * @returns [count, ...to]; a new array, or floats as they are where nothing is to scale.
 */
export function resizePictures(
  planes: Float32Array | Uint8Array,
  from: readonly [number, number],
  to: readonly [number, number],
  rule: ResizeRule,
): Float32Array {
  const [height, width] = from;
  const [toHeight, toWidth] = to;
  const given = planes instanceof Float32Array ? planes : Float32Array.from(planes);
  if (height === toHeight && width === toWidth) return given;
  const wide = width === toWidth ? given : across(given, width, axisTaps(width, toWidth, rule));
  const all = height === toHeight ? wide : down(wide, height, toWidth, axisTaps(height, toHeight, rule));
  return rule === 'clean' ? all.map((value) => Math.min(255, Math.max(0, value))) : all;
}

function across(planes: Float32Array, width: number, taps: readonly Taps[]): Float32Array {
  const rows = planes.length / width;
  const out = new Float32Array(rows * taps.length);
  for (let row = 0, k = 0; row < rows; row++)
    for (const { first, weights } of taps) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * planes[row * width + first + i]!;
      out[k++] = sum;
    }
  return out;
}

function down(planes: Float32Array, height: number, width: number, taps: readonly Taps[]): Float32Array {
  const count = planes.length / (height * width);
  const out = new Float32Array(count * taps.length * width);
  for (let n = 0, k = 0; n < count; n++)
    for (const { first, weights } of taps)
      for (let column = 0; column < width; column++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++)
          sum += weights[i]! * planes[(n * height + first + i) * width + column]!;
        out[k++] = sum;
      }
  return out;
}

function axisTaps(from: number, to: number, rule: ResizeRule): Taps[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    if (rule === 'clean') return bicubic(from, scale, i);
    return linear(from, rule === 'tf1' ? i * scale : Math.max(0, (i + 0.5) * scale - 0.5));
  });
}

/** Between the pixels beside a place; at the last pixel there is none beyond. */
function linear(size: number, place: number): Taps {
  const first = Math.min(size - 1, Math.floor(place));
  return first === size - 1
    ? { first, weights: [1] }
    : { first, weights: [1 - (place - first), place - first] };
}

/** Keys' kernel with a = -1/2, widened by the scale where the picture shrinks. */
function bicubic(size: number, scale: number, i: number): Taps {
  const stretch = Math.max(1, scale);
  const centre = (i + 0.5) * scale;
  const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
  const end = Math.min(size, Math.trunc(centre + 2 * stretch + 0.5));
  const weights = Array.from({ length: end - first }, (_, k) => keys((first + k - centre + 0.5) / stretch));
  const sum = weights.reduce((a, b) => a + b, 0);
  return { first, weights: weights.map((weight) => weight / sum) };
}

function keys(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
