import { OptionError } from '../errors.js';
import { checkChoice, checkInteger } from '../options.js';
import type { Ladder } from '../sde/ladder.js';
import type { Sde } from '../sde/sde.js';
import type { At, Parameterization, ScoreModel } from './model.js';
import { marginalAt, parameterizations, scoreCoefficients } from './parameterization.js';

export interface FunctionModelOptions {
  /** Shape of one sample. */
  readonly shape: readonly number[];
  readonly sde: Sde;
  /** What the function computes. Default `score`. */
  readonly parameterization?: Exclude<Parameterization, 'edm'>;
  /** Number of classes, where the function takes class labels. */
  readonly classes?: number;
  /** The noise levels that the function knows, where it knows only these. */
  readonly ladder?: Ladder;
  /**
   * Writes the score (or what `parameterization` says) at x, [batch, ...shape], into `output`, of the same length. Sample
   * i is at time at.t[i]. It may be asynchronous; nothing touches the arrays until its promise settles.
   */
  readonly evaluate: (
    x: Float32Array,
    at: At,
    output: Float32Array,
    labels?: Int32Array,
  ) => void | Promise<void>;
}

/** Array.isArray would forget the type of the elements. */
const isList: (value: unknown) => boolean = Array.isArray;

/** A score model from a function, synchronous or not. */
export function functionModel(options: FunctionModelOptions): ScoreModel {
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
    sde,
    parameterization,
    ...(classes !== undefined && { classes }),
    ...(ladder && { ladder }),
    coefficients: (t, index) => scoreCoefficients(parameterization, marginalAt({ sde, ladder }, t, index)),
    evaluate: (x, at, output, labels) => evaluate(x, at, output, labels),
    close: () => Promise.resolve(),
  };
}
