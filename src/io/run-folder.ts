import { join } from 'node:path';
import { DataError } from '../errors.js';
import { readFolder } from './read.js';

/** What a folder of a run is for. */
export type RunKind = 'shards' | 'comparison' | 'training';

/** The files by which a folder is known to hold a run. */
const records: Readonly<Record<RunKind, { readonly file: RegExp; readonly of: string }>> = {
  shards: { file: /^manifest(-\d+-of-\d+)?\.json$/, of: 'samples or likelihoods' },
  comparison: { file: /^comparison\.json$/, of: 'a comparison' },
  training: { file: /^train\.json$/, of: 'a training run' },
};

/**
 * A folder is of one kind of run: files of two kinds would be taken for one another's.
 *
 * @throws DataError where the folder holds a run of another kind.
 */
export async function requireKind(folder: string, own: RunKind): Promise<void> {
  const names = await readFolder(folder);
  for (const [kind, { file, of }] of Object.entries(records)) {
    const found = kind === own ? undefined : names.find((name) => file.test(name));
    if (found !== undefined)
      throw new DataError(`${join(folder, found)} is the record of ${of}. Choose another folder.`, {
        option: 'output',
        value: folder,
      });
  }
}
