import { join } from 'node:path';
import { DataError, ModelError, OptionError } from '../errors.js';
import { isFolder } from '../io/atomic.js';
import type { NdArray } from '../io/npy.js';
import type { SessionOptions } from '../onnx/run/runtime.js';
import { checkKnown, defined, isList } from '../options.js';
import type { Inputs } from '../score/model.js';
import {
  readAutoencoder,
  readPart,
  readPipeline,
  type PipelineFolder,
} from '../score/network/pipeline-folder.js';
import { pathOf, type FilePath } from '../io/path.js';
import { encodeTexts, type EncodedText } from './text-encoder.js';
import { loadTokenizer } from './tokenizer.js';

/** How a text becomes inputs. */
export interface PromptOptions {
  /** What the pictures are led away from. Default: nothing. */
  readonly negative?: string | undefined;
  /** Shape of a latent, where it is not that of the folder's configs: networks of XL are told the size of the picture. */
  readonly shape?: readonly number[] | undefined;
  /** Threads of the text encoders. Default: ONNX Runtime's, one per core. */
  readonly threads?: number | undefined;
  /** Default `cpu`. */
  readonly provider?: 'cpu' | 'cuda' | undefined;
}

/** What a network is fed for a prompt. */
export interface EncodedPrompt {
  /** For `inputs` of `loadModel`, or `withInputs`. */
  readonly inputs: Inputs;
  /** For the option of that name of `guide`: the negative prompt, or none. */
  readonly unconditionalInputs: Inputs;
  /** What of the texts was cut off, in plain words. */
  readonly warnings: readonly string[];
}

/** A text encoder of an architecture, and what of its outputs is used. */
interface TextEncoder {
  /** Of the folders `text_encoder` and `tokenizer`. */
  readonly suffix: '' | '_2' | '_3';
  /** Which hidden layer stands for the tokens. */
  readonly layer: 'last' | 'last but one';
  /** Whether a vector of the whole text is used too. */
  readonly pooled?: true;
  /** Tokens of a text, where not as many as its tokenizer says. */
  readonly length?: number;
  /** Whether networks are used without it too. */
  readonly optional?: true;
}

/** How a network takes texts. */
interface Architecture {
  readonly encoders: readonly TextEncoder[];
  /** What it is fed for what its encoders make of a text. */
  readonly inputs: (encoded: readonly (EncodedText | undefined)[], pipeline: Context) => Inputs;
}

interface Context extends PipelineFolder {
  /** Height and width of the pictures. */
  readonly size: readonly [number, number];
}

/** Rombach et al. 2022. */
const stableDiffusion: Architecture = {
  encoders: [{ suffix: '', layer: 'last' }],
  inputs: ([text]) => ({ encoder_hidden_states: batchOfOne(text!.tokens, text!.width) }),
};

/** Podell et al. 2023: two text encoders side by side, and the size of the picture. */
const stableDiffusionXl: Architecture = {
  encoders: [
    { suffix: '', layer: 'last but one' },
    { suffix: '_2', layer: 'last but one', pooled: true },
  ],
  inputs([first, second], { size: [height, width] }) {
    const both = beside(first!, second!);
    return {
      encoder_hidden_states: batchOfOne(both.tokens, both.width),
      text_embeds: batchOfOne(second!.pooled),
      time_ids: batchOfOne(Float32Array.of(height, width, 0, 0, height, width)),
    };
  },
};

/** Esser et al. 2024: two side by side, filled up with zeros to the width of a third, whose tokens follow. */
const stableDiffusion3: Architecture = {
  encoders: [
    { suffix: '', layer: 'last but one', pooled: true },
    { suffix: '_2', layer: 'last but one', pooled: true },
    { suffix: '_3', layer: 'last', length: 256, optional: true },
  ],
  inputs([first, second, third], { network: { config } }) {
    const width = Number(config['joint_attention_dim']);
    const both = beside(first!, second!);
    const filled = beside(both, { width: width - both.width });
    const long = third?.tokens ?? new Float32Array(256 * width);
    return {
      encoder_hidden_states: batchOfOne(joined(filled.tokens, long), width),
      pooled_projections: batchOfOne(joined(first!.pooled, second!.pooled)),
    };
  },
};

/**
 * Reads a prompt by the tokenizers and text encoders in a folder of diffusers: Stable Diffusion 1, 2, XL and 3. A text is cut where its encoder reads
 * no further, with a warning. The text encoders are loaded for that alone.
 *
 * @param place As `loadModel` takes it.
 * @throws OptionError (`prompt`) for a model that takes none; LoadError where the package @huggingface/tokenizers is not installed; ModelError and
 *   DataError for what cannot be read.
 */
