import { DataError, OptionError } from '../errors.js';
import {
  checkChoice,
  checkInteger,
  checkKnown,
  checkNumber,
  checkSeed,
  checkSignal,
  isList,
  jsonSeed,
} from '../options.js';
import { sample } from '../sampling/sample.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import { Task } from '../task.js';
import { evaluationsOf } from '../solvers/counts.js';
import { cellsOf, type Cell, type Sampler } from './cells.js';
import { chooseSamples } from './choice.js';
import { noRecord, openRecord, type ComparisonRecord, type DrawnSet } from './comparison-record.js';
import {
  dataDistances,
  distanceNames,
  lawFrechet,
  modelFeatures,
  pickFeatures,
  rmsDistance,
  slicedDistance,
  type DistanceName,
  type Distances,
  type ExactLaw,
  type ReferenceData,
} from './distances.js';
import { fineTolerance } from './fine-solution.js';
import { setsOf, type Fine, type SampleSet, type Sets } from './sample-sets.js';

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
  readonly data?: ReferenceData | undefined;
  /** Relative and absolute tolerance of the fine solution of the ODE. Default 1e-5, of closed forms 1e-9. */
  readonly tolerance?: number | undefined;
  /** A folder that keeps what is done, so that a comparison goes on where it stopped; without it nothing is kept. */
  readonly folder?: string | undefined;
  /** Facts about model and data for the record of the folder: plain data. A comparison that is continued has to give the same. */
  readonly origin?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
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

export interface CompareProgress {
  /** Share of the evaluations that are to be made, from 0 to 1. */
  readonly fraction: number;
  /** What is drawn. */
  readonly name: string;
  /** Sets of samples that are to be drawn. */
  readonly sets: number;
}

