import { DataError, OptionError } from '../errors.js';
import {
  checkChoice,
  checkInteger,
  checkKnown,
  checkNumber,
  checkSeed,
  checkSignal,
  isList,
} from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import type { FilePath } from '../io/path.js';
import type { Sampler } from './cells.js';
import { distanceNames, type DistanceName, type ExactLaw, type ReferenceData } from './distances.js';
import { fineTolerance } from './fine-solution.js';

/** Which samplers are compared, at which budgets, by which distances. */
export interface CompareOptions {
  /** Default: `ddim,dpmpp-2m,unipc,edm-heun,dpmpp-2m-sde,ancestral`. */
  readonly samplers?: readonly Sampler[] | undefined;
  /** Evaluations that a sample may take, for every purpose. Default 10, 20 and 40. */
  readonly evaluations?: readonly number[] | undefined;
  /** Samples of each set. Default 200, of closed forms 2000. */
  readonly count?: number | undefined;
  /** Samples that go through the network at once. Default: count, at most 64, of closed forms 1024. */
  readonly batch?: number | undefined;
  /** Default 0. All samplers begin at the same points. */
  readonly seed?: bigint | number | undefined;
  /** Class of all samples, for a model with a class input. */
  readonly classLabel?: number | undefined;
  /** Default: all for which there is something to compare with. */
  readonly distances?: readonly DistanceName[] | undefined;
  /** The exact law of the data, such as the Gaussian mixture that the model is of. */
  readonly law?: ExactLaw | undefined;
  /** Features of data to compare with. Default: none. */
  readonly data?: ReferenceData | undefined;
  /** Relative and absolute tolerance of the fine solution of the ODE. Default 1e-5, of closed forms 1e-9. */
  readonly tolerance?: number | undefined;
  /** A folder that keeps what is done, so that a comparison goes on where it stopped; without it nothing is kept. */
  readonly folder?: FilePath | undefined;
  /** Facts about model and data for the record of the folder: plain data. A comparison that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>> | undefined;
  /** Stops the comparison with an AbortError; what a folder keeps stays. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how much is done. */
  readonly onProgress?: ((progress: CompareProgress) => void) | undefined;
}

const optionNames = Object.keys({
  ...{
    samplers: 1,
    evaluations: 1,
    count: 1,
    batch: 1,
    seed: 1,
    classLabel: 1,
    distances: 1,
    law: 1,
    data: 1,
  },
  ...{ tolerance: 1, folder: 1, origin: 1, signal: 1, onProgress: 1 },
} satisfies Record<keyof CompareOptions, 1>);

/** How far a comparison has come. */
export interface CompareProgress {
  /** Share of the evaluations that are to be made, from 0 to 1. */
  readonly fraction: number;
  /** What is drawn. */
  readonly name: string;
  /** Sets of samples that are to be drawn. */
  readonly sets: number;
}

/** The part of a comparison that does not depend on the samplers. */
export interface Job {
  readonly count: number;
  readonly batch: number;
  readonly seed: bigint;
  readonly tolerance: number;
  readonly distances: readonly DistanceName[];
  readonly options: CompareOptions;
}

/**
 * The options of a comparison as resolved, found to fit the model.
 * @throws OptionError and DataError for what does not.
 */
export function resolveJob(model: ScoreModel, options: CompareOptions): Job {
  checkKnown(options, optionNames);
  checkSignal(options.signal);
  const { law, data } = options;
  const count = checkInteger('count', options.count ?? (model.closedForm ? 2000 : 200), 4);
  const batch = checkInteger('batch', options.batch ?? Math.min(count, model.closedForm ? 1024 : 64), 1);
  const tolerance = checkNumber('tolerance', options.tolerance ?? fineTolerance(model), 0);
  checkConditions(model, options.classLabel, count);
  const elements = elementCount(model.shape);
  if (law && law.mean().length !== elements)
    throw new OptionError('law', law, `one of ${elements} numbers, as the samples have`);
  if (data && !data.network && data.features.width !== elements)
    throw new DataError(
      `The data have ${data.features.width} numbers each and the samples ${elements}: without a feature network they have to be ` +
        'of the same shape.',
      { option: 'data', value: data.features.width },
    );
  const missing: Partial<Record<DistanceName, string>> = {
    ...(!law && {
      'law-wasserstein': 'one for which there is an exact law',
      'law-frechet': 'one for which there is an exact law',
    }),
    ...(!data && {
      frechet: 'one for which there are data',
      kernel: 'one for which there are data',
    }),
  };
  const distances = options.distances ?? distanceNames.filter((name) => !(name in missing));
  if (!isList(distances) || distances.length === 0) {
    const expected = `a list of at least one of ${distanceNames.join(', ')}; a model with discrete levels needs a law or data`;
    throw new OptionError('distances', distances, expected);
  }
  for (const name of distances) {
    const expected = missing[checkChoice('distances', name, distanceNames)];
    if (expected !== undefined) throw new OptionError('distances', name, expected);
  }
  return { count, batch, seed: checkSeed(options.seed ?? 0), tolerance, distances, options };
}
