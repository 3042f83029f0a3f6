import { OptionError } from '../errors.js';
import { checkInteger } from '../options.js';
import type { ScoreModel } from '../score/model.js';

/** The seed as the noise address takes it. */
export function seedOf(seed: bigint | number): bigint {
  if (typeof seed === 'number' ? Number.isSafeInteger(seed) && seed >= 0 : seed >= 0n && seed < 1n << 64n)
    return BigInt(seed);
  throw new OptionError('seed', seed, 'an integer from 0 to 2^64 - 1 (above 2^53 as a bigint)');
}

/** One class for every sample, where the model takes classes. */
export function labelsOf(
  { classes }: ScoreModel,
  label: number | Int32Array | undefined,
  count: number,
): Int32Array | undefined {
  if (classes === undefined) {
    if (label === undefined) return undefined;
    throw new OptionError('classLabel', label, 'left out: this model takes no class label');
  }
  // A conditional mixture has an unconditional law too; a network without its label refuses by itself.
  if (label === undefined) return undefined;
  const labels =
    typeof label === 'number'
      ? new Int32Array(count).fill(checkInteger('classLabel', label, 0, classes - 1))
      : label;
  if (labels.length !== count)
    throw new OptionError('classLabel', labels, `one class, or an Int32Array of count = ${count} classes`);
  labels.forEach((value, i) => checkInteger(`classLabel[${i}]`, value, 0, classes - 1));
  return labels;
}
