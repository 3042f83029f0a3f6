import { OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { fillNormal, fillUniform } from '../device/kernels.js';
import { checkChoice, checkNumber } from '../options.js';
import { timeLaws, type TimeLaw } from './names.js';
import type { ModelDescription } from '../score/network/description.js';
import { levelTime } from '../sde/ladder.js';
import type { Sde } from '../sde/sde.js';

/** At which times a network is trained. */
export interface TimesOptions {
  /**
   * - `uniform`: on [trainingEpsilon, T]; every level alike for a network with trained levels, which has no other law;
   * - `importance`: density proportional to g^2 / sigma^2, with the loss divided by it: the same expectation as `uniform`, and
   *   less variance with weighting `likelihood` (Song, Durkan, Murray and Ermon 2021, section 5.1);
   * - `log-normal`: ln(sigma / alpha) ~ N(logMean, logDeviation^2) within the times of the SDE (Karras et al. 2022, table 1).
   *
   * Default: `log-normal` for the EDM SDE, else `uniform`.
   */
  readonly times?: TimeLaw;
  /** Default -1.2 for data of standard deviation 0.5, as published; in general ln(sigmaData) - 0.507. */
  readonly logMean?: number;
  /** Default 1.2. */
  readonly logDeviation?: number;
  /**
   * Spread the times of a batch evenly over their law rather than draw them independently, which makes the loss of a batch
   * less noisy (Kingma et al. 2021, appendix I.1); not for `log-normal`. Default false.
   */
  readonly spread?: boolean;
  /** Smallest time. Default 1e-5 for VP, sub-VP and VE, as published; otherwise the SDE's epsilon. */
  readonly trainingEpsilon?: number;
}

/** Times of some rows of a batch. */
export interface TrainingTimes {
  readonly t: Float64Array;
  /** Trained level, 0 = least noise. */
  readonly index?: Int32Array;
  /** What each row's loss is multiplied with: the density of the uniform law over that of `importance`, else 1. */
  readonly weight: Float64Array;
}

/** Which rows of which step. */
export interface TrainingAddress {
  readonly seed: bigint;
  readonly step: number;
  /** Index of the first row within the batch. */
  readonly first: number;
}

/** Fractional part of the golden ratio: its multiples modulo 1 fill the unit interval evenly, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * The law of training times, as a function that draws those of some rows.
 * @throws OptionError for options that cannot be used.
 */
export function timesOf(
  { sde, ladder, sigmaData }: ModelDescription,
  options: TimesOptions,
): (rows: number, address: TrainingAddress) => TrainingTimes {
  const { times = sde.name === 'edm' ? 'log-normal' : 'uniform', spread = false } = options;
  checkChoice('times', times, timeLaws);
  if (ladder !== undefined) {
    if (options.times !== undefined && times !== 'uniform') {
      throw new OptionError('times', times, "'uniform' for a network with trained levels");
    }
    const { levels } = ladder;
    return (rows, address) => {
      const index = Int32Array.from(uniforms(rows, address, spread), (u) => Math.floor(u * levels));
      const t = Float64Array.from(index, (level) => levelTime(ladder, level));
      return { t, index, weight: ones(rows) };
    };
  }
  if (times === 'log-normal') {
    if (spread) throw new OptionError('spread', spread, "false with times 'log-normal'");
    return logNormalTimes(sde, sigmaData, options);
  }
  const epsilon = epsilonOf(sde, options);
  const span = sde.T - epsilon;
  if (times === 'uniform') {
    return (rows, address) => ({
      t: uniforms(rows, address, spread).map((u) => epsilon + u * span),
      weight: ones(rows),
    });
  }
  // d(-2 lambda)/dt = g^2 / sigma^2 for every SDE, so that this law is uniform in lambda.
  const start = sde.lambda(epsilon);
  const total = 2 * (start - sde.lambda(sde.T));
  return (rows, address) => {
    const t = uniforms(rows, address, spread).map((u) =>
      Math.min(sde.T, Math.max(epsilon, sde.timeOfLambda(start - 0.5 * u * total))),
    );
    return { t, weight: t.map((time) => (total * (sde.sigma(time) / sde.diffusion(time)) ** 2) / span) };
  };
}

/** Draws of ln(sigma / alpha) that one row may take until one lies within the times of the SDE. */
const MOST_DRAWS = 4096;

/** The law within the times of the SDE alone: what falls outside is drawn again, so that no time has a mass of its own. */
function logNormalTimes(
  sde: Sde,
  sigmaData: number,
  options: TimesOptions,
): (rows: number, address: TrainingAddress) => TrainingTimes {
  const { logMean = Math.log(sigmaData / 0.5) - 1.2, logDeviation = 1.2 } = options;
  checkNumber('logMean', logMean, -Infinity);
  checkNumber('logDeviation', logDeviation, 0);
  const [most, least] = [sde.lambda(epsilonOf(sde, options)), sde.lambda(sde.T)];
  return (rows, { first, ...address }) => {
    const lambda = new Float64Array(rows);
    const draw = (row: number, count: number, substep: number): void => {
      const z = lambda.subarray(row, row + count);
      fillNormal(z, count, { ...noiseAddress({ ...address, first: first + row }), substep });
      for (let i = 0; i < count; i++) z[i] = -(logMean + logDeviation * z[i]!);
    };
    draw(0, rows, 0);
    for (let row = 0; row < rows; row++) {
      for (let again = 1; !(lambda[row]! >= least && lambda[row]! <= most); again++) {
        if (again === MOST_DRAWS) {
          const noise = `${sde.name} SDE, whose ln(sigma / alpha) is from ${-most} to ${-least}`;
          throw new OptionError('logMean', logMean, `a mean within the noise of the ${noise}`);
        }
        draw(row, 1, again);
      }
    }
    // A loop, as map() makes an object of every number.
    const t = new Float64Array(rows);
    for (let row = 0; row < rows; row++) t[row] = sde.timeOfLambda(lambda[row]!);
    return { t, weight: ones(rows) };
  };
}

function epsilonOf(sde: Sde, { trainingEpsilon }: TimesOptions): number {
  if (trainingEpsilon !== undefined) {
    if (!(trainingEpsilon > 0 && trainingEpsilon < sde.T)) {
      throw new OptionError('trainingEpsilon', trainingEpsilon, `between 0 and T = ${sde.T}`);
    }
    return trainingEpsilon;
  }
  const published = sde.name === 'vp' || sde.name === 'subvp' || sde.name === 've';
  return published ? Math.min(1e-5, sde.epsilon) : sde.epsilon;
}

/** Uniform numbers in (0, 1), one for every row. */
function uniforms(rows: number, address: TrainingAddress, spread: boolean): Float64Array {
  const u = new Float64Array(spread ? 1 : rows);
  fillUniform(u, u.length, noiseAddress(spread ? { ...address, first: 0 } : address));
  return spread
    ? Float64Array.from({ length: rows }, (_, i) => (u[0]! + (address.first + i) * GOLDEN) % 1)
    : u;
}

function noiseAddress({ seed, step, first }: TrainingAddress) {
  return { seed, samples: first, step, stream: Stream.trainingTime };
}

function ones(length: number): Float64Array {
  return new Float64Array(length).fill(1);
}
