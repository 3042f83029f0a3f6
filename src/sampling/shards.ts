import { join } from 'node:path';
import { difference } from '../difference.js';
import { DataError, OptionError } from '../errors.js';
import { ensureFolder, removeLeftovers, writeAtomically } from '../io/atomic.js';
import { writeImageFolder } from '../io/image.js';
import { lockFolder } from '../io/lock.js';
import { encodeNpy } from '../io/npy.js';
import { loadSharp } from '../io/sharp.js';
import type { Decoder } from '../latent/autoencoder.js';
import { checkInteger } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { recordOfInputs } from '../score/inputs.js';
import { isImageShape } from '../shape.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import {
  encodeManifest,
  manifestName,
  readManifests,
  readShard,
  sha256,
  shardName,
  type Run,
  type Shard,
} from './manifest.js';
import { planOf, sample, warningsOf, type SampleOptions, type SampleResult } from './sample.js';

export interface ShardsOptions extends Omit<
  SampleOptions,
  'classLabel' | 'initial' | 'trajectory' | 'preview' | 'previewEvery'
> {
  /** Class of every sample, for a model with a class input. */
  readonly classLabel?: number;
  /** Draw only part `index`, from 0, of `of` nearly equal parts, cut between batches. Default: all. */
  readonly shard?: { readonly index: number; readonly of: number };
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
}

/** Files of a run: its manifest names each. */
const MOST_SHARDS = 1_000_000;

/** Consecutive samples. */
interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * Draws samples into a folder, one file for every batch, so that a run which ends early loses no more than a batch:
 * called again with the same options it goes on, and the files get the same bits as without the break.
 *
 * The folder gets `samples-<first>-<last>.npy` (float32 [count, ...shape]), for pictures also a PNG file per sample, and
 * `manifest.json`, or `manifest-<index>-of-<of>.json` for a part. Every file appears whole or not at all. Parts may be
 * drawn at the same time into one folder; {@link mergeShards} joins them.
 *
 * @throws OptionError where the folder holds another run; DataError for a damaged manifest; OutputError where a file
 *   cannot be written, or another process draws the same part; and what `sample` throws. Finished batches stay.
 */
