import { join } from 'node:path';
import { writeAtomically } from '../io/atomic.js';
import { writeImageFolder } from '../io/image.js';
import { encodeNpy } from '../io/npy.js';
import { loadSharp } from '../io/sharp.js';
import type { Decoder } from '../latent/autoencoder.js';
import type { ScoreModel } from '../score/model.js';
import { completeShards } from '../shards/complete.js';
import {
  isPictureOf,
  manifestName,
  recordedRun,
  sha256,
  shardName,
  type Run,
  type Shard,
} from '../shards/manifest.js';
import type { Part, Range } from '../shards/parts.js';
import { elementCount, isImageShape } from '../shape.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import type { Progress } from './previews.js';

/** Which samples of a run a folder is to get, of all that it may hold. */
export interface FolderOptions {
  /** Draw only part `index`, from 0, of `of` nearly equal parts, cut between batches. Default: all. */
  readonly shard?: Part | undefined;
  /** Draw only these batches of the run, by their number from 0, for who divides the work. Default: all that are missing. */
  readonly batches?: readonly number[] | undefined;
  /** Facts about the model for the manifest. A run that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>> | undefined;
}

/** A run whose batches go into a folder. */
export interface FolderRun {
  readonly run: Run;
  readonly parts: readonly Range[];
  readonly shard?: Part | undefined;
  /** Steps of a batch. */
  readonly steps: number;
  /** Makes the pictures of a model of latents. */
  readonly decoder?: Decoder | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Draws a batch, of which `onProgress` is told the way. */
  readonly draw: (
    part: Range,
    onProgress: (progress: Progress) => void,
  ) => Promise<{ readonly samples: ArrayLike<number> } & Pick<Shard, 'counts' | 'particles'>>;
}

/** What a folder holds of the parts that were asked for. */
export interface Filled {
  readonly shards: readonly Shard[];
  /** Evaluations of the sample that took the most. */
  readonly counts: Counts;
  /** Samples that were there before. */
  readonly found: number;
  /** Samples that other processes drew meanwhile. */
  readonly elsewhere: number;
}

/** Draws the batches that a folder lacks into it: an array each, and the pictures of samples that are some. */
export async function fillFolder(
  model: ScoreModel,
  folder: string,
  { run, parts, shard, steps, decoder, signal, onProgress, draw }: FolderRun,
): Promise<Filled> {
  const { sde, shape } = model;
  if (decoder) await decoder.pictureShape(shape);
  if (decoder || isImageShape(shape)) await loadSharp();
  const { shards, found, elsewhere } = await completeShards(folder, {
    run: recordedRun(run),
    parts,
    manifest: manifestName(shard),
    isPictureOf,
    signal,
    onWait: ({ done, open }) => {
      onProgress?.({ done, count: open, step: 0, steps, fraction: done / open });
    },
    draw: async (part, { done, open }) => {
      const { samples, counts, particles } = await draw(part, ({ step, fraction }) => {
        const share = (done + fraction * part.count) / open;
        onProgress?.({ done, count: open, step, steps, fraction: share });
      });
      const data = Float32Array.from(samples);
      const sampled = [data.length / elementCount(shape), ...shape];
      if (decoder)
        await writeImageFolder(folder, await decoder.decode(data, sampled, { signal }), part.first);
      else if (isImageShape(shape))
        await writeImageFolder(folder, { samples: data, shape: sampled, range: sde.dataRange }, part.first);
      const bytes = encodeNpy({ data, shape: sampled });
      const file = shardName(part);
      await writeAtomically(join(folder, file), bytes);
      return { file, ...part, sha256: sha256(bytes), counts, ...(particles && { particles }) };
    },
  });
  const made = parts.map((part) => shards.get(part.first)!);
  return {
    shards: made,
    counts: made.reduce<Counts>(
      (most, { counts }) => (evaluationsOf(counts) > evaluationsOf(most) ? counts : most),
      noCounts(),
    ),
    found,
    elsewhere,
  };
}
