import { join } from 'node:path';
import { DataError, LoadError } from '../errors.js';
import { readBytes } from '../io/read.js';
import { isRecord } from '../options.js';
import type { Config } from '../score/network/config-entries.js';
import { readJsonObject } from '../score/network/pipeline-folder.js';

/** Texts as the numbers that a text encoder reads. */
export interface Tokenizer {
  /** Tokens that the text encoder reads at most. */
  readonly length: number;
  /** As many tokens as are asked for: padded, or cut before the last one, with what was lost. Default `length`. */
  encode(text: string, length?: number): { readonly ids: readonly number[]; readonly lost: string };
}

/** What is used of the library. */
interface Library {
  readonly Tokenizer: new (
    tokenizer: Config,
    config: Config,
  ) => {
    encode(text: string): { readonly ids: readonly number[] };
    decode(ids: readonly number[]): string;
    token_to_id(token: string): number | undefined;
  };
}

const LIBRARY = '@huggingface/tokenizers';

/** Tokens of CLIP. */
const USUAL_LENGTH = 77;

/** Where no maximum is known, configs have a number as large as they can. */
const NO_LENGTH = 1e6;

/**
 * The tokenizer in a folder: `tokenizer.json`, or `vocab.json` and `merges.txt` of CLIP, and `tokenizer_config.json`.
 *
 * @throws LoadError where the package @huggingface/tokenizers is not installed; DataError for a folder without a tokenizer.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const { Tokenizer: Own } = await loadLibrary();
  const [special = {}, config = {}, whole] = await Promise.all(
    ['special_tokens_map.json', 'tokenizer_config.json', 'tokenizer.json'].map((file) =>
      readJsonObject(join(folder, file)),
    ),
  );
  const settings = { ...special, ...config };
  const description = whole ?? (await clipTokenizer(folder, settings));
  let own: InstanceType<Library['Tokenizer']>;
  try {
    own = new Own(description, settings);
  } catch (cause) {
    throw new DataError(
      `${folder} holds a tokenizer that ${LIBRARY} cannot read: ${(cause as Error).message}.`,
      {
        value: folder,
        cause,
      },
    );
  }
  const padding = own.token_to_id(token(settings, 'pad_token') ?? token(settings, 'eos_token') ?? '');
  if (padding === undefined)
    throw new DataError(
      `${folder}: Its tokenizer has no token that fills up (pad_token in tokenizer_config.json).`,
    );
  const most = settings['model_max_length'];
  if (most !== undefined && most !== null && !(typeof most === 'number' && most >= 2))
    throw new DataError(
      `${folder}: Its model_max_length must be the tokens of a text, 2 or more; got ${JSON.stringify(most)}.`,
      { value: folder },
    );
  const length = typeof most === 'number' && most < NO_LENGTH ? Math.floor(most) : USUAL_LENGTH;
  return {
    length,
    encode(text, wanted = length) {
      const { ids } = own.encode(text);
      const rest = wanted - ids.length;
      if (rest >= 0) return { ids: [...ids, ...Array<number>(rest).fill(padding)], lost: '' };
      const lost = own.decode(ids.slice(wanted - 1, -1)).trim();
      return { ids: [...ids.slice(0, wanted - 1), ids.at(-1)!], lost };
    },
  };
}

async function loadLibrary(): Promise<Library> {
  try {
    return (await import(LIBRARY)) as Library;
  } catch (cause) {
    throw new LoadError(
      `Prompts need the package ${LIBRARY}, which cannot be loaded here: npm install ${LIBRARY}`,
      { cause },
    );
  }
}

/** A special token, which configs write as a text or as an object. */
function token(settings: Config, name: string): string | undefined {
  const entry = settings[name];
  const text = isRecord(entry) ? entry['content'] : entry;
  return typeof text === 'string' ? text : undefined;
}

/** What tokenizer.json would say of CLIP's tokenizer, which older folders keep in two files (Radford et al. 2021). */
async function clipTokenizer(folder: string, settings: Config): Promise<Config> {
  const vocab = await readJsonObject(join(folder, 'vocab.json'));
  const { tokenizer_class: kind = 'CLIPTokenizer' } = settings;
  if (!vocab || !String(kind).startsWith('CLIPTokenizer')) {
    const needed = vocab ? `, which a ${String(kind)} needs` : ', nor vocab.json and merges.txt of CLIP';
    throw new DataError(`${folder} holds no tokenizer.json${needed}.`, { value: folder });
  }
  const merges = await readMerges(join(folder, 'merges.txt'), vocab);
  const [begin = '<|startoftext|>', end = '<|endoftext|>'] = [
    token(settings, 'bos_token'),
    token(settings, 'eos_token'),
  ];
  const unknown = token(settings, 'unk_token') ?? end;
  const special = new Set([begin, end, unknown, token(settings, 'pad_token') ?? end]);
  const marks = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: '1.0',
    added_tokens: [...special]
      .filter((content) => content in vocab)
      .map((content) => ({ id: vocab[content], content, ...marks })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, vocab[end]],
      cls: [begin, vocab[begin]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      unk_token: unknown,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  };
}

/** The pairs that become one word. @throws DataError naming the first line that is no pair of words whose union is one. */
async function readMerges(path: string, vocab: Config): Promise<string[][]> {
  const lines = (await readBytes(path)).toString().split(/\r?\n/);
  const merges = lines.flatMap((line, i) => {
    if (line === '' || line.startsWith('#version')) return [];
    const pair = line.split(' ');
    if (pair.length === 2 && [...pair, pair.join('')].every((word) => word in vocab)) return [pair];
    const expected = 'two words of vocab.json with a space between them, whose union is one too';
    throw new DataError(
      `${path}: line ${i + 1} must be ${expected}; got ${JSON.stringify(line.slice(0, 80))}.`,
      {
        value: path,
      },
    );
  });
  if (merges.length > 0) return merges;
  throw new DataError(`${path} has no pair of words: every text would fall into letters.`, { value: path });
}
