import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, isList } from '../options.js';
import { ladderSde } from '../sde/ladder-sde.js';
import type { Level, Process } from '../sde/level.js';
import { closable } from '../closing.js';
import type { Parameterization, ScoreModel } from './model.js';
import { parameterizations, scoreCoefficients } from './parameterization.js';

/** What has to be known of a function to sample by it. */
export interface FunctionModelOptions extends Process {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** What the function computes. Default `score`. */
  readonly parameterization?: Exclude<Parameterization, 'edm'>;
  /** Number of classes, where the function takes class labels. */
  readonly classes?: number;
  /**
   * Writes the score (or what `parameterization` says) at x, [batch, ...shape], into `output`, of the same length. Sample
   * i is at levels[i]. It may be asynchronous; nothing touches the arrays until its promise settles.
   */
  readonly evaluate: (
    x: Float32Array,
    levels: readonly Level[],
    output: Float32Array,
    labels?: Int32Array,
  ) => void | Promise<void>;
}

const optionNames = Object.keys({
  ...{ shape: 1, sde: 1, ladder: 1, parameterization: 1, classes: 1, evaluate: 1 },
} satisfies Record<keyof FunctionModelOptions, 1>);

/** A score model from a function, synchronous or not. */
export function functionModel(options: FunctionModelOptions): ScoreModel {
  checkKnown(options, optionNames);
  const { shape, sde, parameterization = 'score', classes, ladder, evaluate } = options;
  if (!isList(shape) || shape.length === 0)
    throw new OptionError('shape', shape, 'an array of at least one dimension');
  shape.forEach((size, i) => checkInteger(`shape[${i}]`, size, 1));
  checkChoice(
    'parameterization',
    parameterization,
    parameterizations.filter((name) => name !== 'edm'),
  );
  if (classes !== undefined) checkInteger('classes', classes, 1);
  if (typeof (evaluate as unknown) !== 'function') throw new OptionError('evaluate', evaluate, 'a function');
  return {
    shape: [...shape],
    sde: ladder ? ladderSde(ladder, sde) : sde,
    parameterization,
    ...(classes !== undefined && { classes }),
    ...(ladder && { ladder }),
    coefficients: (level) => scoreCoefficients(parameterization, level),
    evaluate: (x, levels, output, labels) => evaluate(x, levels, output, labels),
    ...closable(() => Promise.resolve()),
  };
}
