import { difference } from '../difference.js';
import { DataError, OptionError } from '../errors.js';
import { writeAtomically } from '../io/atomic.js';
import { decodeNpy, npyHeader } from '../io/npy.js';
import { checkSignal, isList } from '../options.js';
import { elementCount } from '../shape.js';
import { readManifests, readShard, type Run, type Shard } from '../shards/manifest.js';
import { pathOf, type FilePath } from '../io/path.js';

/** What {@link mergeShards} found. */
export interface Merged {
  /** The run whose parts were joined. */
  readonly run: Run;
  /** Number of files that were joined. */
  readonly shards: number;
}

/**
 * Checks that folders of `sampleShards` hold one whole run, every file as it was written, and joins it.
 *
 * @param folders One folder, or those of several parts of a run.
 * @param output A .npy file for float32 [count, ...shape], written atomically; without it, nothing is written. No more
 *   than one shard is in memory at a time.
 * @param options `signal` stops between two shards; nothing is then written.
 * @throws DataError where samples are missing or damaged, or the folders hold different runs; OutputError.
 */
export async function mergeShards(
  folders: readonly FilePath[],
  output?: FilePath,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Merged> {
  checkSignal(signal);
  if (!isList(folders) || folders.length === 0)
    throw new OptionError('folders', folders, 'a list of at least one folder');
  const { run, shards } = await locateShards(folders.map((folder, i) => pathOf(`folders[${i}]`, folder)));
  const pieces = readAll(run, shards, signal);
  if (output !== undefined) await writeAtomically(pathOf('output', output), pieces);
  else while (!(await pieces.next()).done);
  return { run, shards: shards.length };
}

/** A shard and where it lies. */
export interface LocatedShard extends Shard {
  readonly folder: string;
}

/**
 * The shards of a whole run, in the order of their samples.
 *
 * @throws DataError where samples are missing, or the folders hold different runs.
 */
export async function locateShards(
  folders: readonly string[],
): Promise<{ run: Run; shards: LocatedShard[] }> {
  let run: Run | undefined;
  const byFirst = new Map<number, LocatedShard>();
  for (const folder of folders) {
    const manifests = await readManifests(folder);
    if (manifests.size === 0)
      throw new DataError(`${folder} holds no manifest of samples.`, { value: folder });
    for (const manifest of manifests.values()) {
      if (manifest.run.contents === 'likelihood')
        throw new DataError(
          `${folder} holds log-densities, not samples: the command that began them reads them again.`,
          { value: folder },
        );
      const differs = run && difference(run, manifest.run);
      if (differs !== undefined)
        throw new DataError(
          `${folder} is of another run than ${folders[0]!}: ${differs.replace('there', 'in the other')}.`,
        );
      run ??= manifest.run;
      for (const shard of manifest.shards) byFirst.set(shard.first, { ...shard, folder });
    }
  }
  if (run === undefined) throw new DataError('No folder was given.');
  const shards = [...byFirst.values()].sort((a, b) => a.first - b.first);
  const gap = firstGap(run, shards);
  if (gap) {
    const all = `${run.first} to ${run.first + run.count - 1}`;
    throw new DataError(
      `Of the samples ${all}, those from ${gap[0]} to ${gap[1] - 1} are missing. ` +
        'Run the command, or the part of the job array, that draws them again: it goes on where it stopped.',
    );
  }
  return { run, shards };
}

/** The first indices that no shard holds: from the one, up to but not including the other. */
function firstGap(run: Run, shards: readonly Shard[]): [number, number] | undefined {
  let next = run.first;
  for (const { first, count } of shards) {
    if (first !== next) return [next, first];
    next += count;
  }
  const end = run.first + run.count;
  return next === end ? undefined : [next, end];
}

async function* readAll(
  run: Run,
  shards: readonly LocatedShard[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  yield npyHeader('<f4', [run.count, ...run.shape]);
  for (const shard of shards) {
    signal?.throwIfAborted();
    const { data } = decodeNpy(await readShard(shard.folder, shard), shard.file);
    const elements = shard.count * elementCount(run.shape);
    if (!(data instanceof Float32Array) || data.length !== elements)
      throw new DataError(
        `${shard.file} in ${shard.folder} does not hold ${shard.count} samples of the run.`,
      );
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}
