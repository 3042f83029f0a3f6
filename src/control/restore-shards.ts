import { join } from 'node:path';
import { writeAtomically } from '../io/atomic.js';
import { writeImageFolder } from '../io/image.js';
import { encodeNpy } from '../io/npy.js';
import { loadSharp } from '../io/sharp.js';
import type { ScoreModel } from '../score/model.js';
import { completeShards } from '../shards/complete.js';
import { isPictureOf, manifestName, recordedRun, sha256, shardName } from '../shards/manifest.js';
import { batchesOf } from '../shards/parts.js';
import { elementCount, isImageShape } from '../shape.js';
import { evaluationsOf, noCounts } from '../solvers/counts.js';
import { pathOf, type FilePath } from '../io/path.js';
import { randomVector, type Known, type Measurement } from './measurement.js';
import { isLinear, type Operator } from './operator.js';
import type { RestoreOptions } from './restore-options.js';
import { prepareRestore, type RestoreResult } from './restore.js';

/** How restorations are drawn into a folder. */
export interface RestoreShardsOptions extends RestoreOptions {
  /** Facts about the model for the manifest. A run that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>> | undefined;
}

/** What {@link restoreShards} did, and what the folder now holds. */
export interface RestoreShardsResult extends Omit<RestoreResult, 'samples'> {
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
  const { origin = {}, ...rest } = options;
  const job = await prepareRestore(model, measurement, rest);
  const { count, first, most, labels } = job;
  const run = recordedRun({
    origin,
    options: {
      ...job.options,
      measured: await fingerprint(job.known),
      ...(labels && { labels: sha256(labels) }),
    },
    ...{ first, count, shape: model.shape },
  });
  const parts = batchesOf({ first, count }, most);
  const isPicture = isImageShape(model.shape);
  if (isPicture) await loadSharp();
  const { shards, found, elsewhere } = await completeShards(folder, {
    ...{ run, parts, isPictureOf },
    manifest: manifestName(undefined),
    signal: options.signal,
    onWait: ({ done, open }) => options.onProgress?.({ fraction: done / open, count: open }),
    async draw(part, { done, open }) {
      const drawn = await job.draw(part.first - first, part.count, (fraction) =>
        options.onProgress?.({ fraction: (done + fraction * part.count) / open, count: open }),
      );
      const shape = [part.count, ...model.shape];
      const samples = Float32Array.from(drawn.samples);
      if (isPicture)
        await writeImageFolder(folder, { samples, shape, range: model.sde.dataRange }, part.first);
      const bytes = encodeNpy({ data: samples, shape });
      const file = shardName(part);
      await writeAtomically(join(folder, file), bytes);
      const { counts, effectiveSampleSize, logEvidence } = drawn;
      return {
        ...{ file, ...part, sha256: sha256(bytes), counts },
        ...(logEvidence && {
          particles: {
            effectiveSampleSize: Array.from(effectiveSampleSize!),
            logEvidence: Array.from(logEvidence),
          },
        }),
      };
    },
  });
  const made = parts.map((part) => shards.get(part.first)!);
  const figures = made.flatMap(({ particles }) => (particles ? [particles] : []));
  return {
    shape: [count, ...model.shape],
    counts: made.reduce(
      (most, { counts }) => (evaluationsOf(counts) > evaluationsOf(most) ? counts : most),
      noCounts(),
    ),
    seconds: (performance.now() - began) / 1000,
    ...(figures.length > 0 && {
      effectiveSampleSize: Float64Array.from(figures.flatMap((part) => part.effectiveSampleSize)),
      logEvidence: Float64Array.from(figures.flatMap((part) => part.logEvidence)),
    }),
    options: job.options,
    warnings: job.warnings,
    ...{ found, elsewhere },
  };
}

/** Of what was measured, and of the operator by its image of a random vector. */
async function fingerprint({ operator, of, count }: Known<Operator>): Promise<string> {
  const x = randomVector(elementCount(operator.shape), 0);
  const image = isLinear(operator) ? operator.apply(x) : await operator.images(x);
  const values = Array.from({ length: count }, (_, i) => sha256(of(i)));
  return sha256(new TextEncoder().encode([sha256(Float64Array.from(image)), ...values].join()));
}
