import { join } from 'node:path';
import { difference } from '../difference.js';
import { DataError } from '../errors.js';
import { ensureFolder, removeLeftovers, writeAtomically } from '../io/atomic.js';
import { lockFolder, type FolderLock } from '../io/lock.js';
import { decodeNpy, encodeNpy } from '../io/npy.js';
import { isAbsent, readBytes, readJson } from '../io/read.js';
import { requireKind } from '../io/run-folder.js';
import { isList, isRecord } from '../options.js';
import { elementCount } from '../shape.js';
import { sha256 } from '../shards/manifest.js';
import type { Distances } from './distances.js';

const FORMAT = 'fastsde comparison 1';
const RECORD = 'comparison.json';

/** A set of samples that was drawn, and what is known of it. */
export interface DrawnSet {
  /** What the samples are functions of, beside the run. */
  readonly key: string;
  /** Mean number of evaluations of a sample. */
  readonly evaluations: number;
  readonly seconds: number;
  readonly deterministic: boolean;
  readonly distances: Distances;
}

interface KeptSet extends DrawnSet {
  readonly file: string;
  readonly sha256: string;
}

/** What is kept of a comparison, so that it can go on. */
export interface ComparisonRecord {
  /** What was found to be changed when the record was opened, in plain words. */
  readonly warnings: readonly string[];
  find(key: string): DrawnSet | undefined;
  /** The samples of a set that was found; undefined where its file is gone or damaged. */
  read(key: string): Promise<Float32Array | undefined>;
  /** Keeps a set; `samples` are [count, ...shape], left out where they are kept already. */
  put(set: DrawnSet, name: string, samples?: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** Where nothing is kept. */
export const noRecord: ComparisonRecord = {
  warnings: [],
  find: () => undefined,
  read: () => Promise.resolve(undefined),
  put: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/**
 * The record of a folder, which is created where there is none. This process has it for itself until it is closed.
 *
 * @param run plain data: what all samples and distances are functions of.
 * @param shape of one sample.
 * @throws DataError where the folder holds another comparison or another kind of run; OutputError where nothing can be written, or another process does.
 */
export async function openRecord(
  folder: string,
  run: Readonly<Record<string, unknown>>,
  shape: readonly number[],
): Promise<ComparisonRecord> {
  await ensureFolder(folder);
  await requireKind(folder, 'comparison');
  const lock = await lockFolder(folder, { option: 'output', part: 'comparison' });
  try {
    const path = join(folder, RECORD);
    const sets = await readSets(path, run, folder);
    await removeLeftovers(folder, (name) => name === RECORD || name.endsWith('.npy'));
    const changed = await changedSets(folder, sets);
    for (const { key } of changed) sets.delete(key);
    const warnings = changed.map(
      ({ file }) => `${join(folder, file)} is not as it was written: its samples are drawn anew.`,
    );
    return { ...folderRecord(folder, run, shape, sets, lock), warnings };
  } catch (cause) {
    await lock.release();
    throw cause;
  }
}

/** Sets whose samples are there and are others than those whose distances are known; the distances of samples that are gone stay. */
async function changedSets(folder: string, sets: ReadonlyMap<string, KeptSet>): Promise<KeptSet[]> {
  const changed: KeptSet[] = [];
  for (const set of sets.values()) {
    const bytes = await readBytes(join(folder, set.file)).catch(() => undefined);
    if (bytes && sha256(bytes) !== set.sha256) changed.push(set);
  }
  return changed;
}

function folderRecord(
  folder: string,
  run: Readonly<Record<string, unknown>>,
  shape: readonly number[],
  sets: Map<string, KeptSet>,
  lock: FolderLock,
): Omit<ComparisonRecord, 'warnings'> {
  const elements = elementCount(shape);
  return {
    find: (key) => sets.get(key),
    async read(key) {
      const kept = sets.get(key);
      const bytes = kept && (await readBytes(join(folder, kept.file)).catch(() => undefined));
      if (bytes === undefined || sha256(bytes) !== kept!.sha256) return undefined;
      const { data } = decodeNpy(bytes, kept!.file);
      return data instanceof Float32Array ? data : undefined;
    },
    async put(set, name, samples) {
      let kept = sets.get(set.key);
      if (samples) {
        const bytes = encodeNpy({ data: samples, shape: [samples.length / elements, ...shape] });
        const hash = sha256(Buffer.from(set.key)).slice(0, 8);
        kept = { ...set, file: `${name}-${hash}.npy`, sha256: sha256(bytes) };
        await writeAtomically(join(folder, kept.file), bytes);
      }
      sets.set(set.key, { ...kept!, ...set });
      const record = { format: FORMAT, run, sets: [...sets.values()] };
      await writeAtomically(join(folder, RECORD), `${JSON.stringify(record, undefined, 1)}\n`);
    },
    close: () => lock.release(),
  };
}

async function readSets(
  path: string,
  run: Readonly<Record<string, unknown>>,
  folder: string,
): Promise<Map<string, KeptSet>> {
  let parsed: unknown;
  try {
    parsed = await readJson(path);
  } catch (cause) {
    if (isAbsent(cause)) return new Map();
    throw cause;
  }
  if (!isRecord(parsed) || parsed['format'] !== FORMAT)
    throw new DataError(`${path} is not a comparison of this version of fastsde (${FORMAT}).`, {
      value: path,
    });
  const { run: other, sets } = parsed;
  if (!isRecord(other) || !isList(sets) || !sets.every(isSet))
    throw new DataError(`${path} is damaged: its run or its sets are not as they are written.`, {
      value: path,
    });
  const differs = difference(other, run);
  if (differs !== undefined)
    throw new DataError(
      `${path} is of another comparison: ${differs}. Choose another folder, or give the same options to go on.`,
      { option: 'output', value: folder },
    );
  return new Map(sets.map((set) => [set.key, set]));
}

function isSet(value: unknown): value is KeptSet {
  if (!isRecord(value)) return false;
  const { key, file, sha256: hash, evaluations, seconds, deterministic, distances } = value;
  // A name with a separator would point out of the folder.
  const isNamed = typeof file === 'string' && /^[\w.-]+\.npy$/.test(file);
  const isDrawn = typeof evaluations === 'number' && typeof seconds === 'number';
  return (
    isNamed &&
    isDrawn &&
    typeof key === 'string' &&
    typeof hash === 'string' &&
    typeof deterministic === 'boolean' &&
    isRecord(distances) &&
    Object.values(distances).every((distance) => isRecord(distance) && typeof distance['value'] === 'number')
  );
}
