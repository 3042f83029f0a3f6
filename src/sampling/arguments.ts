import { OptionError } from '../errors.js';
import { checkClassLabel } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';

/** The seed as the noise address takes it. */
export function seedOf(seed: bigint | number): bigint {
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return BigInt(seed);
  if (typeof seed === 'bigint' && BigInt.asUintN(64, seed) === seed) return seed;
  throw new OptionError('seed', seed, 'an integer from 0 to 2^64 - 1 (above 2^53 as a bigint)');
}

/** One class for every sample, where the model takes classes. */
export function labelsOf(
  model: ScoreModel,
  label: number | Int32Array | undefined,
  count: number,
): Int32Array | undefined {
  if (model.classes === undefined) {
    if (label === undefined) return undefined;
    throw new OptionError('classLabel', label, 'left out: this model takes no class label');
  }
  // A conditional mixture has an unconditional law too; a network without its label refuses by itself.
  if (label === undefined) return undefined;
  const labels =
    typeof label === 'number'
      ? new Int32Array(count).fill(checkClassLabel('classLabel', label, model))
      : label;
  if (labels.length !== count)
    throw new OptionError('classLabel', labels, `one class, or an Int32Array of count = ${count} classes`);
  labels.forEach((value, i) => checkClassLabel(`classLabel[${i}]`, value, model));
  return labels;
}
