import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber, checkSeed, checkSignal } from '../options.js';
import { checkClassLabels } from '../score/class-label.js';
import type { DerivativeMethod } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { checkEpsilon } from '../sde/constants.js';
import { checkFlowTolerances, type FlowTolerances, type Variable } from '../solvers/ode/flow-integration.js';
import { elementCount, isImageShape } from '../shape.js';
import { countOf, type Data } from './data-space.js';

/** How the trace of the Jacobian is had: from every unit vector, or estimated from random signs or normal vectors. */
export type TraceMethod = 'exact' | 'rademacher' | 'gaussian';

export interface LikelihoodOptions extends FlowTolerances {
  /** What the ODE is integrated in. Default: `lambda` for pictures, `t` for points. */
  readonly variable?: Variable;
  /**
   * Time at which the density is taken: the result is ln p_epsilon, of data with noise sigma(epsilon). Default 1e-5 for
   * VP, sub-VP and VE; otherwise the SDE's.
   */
  readonly epsilon?: number;
  /**
   * How the trace of the Jacobian is had: `exact`, by one product per dimension, or Hutchinson's estimate from random signs
   * (`rademacher`, whose variance is never the larger) or normal vectors (`gaussian`). Default: `exact` up to 16 dimensions
   * where no `probes` are asked for, else `rademacher`.
   */
  readonly trace?: TraceMethod;
  /** Random vectors of the estimate, on one trajectory; 2 or more give a standard error. Default 1. */
  readonly probes?: number;
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

const optionNames = Object.keys({
  ...{ rtol: 1, atol: 1, coupling: 1, variable: 1, epsilon: 1, trace: 1, probes: 1, derivative: 1 },
  ...{ repeats: 1, bins: 1, elboDraws: 1, latents: 1, batch: 1, seed: 1, first: 1, classLabel: 1 },
  ...{ signal: 1, onProgress: 1 },
} satisfies Record<keyof LikelihoodOptions, 1>);

export interface LikelihoodProgress {
  /** Samples that are finished in this pass, of `count`. */
  readonly done: number;
  readonly count: number;
  /** Time that the current batch has reached. */
  readonly time: number;
  /** Share of the whole run that is done, from 0 to 1. */
  readonly fraction: number;
}

/** A likelihood run with every option resolved. */
export interface LikelihoodJob {
  readonly count: number;
  readonly dimension: number;
  readonly tolerances: Required<FlowTolerances>;
  readonly epsilon: number;
  readonly trace: TraceMethod;
  /** Random vectors on one trajectory. */
  readonly probes: number;
  readonly repeats: number;
  readonly bins: number | undefined;
  /** Width of a bin; 1 without bins. */
  readonly binWidth: number;
  /** log2(bins / width of the data range); 0 without bins. */
  readonly offset: number;
  /** Times drawn for the bound. */
  readonly elboDraws: number;
  readonly batch: number;
  readonly seed: bigint;
  readonly first: number;
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Largest dimension at which the trace is exact where nothing is asked for. */
const EXACT_UP_TO = 16;

/** Bounds on what would not end in a life's time: a run of so many passes is several runs with other seeds. */
const MOST_REPEATS = 10_000;
const MOST_DRAWS = 100_000;
/** Numbers in the random vectors of a batch, which are kept along its trajectory. */
const MOST_PROBE_NUMBERS = 2 ** 28;

/** @throws OptionError for data and options that cannot be used. */
export function planLikelihood(model: ScoreModel, data: Data, options: LikelihoodOptions): LikelihoodJob {
  checkKnown(options, optionNames);
  const { sde } = model;
  const count = countOf(model, data);
  const dimension = elementCount(model.shape);
  const bins = options.bins ?? (data instanceof Uint8Array || isImageShape(model.shape) ? 256 : undefined);
  if (bins !== undefined) checkNumber('bins', bins, 0);
  if (data instanceof Uint8Array && bins !== 256) throw new OptionError('bins', bins, '256 for bytes');
  const width = sde.dataRange[1] - sde.dataRange[0];
  const elboDraws = checkInteger('elboDraws', options.elboDraws ?? 0, 0, MOST_DRAWS);
  if (elboDraws % 2 === 1) throw new OptionError('elboDraws', elboDraws, 'an even number');
  const batch = Math.min(count, checkInteger('batch', options.batch ?? 64, 1));
  return {
    count,
    dimension,
    tolerances: checkFlowTolerances(options, defaultVariable(model)),
    epsilon: checkEpsilon(options.epsilon ?? sde.likelihoodEpsilon ?? sde.epsilon, sde.T),
    ...traceOf(options, dimension, batch),
    repeats: checkInteger('repeats', options.repeats ?? 1, 1, MOST_REPEATS),
    bins,
    binWidth: bins === undefined ? 1 : width / bins,
    offset: bins === undefined ? 0 : Math.log2(bins / width),
    elboDraws,
    batch,
    seed: checkSeed(options.seed ?? 0),
    first: checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count),
    labels: checkClassLabels(model, options.classLabel, count),
    signal: checkSignal(options.signal),
  };
}

/** By measurement: at one error lambda takes a third fewer evaluations on pictures under VP, t up to half as many on points. */
export function defaultVariable({ shape }: ScoreModel): Variable {
  return isImageShape(shape) ? 'lambda' : 't';
}

function traceOf(
  { trace, probes }: LikelihoodOptions,
  dimension: number,
  batch: number,
): Pick<LikelihoodJob, 'trace' | 'probes'> {
  const exact = dimension <= EXACT_UP_TO && probes === undefined;
  const method = checkChoice('trace', trace ?? (exact ? 'exact' : 'rademacher'), [
    'exact',
    'rademacher',
    'gaussian',
  ]);
  if (method === 'exact') {
    if (probes === undefined) return { trace: method, probes: 1 };
    throw new OptionError('probes', probes, "left out with trace 'exact', which takes no random vectors");
  }
  const most = Math.max(1, Math.floor(MOST_PROBE_NUMBERS / (batch * dimension)));
  return { trace: method, probes: checkInteger('probes', probes ?? 1, 1, most) };
}
