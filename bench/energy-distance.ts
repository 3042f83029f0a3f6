/** Directions of the plane over which projections are averaged. */
const DIRECTIONS = 48;

/** Points of the plane as their projections on evenly spaced directions, each in ascending order. */
export type Projections = readonly Float32Array[];

/** @param points [n, 2] */
export function project(points: Float32Array | Float64Array): Projections {
  return Array.from({ length: DIRECTIONS }, (_, k) => {
    const angle = (Math.PI * (k + 0.5)) / DIRECTIONS;
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    return Float32Array.from(
      { length: points.length / 2 },
      (_, i) => x * points[2 * i]! + y * points[2 * i + 1]!,
    ).sort();
  });
}

/** The mean distance of two different points: of |x . w| over directions w, whose mean is 2/pi |x| in the plane. */
export function meanDistance(points: Projections): number {
  return meanOverDirections(points, (values) => {
    const n = values.length;
    const sum = values.reduce((sum, value, i) => sum + (2 * i - n + 1) * value, 0);
    return (2 * sum) / (n * (n - 1));
  });
}

/**
 * The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| of two sets of points, each as a law (a point may meet itself), in
 * O(n log n): on a line it is twice the integral of the squared difference of the distribution functions (Szekely and Rizzo 2013).
 */
export function energyDistance(a: Projections, b: Projections): number {
  return meanOverDirections(a, (values, k) => lineDistance(values, b[k]!));
}

function meanOverDirections(points: Projections, of: (values: Float32Array, k: number) => number): number {
  return ((Math.PI / 2) * points.reduce((sum, values, k) => sum + of(values, k), 0)) / points.length;
}

function lineDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  let at = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const first = j === b.length || (i < a.length && a[i]! <= b[j]!);
    const next = first ? a[i]! : b[j]!;
    if (i + j > 0) sum += (i / a.length - j / b.length) ** 2 * (next - at);
    at = next;
    if (first) i++;
    else j++;
  }
  return 2 * sum;
}
