import { join } from 'node:path';
import { writeAtomically } from '../io/atomic.js';
import { OptionError } from '../errors.js';
import { manifestName, readShard, recordedRun, sha256, shardName } from '../shards/manifest.js';
import { batchesOf, chosenBatches } from '../shards/parts.js';
import { completeShards } from '../shards/complete.js';
import type { ScoreModel } from '../score/model.js';
import { pathOf, type FilePath } from '../io/path.js';
import type { Data } from './data-space.js';
import type { LikelihoodOptions } from './job.js';
import { prepareLikelihood } from './likelihood.js';
import { joinPasses, runPasses, type Passes } from './passes.js';
import { decodePasses, encodePasses } from './passes-file.js';
import { resolvedOptions, summarise, type LikelihoodResult } from './summary.js';

/** How likelihoods are computed into a folder. */
export interface LikelihoodShardsOptions extends Omit<LikelihoodOptions, 'latents'> {
  /** Do only these batches of the run, by their number from 0: the figures are then theirs. Default: all that are missing. */
  readonly batches?: readonly number[];
  /** Facts about the model for the manifest. A run that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>>;
}

/** The figures of all samples, and who found them. */
export interface LikelihoodShardsResult extends LikelihoodResult {
  /** Samples whose figures were there before. */
  readonly found: number;
  /** Samples that other processes did meanwhile. */
  readonly elsewhere: number;
}

/**
 * As {@link likelihood}, with a file in a folder for every batch, so that a run which ends early loses no more than a batch:
 * called again with the same data and options it goes on, and the figures have the same bits as without the break. Any number of
 * processes may do one run, as in `sampleShards`.
 *
 * The folder gets `likelihood-<first>-<last>.npz` (what each pass found) and `manifest.json`.
 *
 * @throws DataError where the folder holds another run; OutputError where a file cannot be written; and what `likelihood` throws.
 */
export async function likelihoodShards(
  model: ScoreModel,
  data: Data,
  place: FilePath,
  options: LikelihoodShardsOptions = {},
): Promise<LikelihoodShardsResult> {
  const folder = pathOf('folder', place);
  const began = performance.now();
  const { origin = {}, batches, ...rest } = options;
  if ('latents' in rest) throw new OptionError('latents', rest.latents, 'left out: a folder keeps none');
  const { job, derivative } = await prepareLikelihood(model, data, rest);
  const { first, count, batch } = job;
  const run = recordedRun({
    contents: 'likelihood',
    origin,
    options: {
      ...resolvedOptions(model, derivative, job),
      data: sha256(data),
      ...(job.labels && { labels: sha256(job.labels) }),
    },
    first,
    count,
    shape: model.shape,
  });
  const parts = chosenBatches(batchesOf({ first, count }, batch), batches);
  const report = (done: number, time: number, fraction: number): void => {
    options.onProgress?.({ done, count, time, fraction });
  };
  const { shards, found, elsewhere } = await completeShards(folder, {
    run,
    parts,
    manifest: manifestName(undefined),
    signal: options.signal,
    onWait: ({ done, open }) => {
      report(count - open + done, model.sde.T, done / open);
    },
    draw: async (part, { done, open }) => {
      const start = part.first - first;
      const range = { start, end: start + part.count };
      const passes = await runPasses(model, derivative, data, range, job, (time, share) => {
        report(count - open + done, time, (done + share * part.count) / open);
      });
      const bytes = encodePasses(passes);
      const file = shardName(part, 'likelihood');
      await writeAtomically(join(folder, file), bytes);
      const { counts } = summarise(model, derivative, job, passes);
      return { file, ...part, sha256: sha256(bytes), counts };
    },
  });
  const pieces: Passes[] = [];
  for (const part of parts) {
    const shard = shards.get(part.first)!;
    pieces.push(decodePasses(await readShard(folder, shard), shard.file));
  }
  return {
    ...summarise(model, derivative, job, joinPasses(pieces)),
    seconds: (performance.now() - began) / 1000,
    found,
    elsewhere,
  };
}
