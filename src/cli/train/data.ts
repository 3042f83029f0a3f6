import type { Dataset } from '../../data/dataset.js';
import { loadData } from '../../data/load.js';
import { defined } from '../../options.js';
import { momentsOf, splitData } from '../../training/recipe.js';
import { warn } from '../shared/terminal.js';
import type { TrainConfig } from './config.js';

/** The folder of snapshots within that of a run. */
export const SNAPSHOTS = 'snapshots';

/** What a run trains on, and what its loss is measured on. */
export async function openSets(
  config: TrainConfig,
  signal: AbortSignal,
  { quiet }: { readonly quiet: boolean },
): Promise<{ trained: Dataset; heldOut?: Dataset }> {
  const { data = '', split = 'train', dataLabels, resize, channels, skipCorrupted } = config;
  const set = await loadData(data, {
    split,
    signal,
    ...defined({ labels: dataLabels, size: resize, channels }),
    ...(skipCorrupted && { onCorrupted: () => undefined }),
  });
  if (!quiet) warn([...(set.warnings ?? []), ...scaleWarnings(data, set)]);
  return splitData(set, config.holdOut);
}

/** Points have to fit between the least and the largest noise of the SDEs. */
function scaleWarnings(name: string, { data, shape }: Dataset): string[] {
  if (shape.length !== 2 || !(data instanceof Float32Array)) return [];
  const { mean, std } = momentsOf(data);
  if (std >= 0.1 && Math.abs(mean) + std <= 10) return [];
  return [
    `${name} has mean ${mean} and standard deviation ${std} over all values; scale each feature to about 0 and 1, ` +
      'for which the noise is meant.',
  ];
}
