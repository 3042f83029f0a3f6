import { OptionError } from '../../errors.js';
import { decodeNpy, type NdArray } from '../../io/npy.js';
import { readBytes } from '../../io/read.js';
import type { Inputs } from '../../score/model.js';

/**
 * The inputs in flags `name=number` and `name=file.npy`.
 * @param option what errors call the flag.
 * @throws OptionError for what is no such pair, and where a name is given twice; DataError for a file that cannot be read.
 */
export async function inputsOf(option: string, pairs: readonly string[]): Promise<Inputs> {
  const inputs = new Map<string, number | NdArray>();
  for (const pair of pairs) {
    const [, name = '', text = ''] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (name === '') throw new OptionError(option, pair, 'NAME=NUMBER or NAME=FILE.npy');
    if (inputs.has(name)) throw new OptionError(option, pair, `one value for ${name}`);
    const number = Number(text);
    inputs.set(name, Number.isFinite(number) ? number : decodeNpy(await readBytes(text), text));
  }
  return Object.fromEntries(inputs);
}
