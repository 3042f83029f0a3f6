import { extname } from 'node:path';
import { DataError } from '../../errors.js';

/**
 * A matrix from a .npy file, row by row.
 *
 * @param shaped What its shape stands for, as an error says it.
 */
export async function readMatrix(
  path: string,
  shaped = 'a matrix has shape [rows, columns]',
): Promise<Float64Array[]> {
  const { decodeNpy } = await import('../../io/npy.js');
  const { readBytes } = await import('../../io/read.js');
  const { data, shape } = decodeNpy(await readBytes(path), path);
  const [rows = 0, columns = 0] = shape;
  if (shape.length !== 2 || rows === 0 || columns === 0)
    throw new DataError(`${path}: ${shaped}; this array has [${shape.join(', ')}].`, { value: path });
  const at = Array.from(data, Number).findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new DataError(
      `${path}: row ${Math.floor(at / columns)}, column ${at % columns} is ${String(data[at])}; finite numbers are expected.`,
      { value: path },
    );
  return Array.from({ length: rows }, (_, i) =>
    Float64Array.from({ length: columns }, (_, j) => Number(data[i * columns + j])),
  );
}

/** Whether a flag names a file of this kind. */
export function endsIn(path: string, ending: string): boolean {
  return extname(path).toLowerCase() === ending;
}
