import { jsonSeed } from '../options.js';
import { sample } from '../sampling/sample.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import { Task } from '../task.js';
import { evaluationsOf } from '../solvers/counts.js';
import { pathOf } from '../io/path.js';
import { cellsOf, type Cell } from './cells.js';
import { chooseSamples } from './choice.js';
import { resolveJob, type CompareOptions, type Job } from './comparison-job.js';
import { noRecord, openRecord, type ComparisonRecord, type DrawnSet } from './comparison-record.js';
import {
  dataDistances,
  lawFrechet,
  modelFeatures,
  pickFeatures,
  rmsDistance,
  slicedDistance,
  type DistanceName,
  type Distances,
  type ExactLaw,
} from './distances.js';
import { setsOf, type Fine, type SampleSet, type Sets } from './sample-sets.js';

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
  /** The distances that were computed, by name. */
  readonly distances: Distances;
}

/** Samplers side by side. */
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
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about the samplers and the figures, in plain words. */
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
  const job = resolveJob(model, options);
  const { samplers = [defaultSamplers], evaluations = [10, 20, 40] } = options;
  const { cells, warnings } = cellsOf(model, samplers, evaluations);
  const solves = job.distances.some((name) => name.startsWith('ode'));
  const sets = setsOf(model, cells, { ...job, solves });
  return new Task((emit) => new Comparer(model, job, sets, warnings).run(cells, emit));
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
      this.#record = await openRecord(
        pathOf('folder', folder),
        JSON.parse(JSON.stringify(run)) as typeof run,
        shape,
      );
    for (const warning of this.#record.warnings) this.#warnings.add(warning);
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
