import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, isRecord } from '../options.js';
import type { Corrector } from './corrector.js';
import { ald, langevin, noCorrector } from './correctors/langevin.js';
import { correctorOptions, predictorOptions, type CorrectorName, type PredictorName } from './names.js';
import type { Predictor } from './predictor.js';
import { ancestral } from './predictors/ancestral.js';
import { consistency } from './predictors/consistency.js';
import { ddim } from './predictors/ddim.js';
import { deis } from './predictors/deis.js';
import { dpmpp2M, dpmpp2MSde, dpmpp3M, dpmpp3MSde, dpmppSde } from './predictors/dpm-solver-multistep.js';
import { dpmSolver1, dpmSolver2S, dpmSolver3S, dpmpp2S, dpmpp3S } from './predictors/dpm-solver.js';
import { edmHeun } from './predictors/edm-heun.js';
import { eulerMaruyama } from './predictors/euler-maruyama.js';
import { ipndm } from './predictors/ipndm.js';
import { noPredictor } from './predictors/none.js';
import { pndm } from './predictors/pndm.js';
import { probabilityFlow, reverseDiffusion } from './predictors/reverse-diffusion.js';
import { restart } from './predictors/restart.js';
import { euler, heun, midpoint, rk4 } from './predictors/runge-kutta.js';
import { erSde, saSolver } from './predictors/sa-solver.js';
import { unipc } from './predictors/unipc.js';

/** A method: its name, its name and options as plain data, or a value that was made of them or by the user. */
export type Named<Name extends string, Value> = Name | Described<Name> | Value;

/** A method as plain data, such as `{ name: 'ancestral', clip: true }`. */
export interface Described<Name extends string> {
  /** Which method; the other entries are its options. */
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
  ddim,
  'dpm-solver-1': dpmSolver1,
  'dpm-solver-2s': dpmSolver2S,
  'dpm-solver-3s': dpmSolver3S,
  'dpmpp-2s': dpmpp2S,
  'dpmpp-3s': dpmpp3S,
  'dpmpp-2m': dpmpp2M,
  'dpmpp-3m': dpmpp3M,
  unipc,
  deis,
  ipndm,
  pndm,
  'edm-heun': edmHeun,
  'dpmpp-sde': dpmppSde,
  'dpmpp-2m-sde': dpmpp2MSde,
  'dpmpp-3m-sde': dpmpp3MSde,
  sa: saSolver,
  'er-sde': erSde,
  consistency,
  restart,
  none: noPredictor,
};

export const correctors: Makers<CorrectorName, Corrector> = { langevin, ald, none: noCorrector };

/** The predictor that is meant. @throws OptionError for what is none. */
export function namedPredictor(predictor: Named<PredictorName, Predictor>): Predictor {
  return made('predictor', predictor, ['begin'], predictors, predictorOptions);
}

/** The corrector that is meant. @throws OptionError for what is none. */
export function namedCorrector(corrector: Named<CorrectorName, Corrector>): Corrector {
  const whole = made('corrector', corrector, ['begin'], correctors, correctorOptions);
  checkInteger('corrector.steps', whole.steps, 0);
  return whole;
}

/**
 * The method that is meant by a name, a name with options, or a value.
 *
 * @param kind what errors call it.
 * @param methods functions, one of which every value of the kind has.
 * @throws OptionError for a name or an option that is unknown, and for what is no method of this kind.
 */
export function made<Name extends string, Value extends { readonly name: string }>(
  kind: string,
  given: Named<Name, Value>,
  methods: readonly string[],
  makers: Makers<Name, Value>,
  known: Readonly<Record<Name, readonly string[]>>,
): Value {
  const names = Object.keys(makers) as Name[];
  const value: unknown = given;
  if (typeof value === 'string') return makers[checkChoice(kind, value, names)]({} as never);
  if (isRecord(value)) {
    const { name, ...options } = value;
    if (typeof name !== 'string')
      throw new OptionError(`${kind}.name`, name, 'a name, for the record of a run');
    const method = methods.find((candidate) => candidate in value);
    if (method !== undefined) {
      if (typeof value[method] === 'function') return given as Value;
      throw new OptionError(`${kind}.${method}`, value[method], 'a function');
    }
    const chosen = checkChoice(`${kind}.name`, name, names);
    for (const option of Object.keys(options))
      checkTaken(`${kind}.${option}`, options[option], option, kind, name, known[chosen]);
    return makers[chosen](options as never);
  }
  const expected = `a ${kind}, its name, or { name, ...options }; the names are ${names.join(', ')}`;
  throw new OptionError(kind, given, expected);
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
