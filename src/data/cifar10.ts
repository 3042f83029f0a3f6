import { DataError } from '../errors.js';
import type { Dataset } from './dataset.js';

const pixels = 3 * 32 * 32;

/**
 * Reads a batch file of CIFAR-10 in its binary version (`data_batch_1.bin`, ...): records of a class and 3072 bytes of an
 * RGB image, channel by channel.
 *
 * @param name How errors call the file.
 * @throws DataError where the bytes are not whole records with classes from 0 to 9.
 */
export function decodeCifar10(file: Uint8Array, name = 'The CIFAR-10 file'): Dataset {
  const count = file.length / (1 + pixels);
  const data = new Uint8Array(Math.floor(count) * pixels);
  const labels = new Int32Array(Math.floor(count));
  for (let n = 0; n < labels.length; n++) {
    const record = file.subarray(n * (1 + pixels), (n + 1) * (1 + pixels));
    labels[n] = record[0]!;
    data.set(record.subarray(1), n * pixels);
  }
  if (labels.length === 0 || !Number.isInteger(count) || labels.some((label) => label > 9)) {
    throw new DataError(
      `${name} is not a CIFAR-10 file of the binary version: records of 3073 bytes expected.`,
    );
  }
  return { data, shape: [labels.length, 3, 32, 32], labels };
}
