import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { Decoder } from '../../latent/autoencoder.js';
import { defined } from '../../options.js';
import { addOptions, real } from './arguments.js';
import type { ModelFlags } from './model.js';

/** Flags that make pictures of the samples of a latent model. */
export interface DecoderFlags {
  readonly decoder?: string;
  readonly latentScale?: number;
  readonly latentShift?: number;
}

/** Adds the flags of {@link DecoderFlags} to a command. */
export function addDecoderOptions(command: Command): void {
  const options = [
    new Option('--decoder <file>', 'ONNX file that makes pictures of latents, such as vae_decoder.onnx'),
    real('--latent-scale <factor>', "factor of latents, such as 0.18215 (default: the decoder file's)"),
    real(
      '--latent-shift <number>',
      "what latents are shifted by before it (default: the decoder file's, else 0)",
    ),
  ];
  for (const option of options) option.conflicts('mixture');
  addOptions(command, 'Latents:', options);
}

/**
 * The decoder that the flags ask for, found to fit latents of this shape; undefined where they ask for none.
 * @throws OptionError for a decoder of other latents, and for flags that do nothing without one.
 */
export async function openDecoder(
  {
    decoder: path,
    latentScale,
    latentShift,
    threads,
    provider,
  }: DecoderFlags & Pick<ModelFlags, 'threads' | 'provider'>,
  shape: readonly number[],
): Promise<Decoder | undefined> {
  if (path === undefined) {
    const idle = Object.entries({ latentScale, latentShift }).find(([, value]) => value !== undefined);
    if (idle) throw new OptionError(idle[0], idle[1], 'left out without a --decoder');
    return undefined;
  }
  const { loadDecoder } = await import('../../latent/autoencoder.js');
  const decoder = await loadDecoder(path, defined({ latentScale, latentShift, threads, provider }));
  try {
    await decoder.pictureShape(shape);
    return decoder;
  } catch (cause) {
    await decoder.close();
    throw cause;
  }
}

/** What the record of a run says of a decoder. */
export function decoderRecord({
  source,
  latentScale,
  latentShift,
}: Decoder): Readonly<Record<string, unknown>> {
  return { decoder: source, latentScale, latentShift };
}
