/**
 * Which samples of a set stand for all of it, and how a set is divided into parts: evenly along its order, and irregularly within a
 * few consecutive samples, since data sets alternate. (Of MNIST, samples of even and of odd index are from different writers.)
 */

/** A number below `most` that belongs to a place. */
function scattered(place: number, most: number): number {
  let x = Math.imul(place + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) % most;
}

/** The part, below `parts`, that a sample is in; of `parts` consecutive ones each part gets one. */
export function samplePart(index: number, parts: number): number {
  return (index + scattered(Math.floor(index / parts), parts)) % parts;
}

/** Indices, ascending, of at most `most` of `count` samples; those of the parts 0 to parts - 1 are disjoint. */
export function chooseSamples(count: number, most: number, part = 0, parts = 1): Uint32Array {
  const chosen = Math.min(most, Math.floor(count / parts));
  return Uint32Array.from({ length: chosen }, (_, i) => {
    const start = Math.floor((i * count) / chosen);
    const size = Math.floor(((i + 1) * count) / chosen) - start;
    return start + ((part * Math.floor(size / parts) + scattered(i, size)) % size);
  });
}
