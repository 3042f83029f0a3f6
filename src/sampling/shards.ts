import { OptionError } from '../errors.js';
import type { Decoder } from '../latent/autoencoder.js';
import { checkInteger } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { recordOfInputs } from '../score/inputs.js';
import { batchesOf, checkPart, chosenBatches, samplesIn, type Range } from '../shards/parts.js';
import { fillFolder, type FolderOptions } from './folder.js';
import { refusePreviews } from './previews.js';
import { planOf, sample, warningsOf, type SampleOptions, type SampleResult } from './sample.js';
import { pathOf, type FilePath } from '../io/path.js';

/** How samples are drawn into a folder. */
export interface ShardsOptions
  extends
    Omit<SampleOptions, 'classLabel' | 'initial' | 'trajectory' | 'preview' | 'previewEvery'>,
    FolderOptions {
  /** Class of every sample, for a model with a class input. */
  readonly classLabel?: number;
  /** Makes the pictures of a model of latents; the arrays are those of the latents. */
  readonly decoder?: Decoder;
}

/** What {@link sampleShards} did, and what the folder now holds. */
export interface ShardsResult extends Pick<
  SampleResult,
  'shape' | 'counts' | 'seconds' | 'options' | 'warnings'
> {
  /** Samples that were there before. */
  readonly found: number;
  /** Samples that other processes drew meanwhile. */
  readonly elsewhere: number;
}

/** Files of a run: its manifest names each. */
const MOST_SHARDS = 1_000_000;

/**
 * Draws samples into a folder, one file for every batch, so that a run which ends early loses no more than a batch:
 * called again with the same options it goes on, and the files get the same bits as without the break.
 *
 * The folder gets `samples-<first>-<last>.npy` (float32 [count, ...shape]), for pictures also a PNG file per sample, and
 * `manifest.json`, or `manifest-<index>-of-<of>.json` for a part. Every file appears whole or not at all. Parts may be
 * drawn at the same time into one folder; {@link mergeShards} joins them.
 *
 * Any number of processes, of one machine or of several that share the folder, may draw the same run or part: each takes a batch
 * that no other has, also those of processes that died, and all return when the last batch is there.
 *
 * @throws OptionError where the folder holds another run; DataError for a damaged manifest; OutputError where a file
 *   cannot be written; and what `sample` throws. Finished batches stay.
 */
export async function sampleShards(
  model: ScoreModel,
  place: FilePath,
  options: ShardsOptions = {},
): Promise<ShardsResult> {
  const folder = pathOf('folder', place);
  const start = performance.now();
  const { shard, batches, decoder, origin = {}, ...sampling } = options;
  const count = checkInteger('count', options.count ?? 16, 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  const batch = Math.min(checkInteger('batch', options.batch ?? 64, 1), count);
  if (shard) checkPart(shard);
  refusePreviews(sampling, 'left out where samples go into a folder');
  if (count > MOST_SHARDS * batch)
    throw new OptionError(
      'count',
      count,
      `at most ${MOST_SHARDS} x batch = ${MOST_SHARDS * batch} in one run`,
    );
  const plan = planOf(model, sampling);
  const { classLabel, seed = 0 } = options;
  const settings = {
    sde: model.sde.name,
    ...(model.guidance && { guidance: model.guidance }),
    ...recordOfInputs(model),
    ...plan.options,
    batch,
    seed,
    ...(classLabel !== undefined && { classLabel }),
  };
  const parts = chosenBatches(batchesOf({ first, count }, batch, shard), batches);
  const checked = checkConditions(model, classLabel, count);
  const conditions = model.inputs && checked;
  const conditionsOf = (part: Range) =>
    conditions && { classLabel: conditions.subarray(part.first - first, part.first - first + part.count) };

  const { signal, onProgress } = sampling;
  const { counts, found, elsewhere } = await fillFolder(model, folder, {
    run: { origin, options: settings, first, count, shape: model.shape },
    ...{ parts, shard, steps: plan.steps, decoder, signal, onProgress },
    draw: (part, onProgress) =>
      sample(model, { ...sampling, ...part, ...conditionsOf(part), batch, onProgress }),
  });
  return {
    shape: [samplesIn(parts), ...model.shape],
    counts,
    seconds: (performance.now() - start) / 1000,
    options: { ...settings, seed: BigInt(seed), first: parts[0]?.first ?? first, count: samplesIn(parts) },
    warnings: warningsOf(model, plan, { classLabel }),
    found,
    elsewhere,
  };
}
