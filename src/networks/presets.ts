import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';
import type { MlpDescription, UNetDescription } from './description.js';

/** A kind of network for samples of one shape, with its sizes; the process and the parameterization are still open. */
export type NetworkSize =
  Pick<MlpDescription, 'kind' | 'shape'> | Pick<UNetDescription, 'kind' | 'shape' | 'channels' | 'stem'>;

/**
 * A network that suits data of this shape on a few processor cores: an MLP for [features], a U-Net for [C, H, W].
 *
 * Pictures up to 32 x 32 of one channel get the network of the embedded conditional model ([32, 80], 0.55 million parameters), others
 * twice as wide ([64, 128]), with a third level of 192 channels from 64 x 64 on.
 *
 * @throws OptionError for another number of dimensions.
 */
export function defaultNetwork(shape: readonly number[]): NetworkSize {
  shape.forEach((size, i) => checkInteger(`shape[${i}]`, size, 1));
  if (shape.length === 1) return { kind: 'mlp', shape };
  const [colors, height, width] = shape;
  if (shape.length !== 3 || colors === undefined || height === undefined || width === undefined) {
    const hint = shape.length === 2 ? `; pictures of one channel have [1, ${shape.join(', ')}]` : '';
    throw new OptionError('shape', shape, `[features] or [channels, height, width]${hint}`);
  }
  const small = colors === 1 && Math.max(height, width) <= 32;
  const widths = small ? [32, 80] : Math.min(height, width) < 64 ? [64, 128] : [64, 128, 192];
  const halves = (size: number): number => (size % 2 === 0 ? 1 + halves(size / 2) : 0);
  const most = Math.min(halves(height), halves(width));
  const stem = most >= 1 ? 2 : 1;
  return { kind: 'unet', shape, channels: widths.slice(0, Math.max(1, most)), stem };
}
