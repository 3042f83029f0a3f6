import { ModelError } from '../errors.js';
import { createSession, type SessionOptions } from '../onnx/run/runtime.js';
import type { PipelinePart } from '../score/network/pipeline-folder.js';
import { singles } from './array-network.js';

/** What a text encoder makes of a text. */
export interface EncodedText {
  /** [tokens, width], row-major. */
  readonly tokens: Float32Array;
  readonly width: number;
  /** One vector of the whole text, where it is asked for. */
  readonly pooled: Float32Array;
}

/** Names of outputs of a text encoder. */
export interface TextOutputs {
  readonly tokens: string;
  readonly pooled?: string;
}

/**
 * What a text encoder makes of texts. Its network is loaded for that alone, so that it does not stand beside the one that draws.
 *
 * @param texts Tokens of each.
 * @throws ModelError for a network without these outputs, or with another input than tokens.
 */
export async function encodeTexts(
  { path }: PipelinePart,
  texts: readonly (readonly number[])[],
  outputs: TextOutputs,
  options: SessionOptions,
): Promise<EncodedText[]> {
  const session = await createSession(path, options);
  try {
    const [input, ...others] = session.inputs;
    if (input === undefined || others.length > 0 || !input.type.startsWith('int')) {
      const given = session.inputs.map(({ name, type }) => `"${name}" (${type})`).join(', ');
      throw new ModelError(`${path}: One input of tokens is expected; it has ${given || 'none'}.`, {
        value: path,
      });
    }
    const { tokens, pooled } = outputs;
    const names = pooled === undefined ? [tokens] : [tokens, pooled];
    const missing = names.find((name) => !session.outputs.some((output) => output.name === name));
    if (missing !== undefined) {
      const known = session.outputs.map(({ name }) => name).join(', ');
      throw new ModelError(
        `${path}: It has no output ${missing}, but ${known}. Hidden layers are exported with output_hidden_states=True.`,
        { value: path },
      );
    }
    const own = input.shape?.[1];
    const other = texts.find(({ length }) => typeof own === 'number' && length !== own);
    if (other) {
      throw new ModelError(
        `${path}: It reads texts of ${own} tokens, and its tokenizer makes ${other.length} of them (model_max_length in tokenizer_config.json, else 77).`,
        { value: path },
      );
    }
    const encoded: EncodedText[] = [];
    for (const ids of texts) {
      const data = input.type === 'int32' ? Int32Array.from(ids) : BigInt64Array.from(ids, BigInt);
      const feeds = { [input.name]: { data, dims: [1, ids.length] } };
      const made = await session.run(feeds, names);
      encoded.push({
        tokens: singles(made[tokens]!.data, tokens),
        width: made[tokens]!.dims.at(-1)!,
        pooled: pooled === undefined ? new Float32Array(0) : singles(made[pooled]!.data, pooled),
      });
    }
    return encoded;
  } finally {
    await session.release();
  }
}
