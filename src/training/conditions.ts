import { DataError, OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';
import type { Tensor } from '../onnx/run/runtime.js';
import { classTensor } from '../score/network/feeds.js';
import type { TrainedNetwork } from './criterion.js';
import type { TrainingAddress } from './times.js';

/** What a network takes beside the state and the time while it is trained. */
export interface ConditionOptions {
  /** Probability with which a label becomes the network's label for no class (Ho and Salimans 2022); default 0. */
  readonly dropLabels?: number;
  /** Probability of dropout, for a network with mask inputs. Default: what its file says. */
  readonly dropout?: number;
}

/** Inputs whose names start so are masks of dropout: 0, or 1 / (1 - p), for each element. */
export const DROPOUT = 'dropout.';

/** The tensor of the class input for some rows, or nothing where there is no such input. */
export function classFeeds(
  { roles: { class: info }, description: { classes, nullClass } }: TrainedNetwork,
  { dropLabels = 0 }: ConditionOptions,
): (rows: number, labels: Int32Array | undefined, address: TrainingAddress) => Record<string, Tensor> {
  checkProbability('dropLabels', dropLabels);
  if (dropLabels > 0 && nullClass === undefined) {
    throw new OptionError('dropLabels', dropLabels, '0: the network has no class label that stands for none');
  }
  if (info === undefined || classes === undefined) return () => ({});
  return (rows, labels, { seed, step, first }) => {
    const chosen = checkLabels(labels, rows, classes, nullClass).slice();
    if (dropLabels > 0) {
      const u = new Float32Array(rows);
      const noise = { seed, samples: first, step, stream: Stream.augmentation, substep: 1 };
      fillUniform(u, rows, noise);
      for (let i = 0; i < rows; i++) if (u[i]! < dropLabels) chosen[i] = nullClass!;
    }
    return { [info.name]: classTensor(info, chosen, classes) };
  };
}

/** @throws DataError where labels are missing or are no classes of the network. */
export function checkLabels(
  labels: Int32Array | undefined,
  rows: number,
  classes: number,
  nullClass?: number,
): Int32Array {
  if (labels?.length !== rows) {
    throw new DataError('The network takes a class label for every sample, and the data have none.', {
      option: 'labels',
      value: labels,
    });
  }
  const wrong = labels.findIndex((label) => !(label >= 0 && label < classes) && label !== nullClass);
  if (wrong < 0) return labels;
  throw new DataError(
    `The label ${labels[wrong]!} of row ${wrong} is not a class from 0 to ${classes - 1}, the network's.`,
    { option: 'labels', value: labels[wrong] },
  );
}

/** @throws OptionError */
export function checkProbability(option: string, value: number): void {
  if (value >= 0 && value < 1) return;
  throw new OptionError(option, value, 'a probability from 0 to below 1');
}
