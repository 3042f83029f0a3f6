import { dot } from './measurement.js';

/** A linear map M of each row, made of two: M w = applied(image of w, w). */
export interface RowMap {
  /** The images of one vector for every row. */
  images(vectors: readonly Float64Array[]): Promise<readonly Float64Array[]>;
  /** M w from the image of w. */
  applied(image: Float64Array, w: Float64Array): Float64Array;
}

/** A row's Krylov space: an orthonormal basis with its images, and M in it. */
interface Krylov {
  readonly size: number;
  readonly basis: Float64Array[];
  readonly images: Float64Array[];
  /** Columns of the Hessenberg matrix. */
  readonly columns: number[][];
}

/** What is left of a vector below this share of it is rounding: the space is complete. */
const LEAST = 1e-10;

/**
 * The images of the solutions u of M u = b, for several rows at once, each in a space of its own (GMRES, Saad and Schultz 1986, from
 * zero and without restarts): u minimises |b - M u| over the span of b, M b, M^2 b and so on.
 *
 * @param iterations dimensions of that span.
 */
export async function minimalResiduals(
  b: readonly Float64Array[],
  iterations: number,
  { images, applied }: { images: RowMap['images']; applied: RowMap['applied'] },
): Promise<Float64Array[]> {
  const spaces = b.map((vector): Krylov => {
    const size = Math.sqrt(dot(vector, vector));
    return { size, basis: [vector.map((value) => (size > 0 ? value / size : 0))], images: [], columns: [] };
  });
  for (let j = 0; j < iterations; j++) {
    // A complete space goes on with zero, whose image is zero.
    const made = await images(spaces.map(({ basis }) => basis[j]!));
    spaces.forEach((space, row) => {
      const { basis } = space;
      const image = made[row]!;
      const next = applied(image, basis[j]!);
      const whole = Math.sqrt(dot(next, next));
      const column = basis.map((vector) => {
        const part = dot(vector, next);
        for (let i = 0; i < next.length; i++) next[i]! -= part * vector[i]!;
        return part;
      });
      const rest = Math.sqrt(dot(next, next));
      const isOver = !(rest > LEAST * whole);
      space.images.push(image);
      space.columns.push([...column, isOver ? 0 : rest]);
      basis.push(next.map((value) => (isOver ? 0 : value / rest)));
    });
  }
  return spaces.map((space) => {
    const weights = leastSquares(space.columns, space.size);
    const out = new Float64Array(space.images[0]!.length);
    space.images.forEach((image, j) => {
      for (let i = 0; i < out.length; i++) out[i]! += weights[j]! * image[i]!;
    });
    return out;
  });
}

/** The c that minimise |size e_1 - H c| for a Hessenberg matrix, by Givens rotations; 0 along columns of zeros. */
function leastSquares(columns: readonly (readonly number[])[], size: number): number[] {
  const R = columns.map((column) => column.slice());
  const right = [size, ...columns.map(() => 0)];
  const turned = (column: number[], j: number, cosine: number, sine: number): void => {
    const [a, b] = [column[j]!, column[j + 1]!];
    column[j] = cosine * a + sine * b;
    column[j + 1] = cosine * b - sine * a;
  };
  R.forEach((column, j) => {
    const radius = Math.hypot(column[j]!, column[j + 1]!);
    if (radius === 0) return;
    const [cosine, sine] = [column[j]! / radius, column[j + 1]! / radius];
    for (const later of R.slice(j)) turned(later, j, cosine, sine);
    turned(right, j, cosine, sine);
  });
  const c = columns.map(() => 0);
  for (let j = c.length - 1; j >= 0; j--) {
    let sum = right[j]!;
    for (let k = j + 1; k < c.length; k++) sum -= R[k]![j]! * c[k]!;
    c[j] = R[j]![j] === 0 ? 0 : sum / R[j]![j]!;
  }
  return c;
}
