import type { Elements } from '../device/device.js';
import { multiply } from '../device/linear-algebra.js';
import type { Queue } from '../device/queue.js';
import { blockRows, checkFinite, type Features } from './features.js';

/** Samples whose pairs are compared. */
export interface PointSet {
  /** [count, width], single, in memory of the queue. */
  readonly elements: Elements;
  readonly count: number;
  readonly width: number;
  /** |x|^2; with products of the same order, so that a point is at distance 0 from itself. */
  readonly norms: Float64Array;
}

/** Rows and columns of pairs that are looked at together. */
const tileRows = 512;

/**
 * Samples of these indices, which ascend.
 *
 * @throws DataError for a feature that is NaN or infinite.
 */
export async function pointsOf(queue: Queue, features: Features, indices: Uint32Array): Promise<PointSet> {
  const { width } = features;
  const count = indices.length;
  const elements = queue.allocate(count * width, 'single') as Float32Array;
  for (let row = 0; row < count;) {
    const first = indices[row]!;
    const values = await features.read(first, Math.min(blockRows, features.count - first));
    checkFinite(values, width, first);
    for (; row < count && (indices[row]! - first) * width < values.length; row++) {
      const from = (indices[row]! - first) * width;
      elements.set(values.subarray(from, from + width), row * width);
    }
  }
  const norms = new Float64Array(count);
  const size = 64;
  const tile = queue.allocate(size * size, 'double') as Float64Array;
  for (let row = 0; row < count; row += size) {
    const rows = Math.min(size, count - row);
    const own = queue.rows(elements, width, row, rows);
    multiply(queue, queue.rows(tile, rows, 0, rows), own, own, width, { transposeB: true });
    await queue.settled();
    for (let i = 0; i < rows; i++) norms[row + i] = tile[i * rows + i]!;
  }
  return { elements, count, width, norms };
}

/** A tile of all pairs: the dot products [rows, columns] of points from `row` and from `column` on. */
export interface PairTile {
  readonly products: Float64Array;
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Calls `visit` with the dot products of all pairs, tile by tile, in an order that depends on the numbers of points alone. */
export async function forPairs(
  queue: Queue,
  a: PointSet,
  b: PointSet,
  visit: (tile: PairTile) => void,
  onProgress?: (fraction: number) => void,
): Promise<void> {
  // One tile is made while another is looked at.
  const memory = [0, 1].map(() => queue.allocate(tileRows * tileRows, 'double') as Float64Array);
  const tiles: PairTile[] = [];
  for (let row = 0; row < a.count; row += tileRows)
    for (let column = 0; column < b.count; column += tileRows) {
      const rows = Math.min(tileRows, a.count - row);
      const columns = Math.min(tileRows, b.count - column);
      const products = memory[tiles.length % 2]!.subarray(0, rows * columns);
      tiles.push({ products, row, rows, column, columns });
    }
  const enqueue = (tile: PairTile | undefined): void => {
    if (tile === undefined) return;
    const { products, row, rows, column, columns } = tile;
    const left = queue.rows(a.elements, a.width, row, rows);
    const right = queue.rows(b.elements, b.width, column, columns);
    multiply(queue, products, left, right, a.width, { transposeB: true });
  };
  enqueue(tiles[0]);
  for (const [i, tile] of tiles.entries()) {
    await queue.settled();
    enqueue(tiles[i + 1]);
    visit(tile);
    onProgress?.((i + 1) / tiles.length);
  }
}

/** Puts the squared Euclidean distances of a tile in the place of its products. */
export function toSquaredDistances(
  { products, row, rows, column, columns }: PairTile,
  a: PointSet,
  b: PointSet,
): void {
  for (let i = 0, k = 0; i < rows; i++) {
    const norm = a.norms[row + i]!;
    for (let j = 0; j < columns; j++, k++)
      products[k] = Math.max(0, norm + b.norms[column + j]! - 2 * products[k]!);
  }
}
