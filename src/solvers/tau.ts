import { OptionError } from '../errors.js';
import { checkNumber, isRecord } from '../options.js';
import { integrate } from './quadrature.js';

/**
 * How much noise a stochastic solver adds: the reverse SDE with tau^2 times its noise variance; 0 is the ODE, 1 the reverse SDE of
 * Anderson. A number, a number for noise levels sigma / alpha between `least` and `most` and 0 outside, or a function of sigma / alpha.
 */
export type Tau =
  | number
  | { readonly value: number; readonly least: number; readonly most: number }
  | ((noiseLevel: number) => number);

/** tau^2 over lambda = -ln(sigma / alpha). */
export interface NoiseFunction {
  square(lambda: number): number;
  /** The integral of tau^2 from one lambda to another above it. */
  integral(from: number, to: number): number;
  /** Where it jumps, ascending. */
  readonly jumps: readonly number[];
}

/** @throws OptionError for what is no noise function. */
export function noiseFunction(option: string, tau: Tau): NoiseFunction {
  if (typeof tau === 'number') {
    const square = checkNumber(option, tau, 0, true) ** 2;
    return { square: () => square, integral: (from, to) => square * (to - from), jumps: [] };
  }
  if (typeof tau === 'function') {
    const square = (lambda: number): number => {
      const value = tau(Math.exp(-lambda));
      if (Number.isFinite(value) && value >= 0) return value ** 2;
      const expected = `a function that is finite and at least 0: at sigma / alpha = ${Math.exp(-lambda).toPrecision(4)} it is ${value}`;
      throw new OptionError(option, tau, expected);
    };
    return { square, integral: (from, to) => integrate(square, from, to), jumps: [] };
  }
  if (!isRecord(tau)) {
    const expected = 'a number, { value, least, most }, or a function of sigma / alpha';
    throw new OptionError(option, tau, expected);
  }
  const square = checkNumber(`${option}.value`, tau.value, 0, true) ** 2;
  const start = -Math.log(checkNumber(`${option}.most`, tau.most, 0));
  const end = -Math.log(checkNumber(`${option}.least`, tau.least, 0));
  if (!(start < end)) throw new OptionError(`${option}.least`, tau.least, `below most (${tau.most})`);
  return {
    square: (lambda) => (lambda >= start && lambda <= end ? square : 0),
    integral: (from, to) => square * Math.max(0, Math.min(to, end) - Math.max(from, start)),
    jumps: [start, end],
  };
}

/** The default of ER-SDE (Cui et al. 2023, SDE 5): phi(r) = r (exp(r^0.3) + 10), for which tau^2 = r phi' / phi - 1. */
export function erSdeTau(noiseLevel: number): number {
  const power = noiseLevel ** 0.3;
  // exp(power) / (exp(power) + 10), which does not overflow.
  return Math.sqrt((0.3 * power) / (1 + 10 * Math.exp(-power)));
}
