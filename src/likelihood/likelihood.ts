import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkNumber, checkSignal } from '../options.js';
import { scoreDerivative, type DerivativeCost, type DerivativeMethod } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { checkEpsilon } from '../sde/constants.js';
import type { Sde } from '../sde/sde.js';
import { noCounts, type Counts } from '../solvers/batch.js';
import { checkFlowTolerances, type FlowTolerances, type Variable } from '../solvers/ode/flow-integration.js';
import { labelsOf, seedOf } from '../sampling/arguments.js';
import { integratePart, type LikelihoodJob } from './log-density.js';
import { countOf, dimensionOf, isImage, type Data } from './data-space.js';

export interface LikelihoodOptions extends FlowTolerances {
  /** What the ODE is integrated in. Default `lambda`. */
  readonly variable?: Variable;
  /**
   * Time at which the density is taken: the result is ln p_epsilon, of data with noise sigma(epsilon). Default 1e-5 for
   * VP, sub-VP and VE; otherwise the SDE's.
   */
  readonly epsilon?: number;
  /** Random vectors of Hutchinson's trace estimate, on one trajectory; 2 or more give a standard error. Default 1. */
  readonly probes?: number;
  /** Their distribution. Default `rademacher`, whose variance is never larger. */
  readonly probe?: 'rademacher' | 'gaussian';
  /** Largest dimension at which the trace is exact, by one product per dimension. Default 16. */
  readonly exactUpTo?: number;
  /** How the score is differentiated. Default: the best way that the model has. */
  readonly derivative?: DerivativeMethod;
  /** Passes over the data, each with other random vectors and, for bytes, other dequantisation noise. Default 1. */
  readonly repeats?: number;
  /** Equal parts of the data range that bits/dim count. Default: 256 for bytes and images; otherwise none. */
  readonly bins?: number;
  /** Times drawn for the bound beside the density, an even number; each costs two evaluations. Default 0: no bound. */
  readonly elboDraws?: number;
  /** Return the latent codes x_T / priorSigma of the first pass. Default false. */
  readonly latents?: boolean;
  /** Samples that go through the network at once. Default: all, at most 64. */
  readonly batch?: number;
  /** Unsigned 64-bit seed. Default 0. A result is a function of the model, the datum, the seed, its index and the options. */
  readonly seed?: bigint | number;
  /** Global index of the first sample, which addresses its noise. Default 0. */
  readonly first?: number;
  /** Class of every sample, or one class per sample, for a model with a class input. */
  readonly classLabel?: number | Int32Array;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LikelihoodProgress) => void;
}

export interface LikelihoodProgress {
  /** Samples that are finished in this pass, of `count`. */
  readonly done: number;
  readonly count: number;
  /** Time that the current batch has reached. */
  readonly time: number;
  /** Share of the whole run that is done, from 0 to 1. */
  readonly fraction: number;
}

/** A mean over the data. */
export interface MeanBits {
  readonly bitsPerDim: number;
  /** Standard error of the mean over data drawn like these; NaN for one datum. */
  readonly standardError: number;
  /** Its part from the random vectors and the dequantisation: the standard error for these very data. */
  readonly estimatorError?: number;
}

