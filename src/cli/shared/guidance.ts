import { Option, type Command } from 'commander';
import type { GuidanceDescription } from '../../control/describe.js';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import type { Inputs, ScoreModel } from '../../score/model.js';
import { addOptions, integer, list, numbers, real } from './arguments.js';
import { besidePrompt, inputsOf } from './inputs.js';

/** Flags that guide the score of a model. */
export interface GuidanceFlags {
  readonly guidance?: number;
  /** A file, or the embedded one. */
  readonly classifier?: string | true;
  readonly guide?: string;
  readonly guidanceInterval?: number[];
  readonly guidanceRescale?: number;
  readonly nullClass?: number;
  /** name=value each. */
  readonly unconditionalInput?: string[];
}

/** Adds the flags of {@link GuidanceFlags} to a command. */
export function addGuidanceOptions(command: Command): void {
  const options = [
    real('--guidance <scale>', 'weight of the class: 1 the class as it is, more an emphasis (default: 1)'),
    new Option(
      '--classifier [file]',
      'guide a model without classes by a classifier of noisy data (without a file: the embedded one)',
    ).conflicts('guide'),
    new Option('--guide <file>', 'guide the model by a weaker one of the same data, away from its errors'),
    numbers(
      '--guidance-interval <list>',
      'noise levels sigma/alpha at which it acts, such as 0.3,5 (default: all)',
    ),
    real(
      '--guidance-rescale <share>',
      'share, 0 to 1, of the spread of estimates of x_0 that is taken back (default: 0)',
    ),
  ];
  options.push(
    integer(
      '--null-class <n>',
      "the class that stands for none, of a network whose file does not say it: 1000 of DiT's",
    ),
    list(
      '--unconditional-input <v>',
      'NAME=VALUE: what an input is fed to be without its text, such as the embedding of an empty prompt; may be repeated',
    ),
  );
  for (const option of options) option.conflicts('mixture');
  addOptions(command, 'Guidance:', options);
}

/** Whether the flags guide the model by its own classes, so that it has to take some. */
export function isClassifierFree({ guidance, classifier, guide }: GuidanceFlags): boolean {
  return guidance !== undefined && classifier === undefined && guide === undefined;
}

/**
 * The guidance that the flags ask for; undefined where they ask for none.
 * @param withoutPrompt What the network is fed in the place of a prompt.
 * @throws OptionError for flags that do nothing without others, and for guidance by classes that the model does not have.
 */
export async function guidanceOf(
  flags: GuidanceFlags,
  model: ScoreModel,
  withoutPrompt?: Inputs,
): Promise<GuidanceDescription | undefined> {
  const { guidance, classifier, guide, guidanceInterval, guidanceRescale, nullClass, unconditionalInput } =
    flags;
  if (unconditionalInput && !isClassifierFree(flags)) {
    const expected = 'left out unless --guidance is given, and neither --classifier nor --guide';
    throw new OptionError('unconditionalInput', unconditionalInput.join(' '), expected);
  }
  if (nullClass !== undefined && !isClassifierFree(flags)) {
    const expected = 'left out unless --guidance is given, and neither --classifier nor --guide';
    throw new OptionError('nullClass', nullClass, expected);
  }
  const strength = defined({
    scale: guidance,
    interval: guidanceInterval as [number, number] | undefined,
    rescale: guidanceRescale,
  });
  if (classifier !== undefined) {
    return { kind: 'classifier', ...(classifier !== true && { classifier }), ...strength };
  }
  if (guidance === undefined) {
    const idle =
      guide !== undefined
        ? '--guide'
        : Object.keys(strength).length > 0
          ? '--guidance-interval and --guidance-rescale'
          : undefined;
    if (idle === undefined) return undefined;
    throw new OptionError(
      'guidance',
      guidance,
      `given where ${idle} should act: its default, 1, is the model as it is`,
    );
  }
  if (guide !== undefined) return { kind: 'autoguidance', guide, ...strength };
  if (model.classes === undefined && !model.inputs) {
    throw new OptionError(
      'guidance',
      guidance,
      'left out, or given with --classifier or --guide: this model takes no class',
    );
  }
  const given = unconditionalInput && (await inputsOf('unconditionalInput', unconditionalInput));
  const unconditionalInputs = besidePrompt('unconditionalInputs', withoutPrompt, given);
  return { kind: 'classifier-free', ...strength, ...defined({ nullClass, unconditionalInputs }) };
}