/** A set of samples and its distances. */
export interface ComparisonRow {
  /** A sampler as it was given, or what a reference is. */
  readonly name: string;
  /** What there is beside samplers: the floor of exact samples, other data of the same law, and the finely solved ODE. */
  readonly kind: 'sampler' | 'exact' | 'held-out' | 'ode';
  /** Evaluations that it was allowed. */
  readonly budget?: number;
  /** Evaluations of a sample as they were counted; their mean, after an adaptive solver. */
  readonly evaluations?: number;
  /** Of drawing all samples of the set. */
  readonly seconds?: number;
  /** Whether no noise enters on the way. */
  readonly deterministic?: boolean;
  /** Every option of the sampler as resolved, with its `steps` and its `grid`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly distances: Distances;
}

export interface Comparison {
  /** Samplers in the order in which they were given, each by its evaluations. */
  readonly rows: readonly ComparisonRow[];
  /** What the samplers can reach. */
  readonly references: readonly ComparisonRow[];
  /** Samples of each set. */
  readonly count: number;
  /** The distances that were computed. */
  readonly distances: readonly DistanceName[];
  /** Sets that were there before. */
  readonly found: number;
  readonly options: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/** A comparison under way: await it for the result, iterate over it for the rows as they come. */
export type Comparing = Promise<Comparison> & AsyncIterable<ComparisonRow>;

const defaultSamplers = 'ddim,dpmpp-2m,unipc,edm-heun,dpmpp-2m-sde,ancestral';

/**
 * Draws samples of a model by several samplers, each at several numbers of evaluations, and says how far they are from a fine solution
 * of the probability-flow ODE, from the exact law where that is known, and from data; every distance with its standard error.
 *
 * @throws OptionError (at once) for samplers and options that cannot be used; DataError where the folder holds another comparison, or
 *   the features of the data are of another kind than the samples.
 */
export function compare(model: ScoreModel, options: CompareOptions = {}): Comparing {
  checkKnown(options, optionNames);
  checkSignal(options.signal);
  const { samplers = [defaultSamplers], evaluations = [10, 20, 40] } = options;
  const { cells, warnings } = cellsOf(model, samplers, evaluations);
  const job = resolve(model, options);
  const solves = job.distances.some((name) => name.startsWith('ode'));
  const sets = setsOf(model, cells, { ...job, solves });
  return new Task((emit) => new Comparer(model, job, sets, warnings).run(cells, emit));
}

/** The part of a comparison that does not depend on the samplers. */
interface Job {
  readonly count: number;
  readonly batch: number;
  readonly seed: bigint;
  readonly tolerance: number;
  readonly distances: readonly DistanceName[];
  readonly options: CompareOptions;
}

function resolve(model: ScoreModel, options: CompareOptions): Job {
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

/** A set, and how to come by its samples. */
interface Obtained {
  readonly drawn: DrawnSet;
  samples(): Promise<Float32Array>;
}

class Comparer {
  readonly #model: ScoreModel;
  readonly #job: Job;
  readonly #sets: Sets;
  readonly #warnings: Set<string>;
  readonly #obtained = new Map<string, Promise<Obtained>>();
  #record: ComparisonRecord = noRecord;
  #exact: Float32Array | undefined;
  #found = 0;
  #done = 0;
  #total = 0;
  #toDraw = 0;

  constructor(model: ScoreModel, job: Job, sets: Sets, warnings: readonly string[]) {
    this.#model = model;
    this.#job = job;
    this.#sets = sets;
    this.#warnings = new Set(warnings);
  }

  async run(cells: readonly Cell[], emit: (row: ComparisonRow) => void): Promise<Comparison> {
    const { count, batch, seed, tolerance, distances, options } = this.#job;
    const { folder, origin = {}, classLabel } = options;
    const { shape, sde } = this.#model;
    const run = {
      ...{ origin, sde: sde.name, shape, count, batch, seed: jsonSeed(seed), tolerance },
      ...(classLabel !== undefined && { classLabel }),
    };
    if (folder !== undefined)
      this.#record = await openRecord(folder, JSON.parse(JSON.stringify(run)) as typeof run, shape);
    try {
      this.#foresee(cells);
      const references = await this.#references();
      for (const row of references) emit(row);
      const rows: ComparisonRow[] = [];
      for (const cell of cells) {
        const row = await this.#rowOf(cell);
        rows.push(row);
        emit(row);
      }
      const warnings = [...this.#warnings];
      return { rows, references, count, distances, found: this.#found, options: run, warnings };
    } finally {
      await this.#record.close();
    }
  }

  /** Finds out what is to be drawn. */
  #foresee(cells: readonly Cell[]): void {
    const { distances } = this.#job;
    const fine = [...new Set(this.#sets.fine.values())];
    const wanted = [
      ...fine.flatMap(({ own, other }) => (distances.includes('ode-wasserstein') ? [own, other] : [own])),
      ...cells.map((cell) => this.#sets.ofCells.get(cell)!),
    ];
    const open = wanted.filter(({ key }) => this.#record.find(key) === undefined);
    this.#found = wanted.length - open.length;
    this.#total = open.reduce((sum, { weight }) => sum + weight, 0);
    this.#toDraw = open.length;
  }

  async #references(): Promise<ComparisonRow[]> {
    const { count, distances, options } = this.#job;
    const rows: ComparisonRow[] = [];
    const { law, data, signal } = options;
    if (law && distances.some((name) => name.startsWith('law'))) {
      const exact = await this.#lawDistances(this.#exactSamples(law, count), distances);
      rows.push({ name: 'exact samples', kind: 'exact', options: { count }, distances: exact });
    }
    if (data?.heldOut && distances.some((name) => name === 'frechet' || name === 'kernel')) {
      const { count: held } = data.heldOut;
      const features = await pickFeatures(data.heldOut, chooseSamples(held, Math.min(count, held)));
      const { distances: found, warnings } = await dataDistances(features, data, distances, signal);
      for (const warning of warnings) this.#warnings.add(warning);
      const heldOut = { count: features.count };
      rows.push({ name: 'held-out data', kind: 'held-out', options: heldOut, distances: found });
    }
    for (const fine of new Set(this.#sets.fine.values())) {
      const { own, name } = fine;
      const { drawn } = await this.#withDistances(own, fine);
      rows.push({
        name,
        kind: 'ode',
        ...costOf(drawn),
        options: { tolerance: this.#job.tolerance },
        distances: drawn.distances,
      });
    }
    return rows;
  }

  async #rowOf(cell: Cell): Promise<ComparisonRow> {
    const { label, budget, plan } = cell;
    const { drawn } = await this.#withDistances(this.#sets.ofCells.get(cell)!, this.#sets.fine.get(cell));
    return {
      name: label,
      kind: 'sampler',
      ...(budget !== undefined && { budget }),
      ...costOf(drawn),
      options: plan.options,
      distances: drawn.distances,
    };
  }

  /** A set with all distances that were asked for; those that are known already stay. */
  async #withDistances(set: SampleSet, fine: Fine | undefined): Promise<Obtained> {
    const isFine = set === fine?.own;
    const obtained = await (isFine ? this.#obtain(set) : this.#find(set));
    const { drawn } = obtained;
    const missing = this.#job.distances.filter(
      (name) => !(name in drawn.distances) && (name !== 'ode-rms' || (drawn.deterministic && !isFine)),
    );
    if (missing.length === 0) return { ...obtained, drawn: this.#ordered(drawn) };
    const samples = await obtained.samples();
    const distances = {
      ...drawn.distances,
      ...(await this.#lawDistances(samples, missing)),
      ...(await this.#fineDistances(samples, missing, fine)),
      ...(await this.#dataDistances(samples, missing)),
    };
    const complete = { ...drawn, distances };
    await this.#record.put(complete, set.stem);
    return { ...obtained, drawn: this.#ordered(complete) };
  }

  /** Those distances alone that were asked for, in their order. */
  #ordered(drawn: DrawnSet): DrawnSet {
    const kept = this.#job.distances.flatMap((name) => {
      const distance = drawn.distances[name];
      return distance === undefined ? [] : [[name, distance] as const];
    });
    return { ...drawn, distances: Object.fromEntries(kept) };
  }

  async #lawDistances(samples: Float32Array, wanted: readonly DistanceName[]): Promise<Distances> {
    const { law, signal } = this.#job.options;
    const { seed } = this.#job;
    if (!law) return {};
    const found: Distances = {};
    if (wanted.includes('law-wasserstein')) {
      this.#exact ??= this.#exactSamples(law, 0);
      const elements = elementCount(this.#model.shape);
      found['law-wasserstein'] = await slicedDistance(samples, this.#exact, elements, seed, signal);
    }
    if (wanted.includes('law-frechet')) {
      const { distance, warnings } = await lawFrechet(samples, law, signal);
      for (const warning of warnings) this.#warnings.add(warning);
      found['law-frechet'] = distance;
    }
    return found;
  }

  #exactSamples(law: ExactLaw, first: number): Float32Array {
    const { count, seed } = this.#job;
    return Float32Array.from(law.sample(count, { seed, first }));
  }

  async #fineDistances(
    samples: Float32Array,
    wanted: readonly DistanceName[],
    fine: Fine | undefined,
  ): Promise<Distances> {
    if (!fine) return {};
    const elements = elementCount(this.#model.shape);
    const samplesOf = async (set: SampleSet): Promise<Float32Array> => (await this.#obtain(set)).samples();
    const found: Distances = {};
    if (wanted.includes('ode-rms'))
      found['ode-rms'] = rmsDistance(samples, await samplesOf(fine.own), elements);
    if (wanted.includes('ode-wasserstein')) {
      const { seed, options } = this.#job;
      const other = await samplesOf(fine.other);
      found['ode-wasserstein'] = await slicedDistance(samples, other, elements, seed, options.signal);
    }
    return found;
  }

  async #dataDistances(samples: Float32Array, wanted: readonly DistanceName[]): Promise<Distances> {
    const { data, signal } = this.#job.options;
    if (!data || !wanted.some((name) => name === 'frechet' || name === 'kernel')) return {};
    const features = await modelFeatures(this.#model, samples, data, signal);
    const { distances, warnings } = await dataDistances(features, data, wanted, signal);
    for (const warning of warnings) this.#warnings.add(warning);
    return distances;
  }

  /** As {@link #find}, once: fine solutions are used again. */
  #obtain(set: SampleSet): Promise<Obtained> {
    let obtained = this.#obtained.get(set.key);
    if (!obtained) this.#obtained.set(set.key, (obtained = this.#find(set)));
    return obtained;
  }

  async #find(set: SampleSet): Promise<Obtained> {
    const known = this.#record.find(set.key);
    if (!known) {
      const { drawn, samples } = await this.#draw(set, {});
      return { drawn, samples: () => Promise.resolve(samples) };
    }
    let samples: Promise<Float32Array> | undefined;
    const again = async (): Promise<Float32Array> =>
      (await this.#record.read(set.key)) ?? (await this.#draw(set, known.distances)).samples;
    return { drawn: known, samples: () => (samples ??= again()) };
  }

  async #draw(set: SampleSet, distances: Distances): Promise<{ drawn: DrawnSet; samples: Float32Array }> {
    const { count, batch, seed, options } = this.#job;
    const { classLabel, signal, onProgress } = options;
    const before = this.#done;
    const result = await sample(this.#model, {
      ...set.options,
      ...{ count, batch, seed, classLabel, signal },
      onProgress: ({ fraction }) => {
        const share = Math.min(1, (before + fraction * set.weight) / this.#total);
        onProgress?.({ fraction: share, name: set.name, sets: this.#toDraw });
      },
    });
    this.#done += set.weight;
    for (const warning of result.warnings) this.#warnings.add(warning);
    const { samples, seconds, deterministic, counts } = result;
    const each = result.evaluations;
    const evaluations = each ? each.reduce((sum, n) => sum + n, 0) / count : evaluationsOf(counts);
    const drawn = { key: set.key, evaluations, seconds, deterministic, distances };
    await this.#record.put(drawn, set.stem, samples);
    return { drawn, samples };
  }
}

/** What a set cost. */
function costOf({
  evaluations,
  seconds,
  deterministic,
}: DrawnSet): Pick<ComparisonRow, 'evaluations' | 'seconds' | 'deterministic'> {
  return { evaluations, seconds, deterministic };
}