export interface LikelihoodResult {
  /** ln p_epsilon(x) of every sample in nats, in the model's own space: the mean over random vectors and passes. */
  readonly logDensity: Float64Array;
  /** -ln p / (d ln 2) + `offset`. */
  readonly bitsPerDim: Float64Array;
  /** Standard error of each of `bitsPerDim` from random vectors and dequantisation; absent with a single estimate. */
  readonly standardError?: Float64Array;
  readonly mean: MeanBits;
  /** log2(bins / width of the data range): 7 for [-1, 1] and 8 for [0, 1] with 256 bins. 0 without bins. */
  readonly offset: number;
  /** Upper bound on bits/dim from the bound on the log-density of the reverse-time SDE. */
  readonly elbo?: {
    readonly bitsPerDim: Float64Array;
    readonly standardError: Float64Array;
    readonly mean: MeanBits;
  };
  /** Where the density is taken, its noise, and that noise in bins. */
  readonly epsilon: { readonly t: number; readonly sigma: number; readonly bins?: number };
  /** How the score was differentiated; why not better; and, for central differences, what that may cost in bits/dim. */
  readonly derivative: {
    readonly method: DerivativeMethod;
    readonly reason?: string;
    readonly error?: Float64Array;
  };
  /** Whether the trace was exact, and what it was estimated from otherwise. */
  readonly trace: 'exact' | 'rademacher' | 'gaussian';
  /** [count, ...shape] in the prior's unit, with `latents`. */
  readonly latents?: Float64Array;
  /** Evaluations of the right-hand side for every sample over all passes, rejected steps included. */
  readonly evaluations: Int32Array;
  /** Evaluations by purpose of the sample that took the most. A run that gives score and product counts as the product. */
  readonly counts: Counts;
  readonly seconds: number;
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Log-density of data under the probability-flow ODE of a score model, by the instantaneous change of variables
 * (Song et al. 2021, section 4.3 and appendix D.2).
 *
 * The error of the integral has a norm of its own, in nats per dimension, so that it is held to the tolerances like
 * the state; what the linear drift contributes is exact.
 *
 * @param data [count, ...shape]: bytes are dequantised, floats are taken as they are, in the model's own space.
 * @throws OptionError, NonFiniteScoreError, and IntegrationError where the tolerances cannot be reached.
 */
export async function likelihood(
  model: ScoreModel,
  data: Data,
  options: LikelihoodOptions = {},
): Promise<LikelihoodResult> {
  const began = performance.now();
  const job = resolve(model, data, options);
  const derivative = await scoreDerivative(model, options.derivative);
  const { count, dimension, batch, repeats, draws } = job;
  const passes: Pass[] = Array.from({ length: repeats }, () => emptyPass(count));
  const latents = options.latents ? new Float64Array(count * dimension) : undefined;
  const evaluations = new Int32Array(count);
  const rejected = new Int32Array(count);
  let cost: DerivativeCost = { score: 0, jvp: 0, vjp: 0 };
  let extra = 0;
  const total = repeats * count;
  for (const [repeat, pass] of passes.entries()) {
    for (let start = 0; start < count; start += batch) {
      const end = Math.min(start + batch, count);
      const done = repeat * count + start;
      const part = await integratePart(
        model,
        derivative,
        data,
        { start, end, repeat },
        job,
        (time, share) => {
          options.onProgress?.({
            done: start,
            count,
            time,
            fraction: (done + share * (end - start)) / total,
          });
        },
      );
      pass.logDensity.set(part.mean, start);
      pass.variance.set(part.variance, start);
      if (part.derivativeError) pass.derivativeError.set(part.derivativeError, start);
      if (part.bound) {
        pass.bound.set(part.bound.bound, start);
        pass.boundError.set(part.bound.standardError, start);
      }
      if (repeat === 0) latents?.set(part.latents, start * dimension);
      part.evaluations.forEach((n, i) => (evaluations[start + i]! += n));
      part.rejected.forEach((n, i) => (rejected[start + i]! += n));
      ({ cost, extra } = part);
    }
  }
  const nats = dimension * Math.LN2;
  const logDensity = meanOf(passes.map((pass) => pass.logDensity));
  const variance = repeats > 1 ? varianceOf(passes.map((pass) => pass.logDensity)) : passes[0]!.variance;
  const standardError = Number.isNaN(variance[0]!) ? undefined : variance.map((v) => Math.sqrt(v) / nats);
  const bitsPerDim = logDensity.map((value) => -value / nats + job.offset);
  const bound = meanOf(passes.map((pass) => pass.bound)).map((value) => -value / nats + job.offset);
  const boundError = rootMeanSquare(passes.map((pass) => pass.boundError)).map(
    (error) => error / Math.sqrt(repeats) / nats,
  );
  const sigma = model.sde.sigma(job.epsilon);
  return {
    logDensity,
    bitsPerDim,
    ...(standardError && { standardError }),
    mean: meanBits(bitsPerDim, standardError),
    offset: job.offset,
    ...(draws > 0 && {
      elbo: { bitsPerDim: bound, standardError: boundError, mean: meanBits(bound, boundError) },
    }),
    epsilon: { t: job.epsilon, sigma, ...(job.bins !== undefined && { bins: sigma / job.binWidth }) },
    derivative: {
      method: derivative.method,
      ...(derivative.reason !== undefined && { reason: derivative.reason }),
      ...(derivative.discrepancy && {
        error: meanOf(passes.map((pass) => pass.derivativeError)).map((error) => error / nats),
      }),
    },
    trace: job.exact ? 'exact' : job.probe,
    ...(latents && { latents }),
    evaluations,
    counts: countsOf(evaluations, rejected, cost, extra * repeats),
    seconds: (performance.now() - began) / 1000,
    options: {
      sde: model.sde.name,
      ...job.tolerances,
      epsilon: job.epsilon,
      ...(job.exact ? { trace: 'exact' } : { trace: job.probe, probes: job.probes }),
      derivative: derivative.method,
      repeats,
      ...(job.bins !== undefined && { bins: job.bins }),
      ...(draws > 0 && { elboDraws: draws }),
      count,
      batch,
      seed: job.seed,
      first: job.first,
    },
  };
}

function resolve(model: ScoreModel, data: Data, options: LikelihoodOptions): LikelihoodJob {
  const { sde } = model;
  const count = countOf(model, data);
  const dimension = dimensionOf(model);
  const bins = options.bins ?? (data instanceof Uint8Array || isImage(model) ? 256 : undefined);
  if (bins !== undefined) checkNumber('bins', bins, 0);
  if (data instanceof Uint8Array && bins !== 256) throw new OptionError('bins', bins, '256 for bytes');
  const width = sde.dataRange[1] - sde.dataRange[0];
  const draws = checkInteger('elboDraws', options.elboDraws ?? 0, 0);
  if (draws % 2 === 1) throw new OptionError('elboDraws', draws, 'an even number');
  return {
    count,
    dimension,
    tolerances: checkFlowTolerances(options, 'lambda'),
    epsilon: checkEpsilon(options.epsilon ?? likelihoodEpsilon(sde), sde.T),
    exact: dimension <= checkInteger('exactUpTo', options.exactUpTo ?? 16, 0),
    probes: checkInteger('probes', options.probes ?? 1, 1),
    probe: checkChoice('probe', options.probe ?? 'rademacher', ['rademacher', 'gaussian']),
    repeats: checkInteger('repeats', options.repeats ?? 1, 1),
    bins,
    binWidth: bins === undefined ? 1 : width / bins,
    offset: bins === undefined ? 0 : Math.log2(bins / width),
    draws,
    batch: Math.min(count, checkInteger('batch', options.batch ?? 64, 1)),
    seed: seedOf(options.seed ?? 0),
    first: checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count),
    labels: labelsOf(model, options.classLabel, count),
    signal: checkSignal(options.signal),
  };
}

