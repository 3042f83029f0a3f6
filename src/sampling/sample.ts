import type { State } from '../device/binding.js';
import { OptionError } from '../errors.js';
import { checkFits } from '../memory.js';
import { checkInteger, checkKnown, checkSeed, checkSignal, isList, isRecord } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import { recordOfInputs } from '../score/inputs.js';
import { priorMismatch } from '../score/doubts.js';
import { requireModel, type ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import { Batch, type BatchOptions } from '../solvers/batch.js';
import type { Constraint } from '../solvers/batch.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import { solverFor, type SolverChoice } from '../solvers/choice.js';
import type { Observer, Plan } from '../solvers/solver.js';
import {
  checkPreviews,
  Previewed,
  Previews,
  type Preview,
  type PreviewChoice,
  type PreviewOptions,
  type Progress,
  type Trajectory,
} from './previews.js';

/** How samples are drawn, and how many. */
export interface SampleOptions extends SolverChoice, PreviewOptions {
  /** Number of samples. Default 16. */
  readonly count?: number | undefined;
  /** Samples that go through the network at once. Default: count, at most 64. */
  readonly batch?: number | undefined;
  /** Unsigned 64-bit seed. Default 0. A sample is a function of the model, the seed, its index and the options. */
  readonly seed?: bigint | number | undefined;
  /** Global index of the first sample, so that runs can share one sequence. Default 0. */
  readonly first?: number | undefined;
  /** Class of every sample, or one class per sample, for a model with a class input. */
  readonly classLabel?: number | Int32Array | undefined;
  /** States to start from, [count, ...shape], instead of draws from the prior. */
  readonly initial?: Float32Array | undefined;
  /** What is known of the samples; they act after every move of a solver on a grid. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** Stops at the next operator of a network, or between two evaluations; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every step. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

const optionNames = Object.keys({
  ...{ solver: 1, predictor: 1, corrector: 1, snr: 1, correctorSteps: 1, norm: 1, sequence: 1, denoise: 1 },
  ...{ steps: 1, evaluations: 1, grid: 1, rho: 1, epsilon: 1 },
  ...{ count: 1, batch: 1, seed: 1, first: 1, classLabel: 1, initial: 1, constraints: 1 },
  ...{ trajectory: 1, previewEvery: 1, preview: 1, signal: 1, onProgress: 1 },
} satisfies Record<keyof SampleOptions, 1>);

/** Samples, and how they were drawn. */
export interface SampleResult {
  /** [count, ...shape], row-major, in the model's own space (`sde.dataRange`). */
  readonly samples: Float32Array;
  /** `[count, ...shape]` of `samples`. */
  readonly shape: readonly number[];
  /** Evaluations per sample, by purpose; after an adaptive solver, those of the sample that took the most. */
  readonly counts: Counts;
  /** Evaluations of every sample, rejected and denoising ones included, after an adaptive solver. */
  readonly evaluations?: Int32Array;
  /** Wall-clock time of the run. */
  readonly seconds: number;
  /** Whether every sample is a function of its start: no noise entered on the way. */
  readonly deterministic: boolean;
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about this choice of options for this model, in plain words. */
  readonly warnings: readonly string[];
  /** States on the way; absent unless they were asked for. */
  readonly trajectory?: Trajectory;
}

/** A sampling run: await it for the result, iterate over it (`for await`) for previews on the way, or both. */
export class Sampling extends Previewed<SampleResult> {}

/**
 * Draws samples from a score model, by `dpmpp-2m-sde` with 39 steps unless the options say otherwise.
 *
 * The returned object is a promise of the result and an async iterator of previews.
 *
 * @throws OptionError (at once) for options that cannot be used, NonFiniteScoreError when the score is NaN or infinite.
 *
 * @example
 * ```ts
 * const model = await loadModel(embeddedModel('vp'));
 * const run = sample(model, { count: 4, solver: 'unipc', grid: 'karras', steps: 10, preview: 'x0' });
 * for await (const { step, steps } of run) console.log(step, steps);
 * const { samples, shape, counts } = await run;
 * ```
 */
export function sample(model: ScoreModel, options: SampleOptions = {}): Sampling {
  const plan = planOf(model, options);
  const job = resolve(model, options, plan);
  return new Sampling((emit) => run(model, plan, job, options, emit));
}

/** @internal The solver that `sample` takes, with its options resolved. */
export function planOf(model: ScoreModel, options: SampleOptions): Plan {
  requireModel('model', model);
  checkKnown(options, optionNames);
  const plan = solverFor(options, model).plan(model);
  checkConstraints(options.constraints);
  if (options.constraints?.length && !plan.constrains) {
    const expected =
      'left out with a solver that does not let them act, such as rk45 or ggf; predictors on a grid do';
    throw new OptionError('constraints', options.constraints, expected);
  }
  return plan;
}

/** @internal Doubts about a plan, and about the prior where it starts from it. */
export function warningsOf(
  model: ScoreModel,
  plan: Plan,
  { initial, classLabel }: Pick<SampleOptions, 'initial' | 'classLabel'>,
): readonly string[] {
  const prior = initial || plan.start ? [] : priorMismatch(model, classLabel);
  return [...(plan.warnings ?? []), ...prior];
}

function checkConstraints(constraints: unknown): void {
  if (constraints === undefined) return;
  if (!isList(constraints)) throw new OptionError('constraints', constraints, 'an array of constraints');
  constraints.forEach((constraint, i) => {
    const given = isRecord(constraint) ? constraint : {};
    if (typeof given['name'] === 'string' && typeof given['apply'] === 'function') return;
    const expected = '{ name, apply }, with apply a function (batch, level, address)';
    throw new OptionError(`constraints[${i}]`, constraint, expected);
  });
}

/** The part of a run that does not depend on the solver. */
interface Job {
  readonly count: number;
  readonly batch: number;
  readonly seed: bigint;
  readonly first: number;
  readonly labels: Int32Array | undefined;
  readonly previews: PreviewChoice;
}

/** Samples of a batch, and what they cost. */
export type DrawnBatch = Pick<Batch, 'counts' | 'evaluations' | 'isRandom'> & { readonly samples: State };

/**
 * Draws one batch of a run.
 *
 * @param options `initial` has the states of this batch to start from; default: as the plan says, or from the prior.
 */
export async function drawBatch(
  model: ScoreModel,
  plan: Plan,
  { initial, ...options }: BatchOptions & { readonly initial?: Float32Array | undefined },
  observer: Observer,
): Promise<DrawnBatch> {
  const batch = new Batch(model, { ...options, precision: plan.precision });
  try {
    if (initial) batch.write(initial);
    else if (plan.start) plan.start(batch);
    else batch.drawPrior();
    await plan.run(batch, observer);
    const { counts, evaluations, isRandom } = batch;
    return { samples: await batch.read(), counts, evaluations, isRandom };
  } finally {
    await batch.close();
  }
}

async function run(
  model: ScoreModel,
  plan: Plan,
  job: Job,
  options: SampleOptions,
  emit: ((preview: Preview) => void) | undefined,
): Promise<SampleResult> {
  const { count, seed, first, labels } = job;
  const start = performance.now();
  const elements = elementCount(model.shape);
  const samples = new Float32Array(count * elements);
  const previews = new Previews(job.previews, { first, elements: samples.length }, emit);
  const { evaluated } = previews;
  let counts = noCounts();
  let evaluations: Int32Array | undefined;
  let deterministic = true;
  for (let done = 0; done < count; done += job.batch) {
    const size = Math.min(job.batch, count - done);
    const { constraints, signal } = options;
    const initial = options.initial?.subarray(done * elements, (done + size) * elements);
    const drawn = await drawBatch(
      model,
      plan,
      { size, first: first + done, seed, offset: done, count, labels, constraints, signal, initial },
      {
        ...(evaluated && { evaluated }),
        stepped(step) {
          const fraction = (done + (size * (step + 1)) / plan.steps) / count;
          options.onProgress?.({ done, count, step: step + 1, steps: plan.steps, fraction });
        },
      },
    );
    samples.set(drawn.samples, done * elements);
    if (drawn.isRandom) deterministic = false;
    if (evaluationsOf(drawn.counts) > evaluationsOf(counts)) counts = drawn.counts;
    if (drawn.evaluations) {
      evaluations ??= new Int32Array(count);
      evaluations.set(
        drawn.evaluations.map((n) => n + drawn.counts.denoise),
        done,
      );
    }
  }
  const { trajectory } = previews;
  return {
    samples,
    shape: [count, ...model.shape],
    counts,
    ...(evaluations && { evaluations }),
    seconds: (performance.now() - start) / 1000,
    deterministic,
    options: {
      sde: model.sde.name,
      ...(model.guidance && { guidance: model.guidance }),
      ...recordOfInputs(model),
      ...plan.options,
      count,
      batch: job.batch,
      seed,
      first,
      ...classOf(options),
      ...(options.constraints?.length && {
        constraints: options.constraints.map(({ name, options }) => ({ name, ...options })),
      }),
    },
    warnings: warningsOf(model, plan, options),
    ...(trajectory && { trajectory }),
  };
}

function classOf({ classLabel }: SampleOptions): { classLabel?: number | number[] } {
  if (classLabel === undefined) return {};
  return { classLabel: typeof classLabel === 'number' ? classLabel : Array.from(classLabel) };
}

function resolve(model: ScoreModel, options: SampleOptions, plan: Plan): Job {
  const count = checkInteger('count', options.count ?? 16, 1);
  const batch = checkInteger('batch', options.batch ?? Math.min(count, 64), 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  checkSignal(options.signal);
  const elements = count * elementCount(model.shape);
  const hint =
    'more go into a folder, by sampleShards or --output with a folder, or one part after the other by first';
  checkFits('count', count, 4 * elementCount(model.shape), hint);
  if (options.initial && options.initial.length !== elements) {
    throw new OptionError(
      'initial',
      options.initial,
      `a Float32Array of count x shape = ${elements} elements`,
    );
  }
  return {
    count,
    batch: Math.min(batch, count),
    seed: checkSeed(options.seed ?? 0),
    first,
    labels: checkConditions(model, options.classLabel, count),
    previews: checkPreviews(options, plan.steps),
  };
}
