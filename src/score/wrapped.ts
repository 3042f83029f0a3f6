import { OptionError } from '../errors.js';
import type { Level } from '../sde/level.js';
import { closable } from '../closing.js';
import type { Inputs, ScoreModel } from './model.js';

/**
 * A model with another evaluation than the one it is made of: a guided score, a change of its output, a second network. The
 * parameterization, and so the meaning of the output F, is that of the model.
 *
 * What derives from the network alone, its closed form and its derivative, is left out.
 *
 * @param cost Runs of each network in one evaluation, by name; default that of the model.
 */
export function withEvaluate(
  model: ScoreModel,
  evaluate: ScoreModel['evaluate'],
  cost?: (level: Level) => Readonly<Record<string, number>>,
): ScoreModel {
  if (typeof (evaluate as unknown) !== 'function') throw new OptionError('evaluate', evaluate, 'a function');
  if (cost !== undefined && typeof (cost as unknown) !== 'function')
    throw new OptionError('cost', cost, 'a function of a level, such as () => ({ network: 2 })');
  const { shape, sde, parameterization, classes, nullClass, ladder, scheduler, inputs } = model;
  return {
    shape,
    sde,
    parameterization,
    ladder,
    scheduler,
    classes,
    nullClass,
    ...(inputs && { inputs: { ...inputs, with: refuse } }),
    coefficients: (level) => model.coefficients(level),
    evaluate,
    cost: cost ?? ((level) => model.cost?.(level) ?? { network: 1 }),
    ...closable(() => model.close()),
  };
}

function refuse(inputs: Inputs): never {
  const expected = 'given to the model that this one is made of, before it is made';
  throw new OptionError('inputs', inputs, expected);
}
