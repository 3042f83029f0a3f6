import type { DerivativeCost, DerivativeMethod, ScoreDerivative } from '../score/derivative.js';
import { guidedDensity, priorMismatch } from '../score/doubts.js';
import { recordOfInputs } from '../score/inputs.js';
import type { ScoreModel } from '../score/model.js';
import { noCounts, type Counts } from '../solvers/counts.js';
import { betweenLevels, levelDoubts, startOf } from '../solvers/process-record.js';
import type { LikelihoodJob, TraceMethod } from './job.js';
import type { Passes } from './passes.js';

/** A mean over the data. */
export interface MeanBits {
  /** Mean over the samples, in bits per dimension. */
  readonly bitsPerDim: number;
  /** Standard error of the mean over data drawn like these; NaN for one datum. */
  readonly standardError: number;
  /** Its part from the random vectors and the dequantisation: the standard error for these very data. */
  readonly estimatorError?: number;
}

/** Densities, with what their estimate leaves open. */
export interface LikelihoodResult {
  /** ln p_epsilon(x) of every sample in nats, in the model's own space: the mean over random vectors and passes. */
  readonly logDensity: Float64Array;
  /** -ln p / (d ln 2) + `offset`. */
  readonly bitsPerDim: Float64Array;
  /** Standard error of each of `bitsPerDim` from random vectors and dequantisation; absent with a single estimate. */
  readonly standardError?: Float64Array;
  /** Mean of `bitsPerDim` over the samples, with its errors. */
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
  /** How the trace was had. */
  readonly trace: TraceMethod;
  /** [count, ...shape] in the prior's unit, with `latents`. */
  readonly latents?: Float64Array;
  /** Evaluations of the right-hand side for every sample over all passes, rejected steps included. */
  readonly evaluations: Int32Array;
  /** Evaluations by purpose of the sample that took the most. A run that gives score and product counts as the product. */
  readonly counts: Counts;
  /** Wall-clock time of the run. */
  readonly seconds: number;
  /** Doubts about the figures, in plain words. */
  readonly warnings: readonly string[];
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What the passes say together. */
export function summarise(
  model: ScoreModel,
  derivative: ScoreDerivative,
  job: LikelihoodJob,
  { passes, evaluations, rejected, cost, networks, extra }: Passes,
): Omit<LikelihoodResult, 'latents' | 'seconds'> {
  const { sde } = model;
  const { method, reason } = derivative;
  const { dimension, offset, repeats, bins, elboDraws, epsilon, trace } = job;
  const nats = dimension * Math.LN2;
  const toBits = (value: number) => -value / nats + offset;
  const logDensity = mean(passes.map((pass) => pass.logDensity));
  const bitsPerDim = logDensity.map(toBits);
  const variance = repeats > 1 ? varianceOfMean(passes.map((pass) => pass.logDensity)) : passes[0]!.variance;
  const standardError = Number.isNaN(variance[0]!) ? undefined : variance.map((v) => Math.sqrt(v) / nats);
  const sigma = sde.sigma(epsilon);
  const found = {
    epsilon: { t: epsilon, sigma, ...(bins !== undefined && { bins: sigma / job.binWidth }) },
    derivative: {
      method,
      ...(reason !== undefined && { reason }),
      ...(derivative.discrepancy && {
        error: mean(passes.map((pass) => pass.derivativeError)).map((error) => error / nats),
      }),
    },
  };
  return {
    logDensity,
    bitsPerDim,
    ...(standardError && { standardError }),
    mean: meanBits(bitsPerDim, standardError),
    offset,
    ...(elboDraws > 0 && { elbo: summariseBound(passes, nats, toBits) }),
    ...found,
    trace,
    evaluations,
    counts: countsOf(evaluations, rejected, cost, networks, extra),
    warnings: [
      ...priorMismatch(model, job.labels),
      ...levelDoubts(model),
      ...guidedDensity(model),
      ...doubtsOf(found),
    ],
    options: resolvedOptions(model, derivative, job),
  };
}

/** Every option as resolved. */
export function resolvedOptions(
  model: ScoreModel,
  derivative: ScoreDerivative,
  job: LikelihoodJob,
): Record<string, unknown> {
  const { bins, elboDraws, epsilon, trace, probes } = job;
  return {
    sde: model.sde.name,
    ...(model.guidance && { guidance: model.guidance }),
    ...recordOfInputs(model),
    ...job.tolerances,
    epsilon,
    trace,
    ...(trace !== 'exact' && { probes }),
    derivative: derivative.method,
    repeats: job.repeats,
    ...(bins !== undefined && { bins }),
    ...(elboDraws > 0 && { elboDraws }),
    count: job.count,
    batch: job.batch,
    seed: job.seed,
    first: job.first,
    ...startOf(model),
    ...betweenLevels(model),
  };
}

function summariseBound(
  passes: Passes['passes'],
  nats: number,
  toBits: (value: number) => number,
): NonNullable<LikelihoodResult['elbo']> {
  const bitsPerDim = mean(passes.map((pass) => pass.bound)).map(toBits);
  const squares = mean(passes.map((pass) => pass.boundError.map((error) => error * error)));
  const standardError = squares.map((square) => Math.sqrt(square) / Math.sqrt(passes.length) / nats);
  return { bitsPerDim, standardError, mean: meanBits(bitsPerDim, standardError) };
}

/** The evaluations of the sample that took the most. */
function countsOf(
  evaluations: Int32Array,
  rejected: Int32Array,
  cost: DerivativeCost,
  networks: Passes['networks'],
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
    networks: networks[most]!,
  };
}

function mean(passes: readonly Float64Array[]): Float64Array {
  return passes[0]!.map((_, i) => passes.reduce((sum, pass) => sum + pass[i]!, 0) / passes.length);
}

function varianceOfMean(passes: readonly Float64Array[]): Float64Array {
  const n = passes.length;
  return mean(passes).map((average, i) => {
    return passes.reduce((sum, pass) => sum + (pass[i]! - average) ** 2, 0) / (n * (n - 1));
  });
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

function doubtsOf({ derivative, epsilon }: Pick<LikelihoodResult, 'derivative' | 'epsilon'>): string[] {
  const doubts: string[] = [];
  if (derivative.reason !== undefined && derivative.error) {
    const error = derivative.error.reduce((a, b) => Math.max(a, b)).toPrecision(2);
    doubts.push(
      `Derivatives are central differences, whose error may reach ${error} bits/dim: ${derivative.reason}`,
    );
  }
  if (epsilon.bins !== undefined && epsilon.bins > 1) {
    doubts.push(
      `The density is that of data with noise of ${epsilon.bins.toPrecision(3)} bins of the data range; ` +
        'it does not compare with bits/dim of clean data.',
    );
  }
  return doubts;
}
