import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { Decoder, Encoder } from '../../latent/autoencoder.js';
import { defined } from '../../options.js';
import { addOptions, real } from './arguments.js';
import type { ModelFlags } from './model.js';

/** Flags that make pictures of the samples of a latent model. */
export interface DecoderFlags {
  readonly decoder?: string;
  readonly latentScale?: number;
  readonly latentShift?: number;
  /** False where the latents are wanted. */
  readonly decode?: boolean;
}

/** Flags that make latents of the pictures of a latent model. */
export interface EncoderFlags extends Pick<DecoderFlags, 'latentScale' | 'latentShift'> {
  readonly encoder?: string;
}

/** Adds the flags of {@link EncoderFlags} to a command. */
export function addEncoderOptions(command: Command): void {
  const options = [
    new Option(
      '--encoder <file>',
      "ONNX file that makes latents of pictures (default: a folder's vae_encoder)",
    ),
    real('--latent-scale <factor>', "factor of latents, such as 0.18215 (default: the encoder file's)"),
    real(
      '--latent-shift <number>',
      "what latents are shifted by before it (default: the encoder file's, else 0)",
    ),
  ];
  for (const option of options) option.conflicts('mixture');
  addOptions(command, 'Latents:', options);
}

/** Adds the flags of {@link DecoderFlags} to a command. */
export function addDecoderOptions(command: Command): void {
  const options = [
    new Option(
      '--decoder <file>',
      "ONNX file that makes pictures of latents (default: a folder's vae_decoder)",
    ),
    real('--latent-scale <factor>', "factor of latents, such as 0.18215 (default: the decoder file's)"),
    real(
      '--latent-shift <number>',
      "what latents are shifted by before it (default: the decoder file's, else 0)",
    ),
    new Option('--no-decode', 'write the latents as they are'),
  ];
  for (const option of options) option.conflicts('mixture');
  addOptions(command, 'Latents:', options);
}

/**
 * The decoder that the flags ask for, or that lies beside the model in its folder, found to fit latents of this shape; undefined where there is none.
 * @throws OptionError for a decoder of other latents, and for flags that do nothing without one.
 */
export async function openDecoder(
  model: string | undefined,
  flags: DecoderFlags & Pick<ModelFlags, 'threads' | 'provider'>,
  shape: readonly number[],
): Promise<Decoder | undefined> {
  const { decoder: given, latentScale, latentShift, decode, threads, provider } = flags;
  const source = decode === false ? undefined : (given ?? (await folderWith('vae_decoder', model)));
  if (source === undefined) {
    const idle = Object.entries({ decoder: given, latentScale, latentShift }).find(
      ([, value]) => value !== undefined,
    );
    if (idle)
      throw new OptionError(
        idle[0],
        idle[1],
        decode === false ? 'left out with --no-decode' : 'left out without a --decoder',
      );
    return undefined;
  }
  const { loadDecoder } = await import('../../latent/autoencoder.js');
  const decoder = await loadDecoder(source, defined({ latentScale, latentShift, threads, provider }));
  try {
    await decoder.pictureShape(shape);
    return decoder;
  } catch (cause) {
    await decoder.close();
    throw cause;
  }
}

/**
 * The encoder that the flags ask for, or that lies beside the model in its folder, with the shape of the pictures that it takes; undefined where there
 * is none.
 * @throws OptionError for an encoder of other latents, and for flags that do nothing without one.
 */
export async function openEncoder(
  model: string | undefined,
  flags: EncoderFlags & Pick<ModelFlags, 'threads' | 'provider'>,
  shape: readonly number[],
): Promise<{ readonly encoder: Encoder; readonly pictures: readonly number[] } | undefined> {
  const { encoder: given, latentScale, latentShift, threads, provider } = flags;
  const source = given ?? (await folderWith('vae_encoder', model));
  if (source === undefined) {
    const idle = Object.entries({ latentScale, latentShift }).find(([, value]) => value !== undefined);
    if (idle) throw new OptionError(idle[0], idle[1], 'left out without an --encoder');
    return undefined;
  }
  const { loadEncoder } = await import('../../latent/autoencoder.js');
  const [channels] = shape;
  const options = defined({ channels, latentScale, latentShift, threads, provider });
  const encoder = await loadEncoder(source, options);
  try {
    return { encoder, pictures: await encoder.pictureShape(shape) };
  } catch (cause) {
    await encoder.close();
    throw cause;
  }
}

/** The folder of a model, where it holds a part of this name. */
async function folderWith(part: string, model: string | undefined): Promise<string | undefined> {
  if (model === undefined) return undefined;
  const { isFolder } = await import('../../io/atomic.js');
  const { readPart } = await import('../../score/network/pipeline-folder.js');
  return (await isFolder(model)) && (await readPart(model, part)) ? model : undefined;
}

/** What the record of a run says of a decoder. */
export function decoderRecord({
  source,
  latentScale,
  latentShift,
}: Decoder): Readonly<Record<string, unknown>> {
  return { decoder: source, latentScale, latentShift };
}
