import { OptionError } from '../errors.js';
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
 * The class of every sample, where the model takes classes and some are given.
 * @throws OptionError for a label that the model does not know, and for labels that are not one for every sample.
 */
export function checkClassLabels(
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
  if (label.length !== count)
    throw new OptionError('classLabel', label, `one class, or an Int32Array of count = ${count} classes`);
  label.forEach((value, i) => checkClassLabel(`classLabel[${i}]`, value, model));
  return label;
}
