import { LoadError } from '../errors.js';

/**
 * The library that encodes and decodes pictures. It costs about 50 ms to load, so only what handles pictures loads it.
 *
 * @throws LoadError where it is not installed.
 */
export async function loadSharp(): Promise<typeof import('sharp').default> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    throw new LoadError(
      'Pictures need the package sharp, which cannot be loaded here. Install it with the optional packages of this system ' +
        '(npm install sharp, without --omit=optional), or write arrays (.npy, .npz).',
      { cause },
    );
  }
}
