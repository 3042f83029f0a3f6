import { OptionError } from '../errors.js';
import { checkChoice, checkKnown, checkNumber } from '../options.js';

/**
 * A moving average of the parameters, mean = d mean + (1 - d) parameters after each step, by how d depends on the step n (1 for
 * the first) or on the number of images seen:
 *
 * - `constant`: d = decay;
 * - `warm-up`: d = min(decay, (1 + n) / (10 + n)), so that early parameters are soon forgotten (score_sde);
 * - `half-life`: weights halve with every `images` images, and at the start with every `ramp` times those seen so far
 *   (Karras et al. 2022);
 * - `inverse`: d = min(decay, 1 - (1 + (n - 1) / inverseGamma)^-power) (k-diffusion);
 * - `power-function`: weights proportional to (images seen)^gamma, a profile whose standard deviation is `deviation` times the
 *   length of the run (Karras et al. 2024, section 3.1).
 */
export type Ema =
  | { readonly kind: 'constant' | 'warm-up'; readonly decay: number }
  | {
      readonly kind: 'half-life';
      readonly images: number;
      /** Default 0.05; 0 for none. */
      readonly ramp?: number;
    }
  | {
      readonly kind: 'inverse';
      /** Default 2/3. */
      readonly power?: number;
      /** Default 1. */
      readonly inverseGamma?: number;
      /** Default 1. */
      readonly decay?: number;
    }
  | { readonly kind: 'power-function'; readonly deviation: number };

/**
 * The decay d of a step.
 *
 * @param step 1 for the first
 * @param batch images of a step
 */
export function emaDecay(ema: Ema, step: number, batch: number): number {
  switch (ema.kind) {
    case 'constant':
      return ema.decay;
    case 'warm-up':
      return Math.min(ema.decay, (1 + step) / (10 + step));
    case 'half-life': {
      const { images, ramp = 0.05 } = ema;
      const halfLife = ramp === 0 ? images : Math.min(images, ramp * (step - 1) * batch);
      return 0.5 ** (batch / halfLife);
    }
    case 'inverse': {
      const { power = 2 / 3, inverseGamma = 1, decay = 1 } = ema;
      return Math.min(decay, 1 - (1 + (step - 1) / inverseGamma) ** -power);
    }
    case 'power-function':
      return (1 - 1 / step) ** (powerFunctionExponent(ema.deviation) + 1);
  }
}

/**
 * The exponent gamma of a power-function average of this relative standard deviation: the largest root of
 * gamma^3 + 7 gamma^2 + (16 - 1 / deviation^2) gamma + 12 - 1 / deviation^2 = 0 (Karras et al. 2024, section 3.1).
 */
export function powerFunctionExponent(deviation: number): number {
  const t = deviation ** -2;
  // Above the largest root the cubic is increasing and convex, so Newton's method comes down to it from any larger start.
  let gamma = Math.sqrt(t) + 1;
  for (let k = 0; k < 60; k++) {
    const value = ((gamma + 7) * gamma + 16 - t) * gamma + 12 - t;
    const slope = (3 * gamma + 14) * gamma + 16 - t;
    gamma -= value / slope;
  }
  return gamma;
}

/** The largest deviation of a power-function average: that of equal weights. */
const UNIFORM_DEVIATION = 1 / Math.sqrt(12);

const entriesOf: Readonly<Record<Ema['kind'], readonly string[]>> = {
  constant: ['decay'],
  'warm-up': ['decay'],
  'half-life': ['images', 'ramp'],
  inverse: ['power', 'inverseGamma', 'decay'],
  'power-function': ['deviation'],
};

/** @throws OptionError naming the value that cannot be used. */
export function checkEma(ema: Ema, option: string): Ema {
  const kind = checkChoice(`${option}.kind`, ema.kind, Object.keys(entriesOf) as Ema['kind'][]);
  checkKnown(ema, ['kind', ...entriesOf[kind]], option);
  switch (ema.kind) {
    case 'constant':
    case 'warm-up':
      checkDecay(`${option}.decay`, ema.decay);
      break;
    case 'half-life':
      checkNumber(`${option}.images`, ema.images, 0);
      if (ema.ramp !== undefined) checkNumber(`${option}.ramp`, ema.ramp, 0, true);
      break;
    case 'inverse':
      if (ema.power !== undefined) checkNumber(`${option}.power`, ema.power, 0);
      if (ema.inverseGamma !== undefined) checkNumber(`${option}.inverseGamma`, ema.inverseGamma, 0);
      if (ema.decay !== undefined) checkDecay(`${option}.decay`, ema.decay);
      break;
    case 'power-function':
      checkDeviation(`${option}.deviation`, ema.deviation);
  }
  return ema;
}

/** @throws OptionError for what is no relative standard deviation of a power-function average. */
export function checkDeviation(option: string, deviation: number): number {
  if (deviation > 0 && deviation < UNIFORM_DEVIATION) return deviation;
  throw new OptionError(option, deviation, 'between 0 and 0.288 (1 / sqrt(12))');
}

function checkDecay(option: string, decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw new OptionError(option, decay, 'a number from 0 to 1');
}