/** Where the published code takes the density: 1e-5 on the unit interval of VP, sub-VP and VE. */
export function likelihoodEpsilon(sde: Sde): number {
  return sde.T === 1 ? Math.min(1e-5, sde.epsilon) : sde.epsilon;
}

/** Results of one pass over the data, per sample, in nats. */
interface Pass {
  readonly logDensity: Float64Array;
  /** Of the mean over the random vectors; NaN with one. */
  readonly variance: Float64Array;
  readonly derivativeError: Float64Array;
  readonly bound: Float64Array;
  readonly boundError: Float64Array;
}

function emptyPass(count: number): Pass {
  const make = () => new Float64Array(count);
  return {
    logDensity: make(),
    variance: make(),
    derivativeError: make(),
    bound: make(),
    boundError: make(),
  };
}

function countsOf(
  evaluations: Int32Array,
  rejected: Int32Array,
  cost: DerivativeCost,
  extra: number,
): Counts {
  const most = evaluations.indexOf(evaluations.reduce((a, b) => Math.max(a, b)));
  const kept = evaluations[most]! - rejected[most]!;
  return {
    ...noCounts(),
    score: kept * cost.score + extra,
    jvp: kept * cost.jvp,
    vjp: kept * cost.vjp,
    rejected: rejected[most]! * (cost.score + cost.jvp + cost.vjp),
  };
}

function meanOf(passes: readonly Float64Array[]): Float64Array {
  return passes[0]!.map((_, i) => passes.reduce((sum, pass) => sum + pass[i]!, 0) / passes.length);
}

/** Variance of the mean over the passes. */
function varianceOf(passes: readonly Float64Array[]): Float64Array {
  const n = passes.length;
  return meanOf(passes).map((mean, i) => {
    return passes.reduce((sum, pass) => sum + (pass[i]! - mean) ** 2, 0) / (n * (n - 1));
  });
}

function rootMeanSquare(passes: readonly Float64Array[]): Float64Array {
  return meanOf(passes.map((pass) => pass.map((value) => value * value))).map(Math.sqrt);
}

function meanBits(bits: Float64Array, errors: Float64Array | undefined): MeanBits {
  const n = bits.length;
  const bitsPerDim = bits.reduce((sum, value) => sum + value, 0) / n;
  const squares = bits.reduce((sum, value) => sum + (value - bitsPerDim) ** 2, 0);
  return {
    bitsPerDim,
    standardError: Math.sqrt(squares / (n - 1) / n),
    ...(errors && { estimatorError: Math.hypot(...errors) / n }),
  };
}
