import { extname } from 'node:path';
import { DataError, FastsdeError } from '../../errors.js';
import { decodeNpy } from '../../io/npy.js';
import { readBytes, readJson } from '../../io/read.js';
import { isList, isRecord } from '../../options.js';
import type { Sde } from '../../sde/sde.js';
import { tableSde, type SdeTable, type TableOptions } from '../../sde/table.js';
import { pathOf, type FilePath } from '../../io/path.js';

/**
 * The SDE of a table of t, alpha and sigma in a file: a .npy file of three columns, or JSON, either rows [t, alpha, sigma] or
 * { t: [...], alpha: [...], sigma: [...] }. See {@link tableSde}.
 *
 * @throws DataError for a file that holds none, with its name.
 */
export async function readSde(file: FilePath, options: TableOptions = {}): Promise<Sde> {
  const path = pathOf('path', file);
  const table =
    extname(path).toLowerCase() === '.npy' ? await fromNpy(path) : fromJson(path, await readJson(path));
  try {
    return tableSde(table, options);
  } catch (cause) {
    if (!(cause instanceof FastsdeError) || !cause.message.startsWith('table')) throw cause;
    throw new DataError(`${path}: ${cause.message}`, { value: path, cause });
  }
}

async function fromNpy(path: string): Promise<SdeTable> {
  const { data, shape } = decodeNpy(await readBytes(path), path);
  if (shape.length !== 2 || shape[1] !== 3)
    throw new DataError(
      `${path} is no table of t, alpha and sigma: its shape is [${shape.join(', ')}], not [rows, 3].`,
    );
  const column = (j: number) => Float64Array.from({ length: shape[0]! }, (_, i) => Number(data[3 * i + j]!));
  return { t: column(0), alpha: column(1), sigma: column(2) };
}

function fromJson(path: string, json: unknown): SdeTable {
  const areNumbers = (values: unknown): values is number[] =>
    isList(values) && values.every((value) => typeof value === 'number');
  if (isList(json) && json.every((row): row is number[] => areNumbers(row) && row.length === 3)) {
    const column = (j: number) => json.map((row) => row[j]!);
    return { t: column(0), alpha: column(1), sigma: column(2) };
  }
  if (isRecord(json) && [json['t'], json['alpha'], json['sigma']].every(areNumbers))
    return json as unknown as SdeTable;
  throw new DataError(
    `${path} holds no table: expected rows [t, alpha, sigma], or { "t": [...], "alpha": [...], "sigma": [...] }, all numbers.`,
    { value: path },
  );
}
