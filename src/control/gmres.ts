/** A linear map M of each row, made of two: M w = applied(image of w, w). Vectors of all rows lie one after the other. */
export interface RowMap {
  /** The images of one vector for every row. */
  readonly images: (w: Float64Array) => Promise<Float64Array>;
  /** M w from the images of w. */
  readonly applied: (images: Float64Array, w: Float64Array) => Float64Array;
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
  b: Float64Array,
  rows: number,
  iterations: number,
  { images, applied }: RowMap,
): Promise<Float64Array> {
  const sizes = norms(b, rows);
  const basis = [scaledRows(b, rows, inverses(sizes))];
  const made: Float64Array[] = [];
  /** Of each row, columns of the Hessenberg matrix: M in its space. */
  const columns = Array.from({ length: rows }, (): number[][] => []);
  for (let j = 0; j < iterations; j++) {
    // A complete space goes on with zero, whose image is zero.
    const image = await images(basis[j]!);
    const next = applied(image, basis[j]!);
    const wholes = norms(next, rows);
    const parts = basis.map((vector) => {
      const part = dotRows(vector, next, rows);
      addRows(next, vector, rows, (row) => -part[row]!);
      return part;
    });
    const rests = norms(next, rows).map((rest, row) => (rest > LEAST * wholes[row]! ? rest : 0));
    columns.forEach((own, row) => own.push([...parts.map((part) => part[row]!), rests[row]!]));
    made.push(image);
    basis.push(scaledRows(next, rows, inverses(rests)));
  }
  const weights = columns.map((own, row) => leastSquares(own, sizes[row]!));
  const out = new Float64Array(made[0]!.length);
  made.forEach((image, j) => {
    addRows(out, image, rows, (row) => weights[row]![j]!);
  });
  return out;
}

/** a . b of every row. */
function dotRows(a: Float64Array, b: Float64Array, rows: number): Float64Array {
  const width = a.length / rows;
  const out = new Float64Array(rows);
  for (let row = 0, i = 0; row < rows; row++) {
    let sum = 0;
    for (const end = i + width; i < end; i++) sum += a[i]! * b[i]!;
    out[row] = sum;
  }
  return out;
}

function norms(x: Float64Array, rows: number): Float64Array {
  return dotRows(x, x, rows).map(Math.sqrt);
}

/** 1 / x, and 0 of 0. */
function inverses(x: Float64Array): Float64Array {
  return x.map((value) => (value > 0 ? 1 / value : 0));
}

/** y <- y + factor x in every row. */
function addRows(y: Float64Array, x: Float64Array, rows: number, factor: (row: number) => number): void {
  const width = x.length / rows;
  for (let row = 0, i = 0; row < rows; row++) {
    const f = factor(row);
    for (const end = i + width; i < end; i++) y[i]! += f * x[i]!;
  }
}

/** factor x in every row. */
function scaledRows(x: Float64Array, rows: number, factors: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  addRows(out, x, rows, (row) => factors[row]!);
  return out;
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
