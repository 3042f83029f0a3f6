import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { EncodedPrompt, PromptOptions } from '../../latent/prompt.js';
import { defined } from '../../options.js';
import { addOptions } from './arguments.js';
import { isClassifierFree, type GuidanceFlags } from './guidance.js';

/** Flags that tell a model by a text what to draw. */
export interface PromptFlags {
  readonly prompt?: string;
  readonly negativePrompt?: string;
}

/** Adds the flags of {@link PromptFlags} to a command. */
export function addPromptOptions(command: Command): void {
  const options = [
    new Option(
      '--prompt <text>',
      "what to draw, for a model in a folder as diffusers' ONNX export writes it",
    ),
    new Option('--negative-prompt <text>', 'what --guidance leads away from (default: nothing)'),
  ];
  for (const option of options) option.conflicts('mixture');
  addOptions(command, 'Text:', options);
}

/**
 * The prompt in the flags, as a network is fed it; undefined where there is none.
 * @throws OptionError for a model that takes none, and for a negative prompt without effect; what `encodePrompt` throws.
 */
export async function promptOf(
  path: string,
  flags: PromptFlags & GuidanceFlags & Pick<PromptOptions, 'shape' | 'threads' | 'provider'>,
): Promise<EncodedPrompt | undefined> {
  const { prompt, negativePrompt, shape, threads, provider } = flags;
  if (negativePrompt !== undefined && (prompt === undefined || !isClassifierFree(flags))) {
    const expected =
      'left out unless --prompt and --guidance are given, and neither --classifier nor --guide';
    throw new OptionError('negativePrompt', negativePrompt, expected);
  }
  if (prompt === undefined) return undefined;
  const { encodePrompt } = await import('../../latent/prompt.js');
  return encodePrompt(path, prompt, defined({ negative: negativePrompt, shape, threads, provider }));
}
