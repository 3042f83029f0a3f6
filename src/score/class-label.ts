import { OptionError } from '../errors.js';

/**
 * Throws unless the label is one of the classes of a model, or the one that stands for no class.
 * @param option what the error calls the label
 */
export function checkClassLabel(
  option: string,
  label: number,
  { classes = 0, nullClass }: { readonly classes?: number; readonly nullClass?: number },
): number {
  if (Number.isInteger(label) && ((label >= 0 && label < classes) || label === nullClass)) return label;
  const none = nullClass === undefined ? '' : `, or ${nullClass} for no class`;
  throw new OptionError(option, label, `an integer from 0 to ${classes - 1}${none}`);
}
