import { join } from 'node:path';
import { OptionError } from '../errors.js';
import { writeAtomically } from '../io/atomic.js';
import { writeImageFolder } from '../io/image.js';
import { encodeNpy } from '../io/npy.js';
import { loadSharp } from '../io/sharp.js';
import type { Decoder } from '../latent/autoencoder.js';
import { checkInteger } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { recordOfInputs } from '../score/inputs.js';
import { isImageShape } from '../shape.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import { isPictureOf, manifestName, recordedRun, sha256, shardName } from '../shards/manifest.js';
import { batchesOf, checkPart, chosenBatches, samplesIn, type Part, type Range } from '../shards/parts.js';
import { planOf, sample, warningsOf, type SampleOptions, type SampleResult } from './sample.js';
import { completeShards } from '../shards/complete.js';
import { pathOf, type FilePath } from '../io/path.js';

/** How samples are drawn into a folder. */
export interface ShardsOptions extends Omit<
  SampleOptions,
  'classLabel' | 'initial' | 'trajectory' | 'preview' | 'previewEvery'
> {
  /** Class of every sample, for a model with a class input. */
  readonly classLabel?: number;
  /** Draw only part `index`, from 0, of `of` nearly equal parts, cut between batches. Default: all. */
  readonly shard?: Part;
  /** Draw only these batches of the run, by their number from 0, for who divides the work. Default: all that are missing. */
  readonly batches?: readonly number[];
  /** Makes the pictures of a model of latents; the arrays are those of the latents. */
  readonly decoder?: Decoder;
  /** Facts about the model for the manifest. A run that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>>;
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
  const run = recordedRun({ origin, options: settings, first, count, shape: model.shape });
  const parts = chosenBatches(batchesOf({ first, count }, batch, shard), batches);
  const checked = checkConditions(model, classLabel, count);
  const conditions = model.inputs && checked;
  const conditionsOf = (part: Range) =>
    conditions && { classLabel: conditions.subarray(part.first - first, part.first - first + part.count) };

  if (decoder) await decoder.pictureShape(model.shape);
  if (decoder || isImageShape(model.shape)) await loadSharp();
  const { shards, found, elsewhere } = await completeShards(folder, {
    run,
    parts,
    manifest: manifestName(shard),
    isPictureOf,
    signal: sampling.signal,
    onWait: ({ done, open }) => {
      sampling.onProgress?.({ done, count: open, step: 0, steps: plan.steps, fraction: done / open });
    },
    draw: async (part, { done, open }) => {
      const { samples, shape, counts } = await sample(model, {
        ...sampling,
        ...part,
        ...conditionsOf(part),
        batch,
        onProgress({ step, steps, fraction }) {
          const share = (done + fraction * part.count) / open;
          sampling.onProgress?.({ done, count: open, step, steps, fraction: share });
        },
      });
      if (decoder) {
        const pictures = await decoder.decode(samples, shape, { signal: sampling.signal });
        await writeImageFolder(folder, pictures, part.first);
      } else if (isImageShape(model.shape))
        await writeImageFolder(folder, { samples, shape, range: model.sde.dataRange }, part.first);
      const bytes = encodeNpy({ data: samples, shape });
      const file = shardName(part);
      await writeAtomically(join(folder, file), bytes);
      return { file, ...part, sha256: sha256(bytes), counts };
    },
  });
  return {
    shape: [samplesIn(parts), ...model.shape],
    counts: parts.map((part) => shards.get(part.first)!.counts).reduce(larger, noCounts()),
    seconds: (performance.now() - start) / 1000,
    options: { ...settings, seed: BigInt(seed), first: parts[0]?.first ?? first, count: samplesIn(parts) },
    warnings: warningsOf(model, plan, { classLabel }),
    found,
    elsewhere,
  };
}

function larger(a: Counts, b: Counts): Counts {
  return evaluationsOf(a) >= evaluationsOf(b) ? a : b;
}
