/** The number of elements of an array of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether samples of this shape are pictures: [1 (grey) or 3 (RGB), height, width]. */
export function isImageShape(shape: readonly number[]): shape is readonly [1 | 3, number, number] {
  return shape.length === 3 && (shape[0] === 1 || shape[0] === 3);
}
