import { OptionError } from '../errors.js';
import { classIn, conditionOf, requireInputs } from './inputs.js';
import type { ScoreModel } from './model.js';

/**
 * Throws unless the label is one of the classes of a model, or the one that stands for no class.
 * @param option what the error calls the label
 */
export function checkClassLabel(
  option: string,
  label: number,
  { classes = 0, nullClass }: Pick<ScoreModel, 'classes' | 'nullClass'>,
): number {
  if (Number.isInteger(label) && ((label >= 0 && label < classes) || label === nullClass)) return label;
  const none = nullClass === undefined ? '' : `, or ${nullClass} for no class`;
  throw new OptionError(option, label, `an integer from 0 to ${classes - 1}${none}`);
}

/**
 * What every sample of a run is given: its class, where the model takes classes and some are given, and its rows of inputs that differ
 * from sample to sample (`inputs.ts`). What comes from here may be given again for some of the samples.
 *
 * @throws OptionError for a label that the model does not know, for labels or rows of inputs that are not one for every sample, and
 *   for an input without a value.
 */
export function checkConditions(
  model: ScoreModel,
  label: number | Int32Array | undefined,
  count: number,
): Int32Array | undefined {
  requireInputs(model);
  const samples = model.inputs?.samples;
  if (samples === undefined) return checkClassLabels(model, label, count);
  if (typeof label === 'object' && label.length === count && label.every((value) => value < 0)) return label;
  const labels = checkClassLabels(model, label, count);
  if (samples !== count) {
    const expected = `rows for all samples or for each of them, which are ${count}`;
    throw new OptionError('inputs', `${samples} rows`, expected);
  }
  return Int32Array.from({ length: count }, (_, i) => conditionOf(i, labels?.[i] ?? 0, samples));
}

function checkClassLabels(
  model: ScoreModel,
  label: number | Int32Array | undefined,
  count: number,
): Int32Array | undefined {
  // A conditional mixture has an unconditional law too; a network without its label refuses by itself.
  if (label === undefined) {
    if (!model.guidance || model.classes === undefined) return undefined;
    const expected = `a class from 0 to ${model.classes - 1}, towards which the model is guided`;
    throw new OptionError('classLabel', label, expected);
  }
  if (model.classes === undefined) {
    const expected = 'left out: this model takes no class label (a classifier can guide it towards one)';
    throw new OptionError('classLabel', label, expected);
  }
  if (typeof label === 'number')
    return new Int32Array(count).fill(checkClassLabel('classLabel', label, model));
  if (!((label as unknown) instanceof Int32Array) || label.length !== count)
    throw new OptionError('classLabel', label, `one class, or an Int32Array of count = ${count} classes`);
  label.forEach((value, i) => checkClassLabel(`classLabel[${i}]`, value, model));
  return label;
}

/** The classes of rows, for what knows nothing of inputs. */
export function classesIn(conditions: Int32Array, samples: number | undefined): Int32Array {
  return samples === undefined ? conditions : conditions.map((value) => classIn(value, samples));
}
