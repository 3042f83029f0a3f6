import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { readBytes, readFolder, readJson } from '../io/read.js';
import { isRecord } from '../options.js';
import type { Counts } from '../solvers/counts.js';
import type { Range } from './parts.js';

const FORMAT = 'fastsde shards 1';

/** What the files of a run hold: their names begin with it. */
export type Contents = 'samples' | 'likelihood';

/** What a folder holds, the same in the manifest of every part of the run. */
export interface Run {
  /** Default samples. */
  readonly contents?: Contents;
  /** What the caller said of the model: for the command line its hash, its options and the version of fastsde. */
  readonly origin: Readonly<Record<string, unknown>>;
  /** Every option as resolved, with `seed` and `batch`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Index of the first sample. */
  readonly first: number;
  /** Samples of the run. */
  readonly count: number;
  /** Shape of one sample. */
  readonly shape: readonly number[];
}

/** A file of consecutive samples: float32 [count, ...shape], or what was found of them. */
export interface Shard {
  /** Its name in the folder. */
  readonly file: string;
  /** Index of its first sample. */
  readonly first: number;
  /** Its samples. */
  readonly count: number;
  /** Of the whole file, in hexadecimal. */
  readonly sha256: string;
  /** Evaluations of each sample; of the one that took the most where they differ. */
  readonly counts: Counts;
  /** Of each sample, where particles were drawn. */
  readonly particles?: ParticleFigures;
}

/** What `smc` says of samples. */
export interface ParticleFigures {
  readonly effectiveSampleSize: readonly number[];
  readonly logEvidence: readonly number[];
}

/** The record of a run, or of one part of it, as far as it has come. */
export interface Manifest {
  /** What is drawn. */
  readonly run: Run;
  /** Complete shards, by index. */
  readonly shards: readonly Shard[];
}

/** The name of a shard; indices have six digits or more, so that names sort as indices do. */
export function shardName({ first, count }: Range, contents: Contents = 'samples'): string {
  const [from, to] = [first, first + count - 1].map((index) => String(index).padStart(6, '0'));
  return `${contents}-${from}-${to}.${contents === 'samples' ? 'npy' : 'npz'}`;
}

/** Whether a file is the picture of one of these samples. */
export function isPictureOf(name: string, { first, count }: Range): boolean {
  const index = Number(/^(\d{6,})\.png$/.exec(name)?.[1]);
  return index >= first && index < first + count;
}

export function manifestName(shard: { index: number; of: number } | undefined): string {
  return shard ? `manifest-${shard.index}-of-${shard.of}.json` : 'manifest.json';
}

/** What a manifest keeps of a run, so that it can be compared with one that was read. */
export function recordedRun(run: Run): Run {
  const exact = (_: string, value: unknown): unknown =>
    typeof value === 'bigint' ? (value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)) : value;
  return JSON.parse(JSON.stringify(run, exact)) as Run;
}

export function encodeManifest({ run, shards }: Manifest): string {
  return `${JSON.stringify({ format: FORMAT, run, shards }, undefined, 1)}\n`;
}

/**
 * All manifests of a folder, by file name; empty where there is none.
 *
 * @throws DataError where the folder cannot be read, or a manifest is damaged or of another version of the format.
 */
export async function readManifests(folder: string): Promise<ReadonlyMap<string, Manifest>> {
  const manifests = new Map<string, Manifest>();
  for (const name of await readFolder(folder)) {
    if (/^manifest(-\d+-of-\d+)?\.json$/.test(name)) {
      const path = join(folder, name);
      manifests.set(name, checkManifest(await readJson(path), path));
    }
  }
  return manifests;
}

function checkManifest(parsed: unknown, path: string): Manifest {
  if (!isRecord(parsed) || parsed['format'] !== FORMAT)
    throw new DataError(`${path} is not a manifest of this version of fastsde (${FORMAT}).`, { value: path });
  if (!isManifest(parsed))
    throw new DataError(`${path} is damaged: its run or its shards are not as they are written.`, {
      value: path,
    });
  // Names are derived, so that a manifest cannot point out of its folder.
  const { contents } = parsed.run;
  const stray = parsed.shards.find((shard) => shard.file !== shardName(shard, contents));
  if (stray) throw new DataError(`${path} is damaged: it names a file ${JSON.stringify(stray.file)}.`);
  return { run: parsed.run, shards: parsed.shards };
}

function isManifest(value: object): value is Manifest {
  const { run, shards } = value as Record<keyof Manifest, unknown>;
  return isRecord(run) && isRun(run) && Array.isArray(shards) && shards.every(isShard);
}

function isRun({ contents, origin, options, first, count, shape }: Record<string, unknown>): boolean {
  if (contents !== undefined && contents !== 'likelihood') return false;
  const counted = isCount(first) && isCount(count) && Array.isArray(shape) && shape.every(isCount);
  return counted && isRecord(origin) && isRecord(options);
}

function isShard(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { file, first, count, sha256, counts } = value;
  const named = typeof file === 'string' && typeof sha256 === 'string';
  return named && isCount(first) && isCount(count) && isRecord(counts);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * The bytes of a shard.
 *
 * @throws DataError where the file is missing, or is not the one that was written.
 */
export async function readShard(folder: string, { file, sha256: expected }: Shard): Promise<Uint8Array> {
  const path = join(folder, file);
  const bytes = await readBytes(path);
  if (sha256(bytes) !== expected)
    throw new DataError(`${path} is damaged: its SHA-256 is not that of the manifest.`, { value: path });
  return bytes;
}

/** Of the bytes of an array, in hexadecimal. */
export function sha256(array: ArrayBufferView): string {
  return createHash('sha256')
    .update(array as Uint8Array)
    .digest('hex');
}
