import { extname } from 'node:path';
import { checkValues, classesFrom } from '../../data/dataset.js';
import { DataError, OptionError } from '../../errors.js';
import { assertWritable, writeAtomically } from '../../io/atomic.js';
import { decodeNpy, npyPieces, type NdArray } from '../../io/npy.js';
import { decodeNpz, encodeNpz } from '../../io/npz.js';
import { readBytes } from '../../io/read.js';

/** Latent codes [count, ...shape] in the prior's unit, with what else is known of each. */
export interface Latents {
  readonly values: Float32Array | Float64Array;
  readonly shape: readonly number[];
  readonly labels?: Int32Array;
}

/** @throws OptionError for a path whose ending is no form of latent codes; OutputError where nothing can be written there. */
export async function checkLatentsPath(path: string): Promise<void> {
  if (!['.npy', '.npz'].includes(extname(path).toLowerCase())) {
    throw new OptionError('output', path, 'a file ending in .npy or .npz');
  }
  await assertWritable(path);
}

/** Writes codes as .npy, or as .npz with the classes of the data beside them. */
export async function writeLatents(path: string, { values, shape, labels }: Latents): Promise<void> {
  const latents = { data: values, shape };
  const bytes =
    extname(path).toLowerCase() === '.npy'
      ? npyPieces(latents)
      : [encodeNpz({ latents, ...(labels && { labels: { data: labels, shape: [labels.length] } }) })];
  await writeAtomically(path, bytes);
}

/**
 * Reads codes: a .npy file of floats, or an .npz file with the array `latents` and perhaps `labels`.
 *
 * @param expected Shape of one code.
 * @throws DataError for what cannot be read or has another shape.
 */
export async function readLatents(path: string, expected: readonly number[]): Promise<Latents> {
  const bytes = await readBytes(path);
  const arrays: Readonly<Record<string, NdArray>> =
    extname(path).toLowerCase() === '.npz' ? decodeNpz(bytes, path) : { latents: decodeNpy(bytes, path) };
  const { latents, labels } = arrays;
  if (!latents)
    throw new DataError(`${path} holds ${Object.keys(arrays).join(', ')}, and no array "latents".`);
  const { data, shape } = latents;
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw new DataError(`${path} holds integers; latent codes are float32 or float64.`);
  }
  if (shape.slice(1).join() !== expected.join()) {
    const sizes = `[${shape.slice(1).join(', ')}], the model takes [${expected.join(', ')}]`;
    throw new DataError(`${path}: The codes (--latents) have shape ${sizes}.`, { option: 'latents' });
  }
  checkValues(latents, path);
  return {
    values: data,
    shape,
    ...(labels && { labels: classesFrom(labels, shape[0]!, `labels in ${path}`) }),
  };
}
