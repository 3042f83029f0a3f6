import { OptionError } from '../../errors.js';
import { decodeNpy, type NdArray } from '../../io/npy.js';
import { pathOf } from '../../io/path.js';
import { readBytes } from '../../io/read.js';
import type { Inputs } from '../../score/model.js';

/**
 * The inputs in flags `name=number` and `name=file.npy`.
 * @param option what errors call the flag.
 * @throws OptionError for what is no such pair, and where a name is given twice; DataError for a file that cannot be read.
 */
export async function inputsOf(option: string, pairs: readonly string[]): Promise<Inputs> {
  return readInputs(pairsOf(option, pairs));
}

/**
 * The numbers and paths of files in flags `name=number` and `name=file.npy`.
 * @throws OptionError for what is no such pair, and where a name is given twice.
 */
export function pairsOf(option: string, pairs: readonly string[]): Record<string, number | string> {
  const inputs = new Map<string, number | string>();
  for (const pair of pairs) {
    const [, name = '', text = ''] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (name === '') throw new OptionError(option, pair, 'NAME=NUMBER or NAME=FILE.npy');
    if (inputs.has(name)) throw new OptionError(option, pair, `one value for ${name}`);
    const number = Number(text);
    if (!Number.isFinite(number) && !/\.npy$/i.test(text))
      throw new OptionError(option, pair, 'NAME=NUMBER or NAME=FILE.npy, the number finite');
    inputs.set(name, Number.isFinite(number) ? number : pathOf(option, text));
  }
  return Object.fromEntries(inputs);
}

/** The inputs, where files are named read from these. @throws DataError for a file that cannot be read. */
export async function readInputs(values: Readonly<Record<string, number | string>>): Promise<Inputs> {
  const read = async (value: number | string): Promise<number | NdArray> =>
    typeof value === 'number' ? value : decodeNpy(await readBytes(value), value);
  const entries = Object.entries(values).map(async ([name, value]) => [name, await read(value)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Inputs of a network that are given beside a prompt: only those that it does not feed itself.
 * @throws OptionError naming an input that both would feed, and one of them without a word.
 */
export function besidePrompt(
  option: 'inputs' | 'unconditionalInputs',
  told: Inputs | undefined,
  given: Inputs | undefined,
): Inputs | undefined {
  const [name] = Object.keys(given ?? {}).filter((each) => told?.[each] !== undefined);
  if (name !== undefined) {
    const value = given![name];
    throw new OptionError(
      `${option}.${name}`,
      typeof value === 'number' ? value : `[${value!.shape.join(', ')}]`,
      'left out with --prompt, whose text it is fed',
    );
  }
  return (told ?? given) && { ...told, ...given };
}
