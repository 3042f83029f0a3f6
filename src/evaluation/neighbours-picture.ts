import { DataError } from '../errors.js';
import { writeImageGrid } from '../io/image.js';
import { isImageShape } from '../shape.js';
import { pathOf, type FilePath } from '../io/path.js';
import type { Neighbours } from './nearest.js';
import { pickPictures, type Samples } from './samples.js';

/** Pairs of a picture. */
const pairs = 32;

/**
 * Writes pairs of pictures as a PNG file: a generated sample and, right of it, the nearest of the reference; the closest pairs of
 * all, from the top left on.
 *
 * @throws DataError for samples that are no pictures, or of other shapes than the reference.
 */
export async function writeNeighbours(
  file: FilePath,
  generated: Samples,
  reference: Samples,
  { samples, nearest, distances }: Neighbours,
): Promise<void> {
  const path = pathOf('path', file);
  const { shape } = generated;
  if (!isImageShape(shape) || shape.join() !== reference.shape.join())
    throw new DataError(
      `A picture of neighbours takes pictures of one shape, not [${shape.join(', ')}] and [${reference.shape.join(', ')}].`,
    );
  const order = Array.from(distances.keys())
    .sort((a, b) => distances[a]! - distances[b]!)
    .slice(0, pairs);
  const own = await pickPictures(
    generated,
    order.map((i) => samples[i]!),
  );
  const others = await pickPictures(
    reference,
    order.map((i) => nearest[i]!),
  );
  const elements = own.length / order.length;
  const all = new Float32Array(2 * own.length);
  for (let i = 0; i < order.length; i++) {
    all.set(own.subarray(i * elements, (i + 1) * elements), 2 * i * elements);
    all.set(others.subarray(i * elements, (i + 1) * elements), (2 * i + 1) * elements);
  }
  await writeImageGrid(
    path,
    { samples: all, shape: [2 * order.length, ...shape], range: [0, 255] },
    { columns: 8 },
  );
}
