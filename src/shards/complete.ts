import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { difference } from '../difference.js';
import { DataError } from '../errors.js';
import { inFolder, removeLeftovers, writeAtomically } from '../io/atomic.js';
import { takePart, type FolderLock } from '../io/lock.js';
import { requireKind } from '../io/run-folder.js';
import { encodeManifest, readManifests, readShard, shardName, type Run, type Shard } from './manifest.js';
import { samplesIn, type Range } from './parts.js';

/** The parts of a run that a folder is to hold, and how one is made. */
export interface ShardWork {
  readonly run: Run;
  readonly parts: readonly Range[];
  /** Name of the manifest that these parts are recorded in. */
  readonly manifest: string;
  /** Writes the files of a part and returns what the manifest says of it. */
  readonly draw: (part: Range, progress: ShardProgress) => Promise<Shard>;
  /** Called now and then while other processes have all that is missing. */
  readonly onWait: (progress: ShardProgress) => void;
  /** Whether a file of this name, other than the shard, belongs to a part. */
  readonly isPictureOf?: (name: string, part: Range) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Of the samples that were missing at the start, `open` in all, how many are there by now. */
export interface ShardProgress {
  readonly done: number;
  readonly open: number;
}

/** What the folder holds when all parts are there. */
export interface Completed {
  /** By their first index. */
  readonly shards: ReadonlyMap<number, Shard>;
  /** Samples that were there before. */
  readonly found: number;
  /** Samples that other processes drew meanwhile. */
  readonly elsewhere: number;
}

/** Milliseconds after which a process looks again for what others have: at once the manifest, now and then their parts. */
const MANIFEST_FREE = 20;
const PART_FREE = 250;

/**
 * Draws the parts of a run that are not in a folder, which is created where there is none, beside any number of processes that do the same.
 *
 * A process takes a part before it draws it, and others pass over it; that of a process which ended without a word is taken by
 * the next one. A part has the same bits whoever draws it. Returns when all parts are there, whoever drew them.
 *
 * @throws DataError where the folder holds another run, of this kind or another, or a damaged manifest; OutputError; what `draw` throws.
 */
export function completeShards(folder: string, work: ShardWork): Promise<Completed> {
  return inFolder(folder, async () => {
    await requireKind(folder, 'shards');
    try {
      return await completeIn(folder, work);
    } catch (cause) {
      await forgetEmpty(folder, work);
      throw cause;
    }
  });
}

/** Takes a manifest that names nothing away again: whoever else draws writes it anew with the first part. */
async function forgetEmpty(folder: string, { run, manifest }: ShardWork): Promise<void> {
  const taken = await takePart(folder, lockName(manifest)).catch(() => undefined);
  if (!taken || !('release' in taken)) return;
  try {
    const found = (await readManifests(folder)).get(manifest);
    if (found?.shards.length === 0 && difference(found.run, run) === undefined)
      await rm(join(folder, manifest), { force: true });
  } catch {
    // What ended the run is told; a damaged manifest is told when the run goes on.
  } finally {
    await taken.release();
  }
}

async function completeIn(folder: string, work: ShardWork): Promise<Completed> {
  const { run, parts, draw, onWait, isPictureOf, signal } = work;
  let shards = await openShards(folder, work);
  const isMissing = (part: Range): boolean => !shards.has(part.first);
  const open = samplesIn(parts.filter(isMissing));
  const progress = (): ShardProgress => ({ done: open - samplesIn(parts.filter(isMissing)), open });
  let drawn = 0;
  while (parts.some(isMissing)) {
    let took = false;
    for (const part of parts.filter(isMissing)) {
      // Another process may have recorded it since.
      if (!isMissing(part)) continue;
      const file = shardName(part, run.contents);
      const taken = await takePart(folder, file);
      if (!('release' in taken)) continue;
      try {
        shards = await readShards(folder, work);
        if (!isMissing(part)) continue;
        took = true;
        await removeLeftovers(folder, (name) => name === file || isPictureOf?.(name, part) === true);
        const shard = await draw(part, progress());
        shards = await record(folder, work, (kept) => kept.set(part.first, shard));
        drawn += part.count;
      } finally {
        await taken.release();
      }
    }
    if (took || !parts.some(isMissing)) continue;
    onWait(progress());
    await sleep(PART_FREE * (0.5 + Math.random()), undefined, { signal });
    shards = await readShards(folder, work);
  }
  return { shards, found: samplesIn(parts) - open, elsewhere: open - drawn };
}

/** Begins the manifest of a run, or finds what of it is on disk as it was written: anything else is to be drawn again. */
async function openShards(folder: string, work: ShardWork): Promise<Map<number, Shard>> {
  const isDamaged = (shard: Shard): Promise<boolean> =>
    readShard(folder, shard).then(
      () => false,
      () => true,
    );
  const damaged: Shard[] = [];
  for (const shard of (await readShards(folder, work)).values())
    if (await isDamaged(shard)) damaged.push(shard);
  return record(folder, work, async (kept) => {
    // Another process may have drawn it again.
    for (const shard of damaged) if (await isDamaged(shard)) kept.delete(shard.first);
  });
}

/** The shards that the manifest of a run names. */
async function readShards(folder: string, { run, manifest }: ShardWork): Promise<Map<number, Shard>> {
  const manifests = await readManifests(folder);
  for (const [name, { run: other }] of manifests) {
    const differs = difference(other, run);
    if (differs === undefined) continue;
    throw new DataError(
      `${join(folder, name)} is of another run: ${differs}. Choose another folder, or give the same options to go on.`,
      { option: 'output', value: folder },
    );
  }
  return new Map(manifests.get(manifest)?.shards.map((shard) => [shard.first, shard]));
}

const lockName = (manifest: string): string => manifest.replace('.json', '');

/** Changes what the manifest names while no other process does, and returns it. */
async function record(
  folder: string,
  work: ShardWork,
  change: (shards: Map<number, Shard>) => unknown,
): Promise<Map<number, Shard>> {
  const { run, manifest, signal } = work;
  const lock = await waitForPart(folder, lockName(manifest), signal);
  try {
    await removeLeftovers(folder, (name) => name === manifest);
    const shards = await readShards(folder, work);
    await change(shards);
    const byIndex = [...shards.values()].sort((a, b) => a.first - b.first);
    await writeAtomically(join(folder, manifest), encodeManifest({ run, shards: byIndex }));
    return shards;
  } finally {
    await lock.release();
  }
}

async function waitForPart(
  folder: string,
  part: string,
  signal: AbortSignal | undefined,
): Promise<FolderLock> {
  for (;;) {
    const taken = await takePart(folder, part);
    if ('release' in taken) return taken;
    await sleep(MANIFEST_FREE * (0.5 + Math.random()), undefined, { signal });
  }
}