export async function encodePrompt(
  place: FilePath,
  prompt: string,
  options: PromptOptions = {},
): Promise<EncodedPrompt> {
  const folder = pathOf('folder', place);
  checkKnown(options, ['negative', 'shape', 'threads', 'provider']);
  const { negative, shape, threads, provider } = options;
  for (const [option, text] of Object.entries({ prompt, negative }))
    if (text !== undefined && typeof (text as unknown) !== 'string')
      throw new OptionError(option, text, 'a text');
  if (
    shape !== undefined &&
    !(isList(shape) && shape.length === 3 && shape.every((size) => Number.isSafeInteger(size) && size > 0))
  )
    throw new OptionError('shape', shape, '[channels, height, width] of a latent');
  if (!(await isFolder(folder))) {
    const expected = `left out: ${folder} is no folder with a tokenizer and a text encoder, as diffusers has them`;
    throw new OptionError('prompt', prompt, expected);
  }
  const pipeline = await readPipeline(folder);
  const architecture = architectureOf(pipeline, prompt);
  const size = architecture === stableDiffusionXl ? await pictureSize(pipeline, options) : ([0, 0] as const);
  const warnings: string[] = [];
  const encoded: (readonly EncodedText[] | undefined)[] = [];
  for (const encoder of architecture.encoders)
    encoded.push(
      await encode(pipeline, encoder, [prompt, negative ?? ''], defined({ threads, provider }), warnings),
    );
  const [inputs, unconditional] = [0, 1].map((text) =>
    architecture.inputs(
      encoded.map((texts) => texts?.[text]),
      { ...pipeline, size },
    ),
  ) as [Inputs, Inputs];
  const isZero = negative === undefined && pipeline.index['force_zeros_for_empty_prompt'] === true;
  return { inputs, unconditionalInputs: isZero ? withoutText(unconditional) : unconditional, warnings };
}

/** @throws OptionError for a network that takes no text; ModelError for one that takes more. */
function architectureOf(
  { folder, index, network: { config } }: PipelineFolder,
  prompt: string,
): Architecture {
  const kind = String(config['_class_name']);
  if (kind === 'SD3Transformer2DModel') return stableDiffusion3;
  if (kind !== 'UNet2DConditionModel')
    throw new OptionError('prompt', prompt, `left out: the ${kind} in ${folder} takes no text`);
  const { addition_embed_type: addition } = config;
  const isScored = index['requires_aesthetics_score'] === true;
  if (typeof addition !== 'string') return stableDiffusion;
  if (addition === 'text_time' && !isScored) return stableDiffusionXl;
  throw new ModelError(
    `${folder}: Its network takes more than a text (${isScored ? 'a score of aesthetics' : addition}), which no prompt gives; feed it by inputs (--input).`,
    { value: folder },
  );
}

/** What an encoder makes of texts; undefined where the folder lacks one that can be lacking. */
async function encode(
  { folder }: PipelineFolder,
  { suffix, layer, pooled, length, optional }: TextEncoder,
  texts: readonly string[],
  options: SessionOptions,
  warnings: string[],
): Promise<EncodedText[] | undefined> {
  const name = `text_encoder${suffix}`;
  const part = await readPart(folder, name);
  if (!part) {
    if (optional) return undefined;
    throw new OptionError(
      'prompt',
      texts[0],
      `left out: ${folder} holds no ${name}/config.json beside ${name}/model.onnx`,
    );
  }
  if (Object.keys(part.config).length === 0)
    throw new DataError(`${folder}: Its ${name}/config.json says nothing. Is the folder complete?`, {
      value: folder,
    });
  const tokenizer = await loadTokenizer(join(folder, `tokenizer${suffix}`));
  const ids = texts.map((text) => {
    const { ids, lost } = tokenizer.encode(text, length);
    if (lost !== '')
      warnings.push(`${name} reads ${ids.length} tokens of a text; not read is ${JSON.stringify(lost)}.`);
    return ids;
  });
  const tokens =
    layer === 'last' ? 'last_hidden_state' : `hidden_states.${Number(part.config['num_hidden_layers']) - 1}`;
  return encodeTexts(part, ids, { tokens, ...(pooled && { pooled: 'text_embeds' }) }, options);
}

/** Height and width of the pictures of latents. */
async function pictureSize(
  { folder, options }: PipelineFolder,
  { shape = options.shape }: PromptOptions,
): Promise<readonly [number, number]> {
  const { config } = await readAutoencoder(folder, 'decoder');
  const { block_out_channels: blocks } = config;
  const [, height, width] = shape ?? [];
  if (!isList(blocks) || height === undefined || width === undefined)
    throw new DataError(
      `${folder}: Its configs do not say the size of the pictures (sample_size, block_out_channels); give shape.`,
    );
  const factor = 2 ** (blocks.length - 1);
  return [factor * height, factor * width];
}

/** What stands for no text in networks that were trained with zeros in its place. */
function withoutText(inputs: Inputs): Inputs {
  const silent = Object.entries(inputs).map(([name, value]) => {
    if (name === 'time_ids' || typeof value === 'number') return [name, value];
    return [name, { ...value, data: new Float32Array(value.data.length) }];
  });
  return Object.fromEntries(silent) as Inputs;
}

/** Rows of two texts' tokens side by side; of zeros where there is no second. */
function beside(
  left: Pick<EncodedText, 'tokens' | 'width'>,
  right: { readonly tokens?: Float32Array; readonly width: number },
): Pick<EncodedText, 'tokens' | 'width'> {
  const width = left.width + right.width;
  const rows = left.tokens.length / left.width;
  const tokens = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    tokens.set(left.tokens.subarray(row * left.width, (row + 1) * left.width), row * width);
    const own = right.tokens?.subarray(row * right.width, (row + 1) * right.width);
    if (own) tokens.set(own, row * width + left.width);
  }
  return { tokens, width };
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const values = new Float32Array(first.length + second.length);
  values.set(first);
  values.set(second, first.length);
  return values;
}

/** [1, width], or [1, rows, width]: the same for all samples. */
function batchOfOne(data: Float32Array, width?: number): NdArray {
  return { data, shape: width === undefined ? [1, data.length] : [1, data.length / width, width] };
}
