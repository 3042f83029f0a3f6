import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkKnown, checkNumber, checkSeed } from '../options.js';
import type { DerivativeMethod } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount, isImageShape } from '../shape.js';
import { countOf, type Data } from './data-space.js';
import {
  integrationOptions,
  planIntegration,
  type Integration,
  type IntegrationOptions,
} from './integration.js';

/** How the trace of the Jacobian is had: from every unit vector, or estimated from random signs or normal vectors. */
export type TraceMethod = 'exact' | 'rademacher' | 'gaussian';

/** How the density of samples is computed. */
export interface LikelihoodOptions extends IntegrationOptions {
  /**
   * How the trace of the Jacobian is had: `exact`, by one product per dimension, or Hutchinson's estimate from random signs
   * (`rademacher`, whose variance is never the larger) or normal vectors (`gaussian`). Default: `exact` up to 16 dimensions
   * where no `probes` are asked for, else `rademacher`.
   */
  readonly trace?: TraceMethod | undefined;
  /** Random vectors of the estimate, on one trajectory; 2 or more give a standard error. Default 1. */
  readonly probes?: number | undefined;
  /** How the score is differentiated. Default: the best way that the model has. */
  readonly derivative?: DerivativeMethod | undefined;
  /** Passes over the data, each with other random vectors and, for bytes, other dequantisation noise. Default 1. */
  readonly repeats?: number | undefined;
  /** Equal parts of the data range that bits/dim count. Default: 256 for bytes and images; otherwise none. */
  readonly bins?: number | undefined;
  /** Times drawn for the bound beside the density, an even number; each costs two evaluations. Default 0: no bound. */
  readonly elboDraws?: number | undefined;
  /** Return the latent codes x_T / priorSigma of the first pass. Default false. */
  readonly latents?: boolean | undefined;
  /** Unsigned 64-bit seed. Default 0. A result is a function of the model, the datum, the seed, its index and the options. */
  readonly seed?: bigint | number | undefined;
  /** Global index of the first sample, which addresses its noise. Default 0. */
  readonly first?: number | undefined;
}

const optionNames = Object.keys({
  ...{ trace: 1, probes: 1, derivative: 1, repeats: 1, bins: 1, elboDraws: 1, latents: 1, seed: 1, first: 1 },
} satisfies Record<Exclude<keyof LikelihoodOptions, keyof IntegrationOptions>, 1>);

/** A likelihood run with every option resolved. */
export interface LikelihoodJob extends Integration {
  readonly count: number;
  readonly dimension: number;
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
  readonly seed: bigint;
  readonly first: number;
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
  checkKnown(options, [...integrationOptions, ...optionNames]);
  const { sde } = model;
  const count = countOf(model, data);
  const dimension = elementCount(model.shape);
  const bins = options.bins ?? (data instanceof Uint8Array || isImageShape(model.shape) ? 256 : undefined);
  if (bins !== undefined) checkNumber('bins', bins, 0);
  if (data instanceof Uint8Array && bins !== 256) throw new OptionError('bins', bins, '256 for bytes');
  const width = sde.dataRange[1] - sde.dataRange[0];
  const elboDraws = checkInteger('elboDraws', options.elboDraws ?? 0, 0, MOST_DRAWS);
  if (elboDraws % 2 === 1) throw new OptionError('elboDraws', elboDraws, 'an even number');
  const integration = planIntegration(model, options, count);
  return {
    count,
    dimension,
    ...integration,
    ...traceOf(options, dimension, integration.batch),
    repeats: checkInteger('repeats', options.repeats ?? 1, 1, MOST_REPEATS),
    bins,
    binWidth: bins === undefined ? 1 : width / bins,
    offset: bins === undefined ? 0 : Math.log2(bins / width),
    elboDraws,
    seed: checkSeed(options.seed ?? 0),
    first: checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count),
  };
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
