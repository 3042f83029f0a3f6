import { fillFolder, type FolderOptions } from '../sampling/folder.js';
import { refusePreviews } from '../sampling/previews.js';
import type { ScoreModel } from '../score/model.js';
import { sha256 } from '../shards/manifest.js';
import { batchesOf, checkPart, chosenBatches, samplesIn } from '../shards/parts.js';
import { elementCount } from '../shape.js';
import { pathOf, type FilePath } from '../io/path.js';
import { randomVector, type Known, type Measurement } from './measurement.js';
import { isLinear, type Operator } from './operator.js';
import type { RestoreOptions } from './restore-options.js';
import { prepareRestore, type RestoreResult } from './restore.js';

/** How restorations are drawn into a folder. */
export interface RestoreShardsOptions
  extends Omit<RestoreOptions, 'trajectory' | 'preview' | 'previewEvery'>, FolderOptions {}

/** What {@link restoreShards} did, and what the folder now holds. */
export interface RestoreShardsResult extends Omit<RestoreResult, 'samples' | 'trajectory'> {
  /** Samples that were there before. */
  readonly found: number;
  /** Samples that other processes drew meanwhile. */
  readonly elsewhere: number;
}

/**
 * As {@link restore}, with a file in a folder for every batch, so that a run which ends early loses no more than a batch: called
 * again with the same measurements and options it goes on, and the files get the same bits as without the break. Any number of
 * processes may do one run, and the folder is read and merged, as that of `sampleShards`.
 *
 * @throws DataError where the folder holds another run; OutputError where a file cannot be written; and what `restore` throws.
 */
export async function restoreShards(
  model: ScoreModel,
  measurement: Measurement,
  place: FilePath,
  options: RestoreShardsOptions = {},
): Promise<RestoreShardsResult> {
  const folder = pathOf('folder', place);
  const began = performance.now();
  const { origin = {}, shard, batches, ...rest } = options;
  if (shard) checkPart(shard);
  refusePreviews(rest, 'left out where samples go into a folder');
  const job = await prepareRestore(model, measurement, rest);
  const { count, first, most, labels } = job;
  const parts = chosenBatches(batchesOf({ first, count }, most, shard), batches);
  const { signal, onProgress } = rest;
  const { shards, ...filled } = await fillFolder(model, folder, {
    run: {
      origin,
      options: {
        ...job.options,
        measured: await fingerprint(job.known),
        ...(labels && { labels: sha256(labels) }),
      },
      ...{ first, count, shape: model.shape },
    },
    ...{ parts, shard, steps: job.previews.steps, signal, onProgress },
    async draw(part, onProgress) {
      const { samples, counts, ...figures } = await job.draw(part.first - first, part.count, onProgress);
      const { effectiveSampleSize, logEvidence } = figures;
      const particles = logEvidence && {
        effectiveSampleSize: Array.from(effectiveSampleSize!),
        logEvidence: Array.from(logEvidence),
      };
      return { samples, counts, ...(particles && { particles }) };
    },
  });
  const figures = shards.flatMap(({ particles }) => (particles ? [particles] : []));
  return {
    shape: [samplesIn(parts), ...model.shape],
    seconds: (performance.now() - began) / 1000,
    ...(figures.length > 0 && {
      effectiveSampleSize: Float64Array.from(figures.flatMap((part) => part.effectiveSampleSize)),
      logEvidence: Float64Array.from(figures.flatMap((part) => part.logEvidence)),
    }),
    options: { ...job.options, first: parts[0]?.first ?? first, count: samplesIn(parts) },
    warnings: job.warnings,
    ...filled,
  };
}

/** Of what was measured, and of the operator by its image of a random vector. */
async function fingerprint({ operator, of, count }: Known<Operator>): Promise<string> {
  const x = randomVector(elementCount(operator.shape), 0);
  const image = isLinear(operator) ? operator.apply(x) : await operator.images(x);
  const values = Array.from({ length: count }, (_, i) => sha256(of(i)));
  return sha256(new TextEncoder().encode([sha256(Float64Array.from(image)), ...values].join()));
}
