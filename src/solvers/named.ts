import { OptionError } from '../errors.js';
import { checkChoice } from '../options.js';
import type { Corrector } from './corrector.js';
import { ald, langevin, noCorrector } from './correctors/langevin.js';
import { correctorOptions, predictorOptions, type CorrectorName, type PredictorName } from './names.js';
import type { Predictor } from './predictor.js';
import { ancestral } from './predictors/ancestral.js';
import { eulerMaruyama } from './predictors/euler-maruyama.js';
import { noPredictor } from './predictors/none.js';
import { probabilityFlow, reverseDiffusion } from './predictors/reverse-diffusion.js';
import { euler, heun, midpoint, rk4 } from './predictors/runge-kutta.js';

/** A method: its name, its name and options as plain data, or a value that was made of them or by the user. */
export type Named<Name extends string, Value> = Name | Described<Name> | Value;

/** A method as plain data, such as `{ name: 'ancestral', clip: true }`. */
export interface Described<Name extends string> {
  readonly name: Name;
  readonly [option: string]: unknown;
}

/** How the methods of a kind are made of their options. */
export type Makers<Name extends string, Value> = Readonly<Record<Name, (options: never) => Value>>;

export const predictors: Makers<PredictorName, Predictor> = {
  'euler-maruyama': eulerMaruyama,
  'reverse-diffusion': reverseDiffusion,
  ancestral,
  'probability-flow': probabilityFlow,
  euler,
  midpoint,
  heun,
  rk4,
  none: noPredictor,
};

export const correctors: Makers<CorrectorName, Corrector> = { langevin, ald, none: noCorrector };

/** The predictor of this name, or the value itself. @throws OptionError for what is neither. */
export function namedPredictor(predictor: Named<PredictorName, Predictor>): Predictor {
  return made('predictor', predictor, 'begin', predictors, predictorOptions);
}

/** The corrector of this name, or the value itself. @throws OptionError for what is neither. */
export function namedCorrector(corrector: Named<CorrectorName, Corrector>): Corrector {
  return made('corrector', corrector, 'begin', correctors, correctorOptions);
}

/**
 * The method that is meant.
 *
 * @param kind what errors call it.
 * @param method a function that every value of the kind has.
 * @throws OptionError for a name or an option that is unknown, and for what is no method of this kind.
 */
export function made<Name extends string, Value extends object>(
  kind: string,
  given: Named<Name, Value>,
  method: keyof Value & string,
  makers: Makers<Name, Value>,
  known: Readonly<Record<Name, readonly string[]>>,
): Value {
  const names = Object.keys(makers) as Name[];
  if (typeof given === 'object' && (given as object | null) !== null) {
    if (typeof (given as Value)[method] === 'function') return given as Value;
    const { name, ...options } = given as Described<Name>;
    if (typeof (name as unknown) === 'string') {
      const make = makers[checkChoice(`${kind}.name`, name, names)];
      for (const option of Object.keys(options))
        checkTaken(`${kind}.${option}`, options[option], option, kind, name, known[name]);
      return make(options as never);
    }
  }
  if (typeof given === 'string') return makers[checkChoice(kind, given, names)]({} as never);
  throw new OptionError(
    kind,
    given,
    `a ${kind}, its name, or { name, ...options }; the names are ${names.join(', ')}`,
  );
}

/** Throws where a method does not take an option that is given. */
export function checkTaken(
  path: string,
  value: unknown,
  option: string,
  kind: string,
  name: string,
  taken: readonly string[],
): void {
  if (value === undefined || taken.includes(option)) return;
  const takes = taken.length === 0 ? 'no options' : taken.join(', ');
  throw new OptionError(path, value, `left out: ${kind} ${name} takes ${takes}`);
}
