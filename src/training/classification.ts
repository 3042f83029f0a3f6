import { ModelError, OptionError } from '../errors.js';
import { trainingGraphOf } from '../autodiff/training.js';
import { checkLabels } from './conditions.js';
import { rowTensor, type Criterion, type TrainedNetwork } from './criterion.js';
import type { WeightingOptions } from './weighting.js';

/** The input of the classes that a classifier should tell. */
const LABELS = 'labels';

/** Cross-entropy of a classifier p(y | x_t, t), every time alike (Song et al. 2021, appendix I). */
export function classification(
  { model, roles: { output } }: TrainedNetwork,
  { weighting }: WeightingOptions,
): Criterion {
  if (weighting !== undefined) {
    throw new OptionError(
      'weighting',
      weighting,
      'left out: a classifier has no score whose error could be weighted',
    );
  }
  const classes = output.shape?.[1];
  if (output.shape?.length !== 2 || typeof classes !== 'number') {
    throw new ModelError(
      `The output "${output.name}" of a classifier has shape [N, classes], not [${output.shape?.join(', ') ?? '?'}].`,
    );
  }
  return {
    classes,
    trainingGraph(parameters, form) {
      const loss = { kind: 'cross-entropy', output: output.name, labels: LABELS, weight: 'weight' } as const;
      return trainingGraphOf(model, { loss, parameters }, form);
    },
    feeds(points, { labels }) {
      const checked = checkLabels(labels, points.length, classes);
      return {
        [LABELS]: { data: BigInt64Array.from(checked, BigInt), dims: [points.length] },
        weight: rowTensor(points, ({ weight }) => weight),
      };
    },
  };
}