export async function sampleShards(
  model: ScoreModel,
  folder: string,
  options: ShardsOptions = {},
): Promise<ShardsResult> {
  const start = performance.now();
  const { shard, decoder, origin = {}, ...sampling } = options;
  const count = checkInteger('count', options.count ?? 16, 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  const batch = Math.min(checkInteger('batch', options.batch ?? 64, 1), count);
  if (shard) checkShard(shard);
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
  const run = asJson({ origin, options: settings, first, count, shape: model.shape });
  const parts = batchesOf({ first, count }, batch, shard);
  const conditions = model.inputs && checkConditions(model, classLabel, count);
  const conditionsOf = (part: Range) =>
    conditions && { classLabel: conditions.subarray(part.first - first, part.first - first + part.count) };

  if (decoder) await decoder.pictureShape(model.shape);
  if (decoder || isImageShape(model.shape)) await loadSharp();
  await ensureFolder(folder);
  const manifest = manifestName(shard);
  // Two processes at the same part would both do all of its work.
  const lock = await lockFolder(folder, { option: 'output', part: manifest.replace('.json', '') });
  try {
    const shards = await wholeShards(folder, manifest, run);
    const found = samplesIn(parts.filter((part) => shards.has(part.first)));
    const work = { sampling, conditionsOf, decoder, batch, run, manifest, parts, shards };
    await drawMissing(model, folder, work);
    return {
      shape: [samplesIn(parts), ...model.shape],
      counts: parts.map((part) => shards.get(part.first)!.counts).reduce(larger, noCounts()),
      seconds: (performance.now() - start) / 1000,
      options: { ...settings, seed: BigInt(seed), first: parts[0]?.first ?? first, count: samplesIn(parts) },
      warnings: warningsOf(model, plan, { classLabel }),
      found,
    };
  } finally {
    await lock.release();
  }
}

/** One part of a run, and what of it is on disk. */
interface Work {
  readonly sampling: SampleOptions;
  readonly decoder: Decoder | undefined;
  /** What the samples of a part are given, where each has inputs of its own. */
  readonly conditionsOf: (part: Range) => Pick<SampleOptions, 'classLabel'> | undefined;
  readonly batch: number;
  readonly run: Run;
  readonly manifest: string;
  readonly parts: readonly Range[];
  /** By their first index; those that are drawn are added. */
  readonly shards: Map<number, Shard>;
}

/** Draws the shards of a part that are not on disk, and records each as soon as it is. */
async function drawMissing(model: ScoreModel, folder: string, work: Work): Promise<void> {
  const { sampling, conditionsOf, decoder, batch, run, manifest, parts, shards } = work;
  const record = (): Promise<void> => {
    const byIndex = parts.flatMap((part) => shards.get(part.first) ?? []);
    return writeAtomically(join(folder, manifest), encodeManifest({ run, shards: byIndex }));
  };
  const names = new Set([manifest, ...parts.map((part) => shardName(part.first, part.count))]);
  await removeLeftovers(folder, (name) => names.has(name) || isPictureOf(name, parts));

  const missing = parts.filter((part) => !shards.has(part.first));
  const open = samplesIn(missing);
  let done = 0;
  for (const part of missing) {
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
    const file = shardName(part.first, part.count);
    await writeAtomically(join(folder, file), bytes);
    shards.set(part.first, { file, ...part, sha256: sha256(bytes), counts });
    await record();
    done += part.count;
  }
  if (missing.length === 0) await record();
}

function checkShard(shard: { index: number; of: number }): void {
  const { index, of } = shard;
  if (Number.isSafeInteger(of) && Number.isSafeInteger(index) && of >= 1 && index >= 0 && index < of) return;
  throw new OptionError(
    'shard',
    `${index}/${of}`,
    'i/n with 0 <= i < n: the parts of n are 0/n to (n - 1)/n',
  );
}

/** The batches of a part of a run; every batch of the run belongs to exactly one part. */
function batchesOf(run: Range, batch: number, shard = { index: 0, of: 1 }): Range[] {
  const batches = Math.ceil(run.count / batch);
  const from = Math.floor((shard.index * batches) / shard.of);
  const to = Math.floor(((shard.index + 1) * batches) / shard.of);
  return Array.from({ length: to - from }, (_, k) => {
    const offset = (from + k) * batch;
    return { first: run.first + offset, count: Math.min(batch, run.count - offset) };
  });
}

/**
 * The shards of a manifest that are on disk as they were written, by their first index; others are drawn again.
 *
 * @throws DataError where a manifest of the folder is of another run.
 */
async function wholeShards(folder: string, manifest: string, run: Run): Promise<Map<number, Shard>> {
  const manifests = await readManifests(folder);
  for (const [name, { run: other }] of manifests) {
    const differs = difference(other, run);
    if (differs === undefined) continue;
    throw new DataError(
      `${join(folder, name)} is of another run: ${differs}. Choose another folder, or give the same options to go on.`,
      { option: 'output', value: folder },
    );
  }
  const whole = new Map<number, Shard>();
  for (const shard of manifests.get(manifest)?.shards ?? []) {
    const bytes = await readShard(folder, shard).catch(() => undefined);
    if (bytes) whole.set(shard.first, shard);
  }
  return whole;
}

function samplesIn(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function isPictureOf(name: string, parts: readonly Range[]): boolean {
  const index = Number(/^(\d{6,})\.png$/.exec(name)?.[1]);
  const last = parts.at(-1);
  return last !== undefined && index >= parts[0]!.first && index < last.first + last.count;
}

function larger(a: Counts, b: Counts): Counts {
  return evaluationsOf(a) >= evaluationsOf(b) ? a : b;
}

/** What a manifest keeps of a run, so that it can be compared with one that was read. */
function asJson(run: Run): Run {
  const exact = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? (value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)) : value;
  return JSON.parse(JSON.stringify(run, exact)) as Run;
}
