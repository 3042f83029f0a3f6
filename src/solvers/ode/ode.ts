import type { Device, Elements } from '../../device/device.js';

/** The arrays of a state in double precision, each row-major [samples, width]. */
export type Blocks = readonly Elements[];

/** dy/dt = f(t, y) for several independent samples at once. */
export interface Ode {
  /** Elements of one sample in each block: the state first, then what is integrated beside it. */
  readonly widths: readonly number[];
  /**
   * Writes f(t, y) into `out`. Row i of every block is sample rows[i], at time t[i]; finished samples have no row.
   * `rows` is the same object as long as the samples are the same. What it asks a device for need not have happened.
   */
  derivative(t: Float64Array, y: Blocks, out: Blocks, rows: Int32Array): void | Promise<void>;
}

/** What follows something that may have to be awaited: at once where it need not be. */
export function after(pending: void | Promise<void>, next: () => void): void | Promise<void> {
  if (pending) return pending.then(next);
  next();
}

/** Blocks of zeros for this many samples. */
export function blocks(device: Device, samples: number, widths: readonly number[]): Blocks {
  return widths.map((width) => device.allocate(samples * width, 'double'));
}

/** `count` rows of every block, from row `first` on, in the same memory. */
export function rowsOf(
  device: Device,
  y: Blocks,
  widths: readonly number[],
  first: number,
  count: number,
): Blocks {
  return y.map((block, b) => device.rows(block, widths[b]!, first, count));
}

/**
 * out <- base + h_i (w_0 k_0 + w_1 k_1 + ...) with a step h_i for row i, in one pass over memory; base is zero where it is
 * left out, and stages of weight 0 are not read.
 */
export function advance(
  device: Device,
  out: Blocks,
  base: Blocks | undefined,
  stages: readonly Blocks[],
  weights: ArrayLike<number>,
  h: Float64Array,
): void {
  const used = stages.map((_, j) => j).filter((j) => weights[j] !== undefined && weights[j] !== 0);
  const row = used.map((j) => weights[j]!);
  const columns = used.length + (base ? 2 : 1);
  const table = new Float64Array(h.length * columns);
  for (let i = 0, at = 0; i < h.length; i++) {
    if (base) table[at++] = 1;
    for (const weight of row) table[at++] = h[i]! * weight;
    at++; // no noise
  }
  out.forEach((block, b) => {
    const operands = used.map((j) => stages[j]![b]!);
    device.affine(block, base ? [base[b]!, ...operands] : operands, table);
  });
}
