import type { TensorInfo } from './model.js';

/** The sizes of a tensor as a file has them: numbers, symbols such as "N", or "" where nothing is known. */
export type Sizes = readonly (number | string)[];

/** Whether a shape is one that these sizes allow, which say nothing where they are no numbers. */
export function isWithin(shape: readonly unknown[], sizes: Sizes): boolean {
  return (
    shape.length === sizes.length && sizes.every((size, i) => typeof size === 'string' || size === shape[i])
  );
}

/** Sizes as messages have them, such as [N, 3, ?]. */
export function shownSizes(sizes: Sizes): string {
  return `[${sizes.map((size) => (size === '' ? '?' : size)).join(', ')}]`;
}

/** Type and sizes of a tensor as messages have them, such as float32[N, 77, 768]. */
export function shownTensor({ type, shape }: Pick<TensorInfo, 'type' | 'shape'>): string {
  return `${type}${shape ? shownSizes(shape) : ''}`;
}
