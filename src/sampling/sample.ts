import type { Elements } from '../device/device.js';
import { OptionError } from '../errors.js';
import { checkFits } from '../memory.js';
import {
  checkChoice,
  checkInteger,
  checkKnown,
  checkSeed,
  checkSignal,
  isList,
  isRecord,
} from '../options.js';
import { checkConditions } from '../score/class-label.js';
import { recordOfInputs } from '../score/inputs.js';
import { priorMismatch } from '../score/doubts.js';
import type { ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import type { Level } from '../sde/level.js';
import { Batch } from '../solvers/batch.js';
import type { Constraint } from '../solvers/batch.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import { solverFor, type SolverChoice } from '../solvers/choice.js';
import type { Plan } from '../solvers/solver.js';
import { Task } from '../task.js';

/** How samples are drawn, and how many. */
export interface SampleOptions extends SolverChoice {
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
  /** Keep the trajectory: one frame every so many steps. */
  readonly trajectory?: number | undefined;
  /** Steps between the previews of the async iterator. Default: a tenth of the steps. */
  readonly previewEvery?: number | undefined;
  /** What previews and trajectory frames show: the state x (default), or the estimate of x_0 from it. */
  readonly preview?: 'x' | 'x0' | undefined;
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

/** How far a run has come. */
export interface Progress {
  /** Samples that are finished, of `count`. */
  readonly done: number;
  /** Samples of the whole run. */
  readonly count: number;
  /** Steps that the current batch has made, of `steps`. */
  readonly step: number;
  /** Steps of a batch in all. */
  readonly steps: number;
  /** Share of the whole run that is done, from 0 to 1. */
  readonly fraction: number;
}

/** A batch on its way. */
export interface Preview {
  /** Step at whose start the batch is, of `steps`, and its time. */
  readonly step: number;
  /** Steps of the batch in all. */
  readonly steps: number;
  /** Time at the start of that step, in the unit of the SDE. */
  readonly t: number;
  /** Global index of the first sample shown. */
  readonly first: number;
  /** [batch, ...shape], a copy. */
  readonly samples: Float32Array;
  /** `[batch, ...shape]` of `samples`. */
  readonly shape: readonly number[];
}

/** Frames of all samples, in solver order; the samples themselves are the end of the path, and not among the frames. */
export interface Trajectory {
  /** Index of the step at whose start each frame was taken, from 0 (the prior). */
  readonly steps: readonly number[];
  /** Time of each frame, in the unit of the SDE. */
  readonly times: readonly number[];
  /** Each [count, ...shape]. */
  readonly frames: readonly Float32Array[];
}

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
export class Sampling extends Task<SampleResult, Preview> {
  /** @internal @param most previews wait to be taken; of those that come meanwhile, the newest is kept. */
  constructor(run: (emit: ((preview: Preview) => void) | undefined) => Promise<SampleResult>, most?: number) {
    // Without an iterator no preview is ever copied.
    super((emit, isWatched) => run(isWatched ? emit : undefined), { most });
  }
}

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
  if (typeof (model as Partial<ScoreModel> | undefined)?.evaluate !== 'function') {
    throw new OptionError('model', model, 'a score model, such as loadModel(path) resolves to');
  }
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
  readonly previewEvery: number;
  readonly preview: 'x' | 'x0';
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
  const recorder = options.trajectory === undefined ? undefined : trajectoryRecorder();
  let counts = noCounts();
  let evaluations: Int32Array | undefined;
  let deterministic = true;
  for (let done = 0; done < count; done += job.batch) {
    const size = Math.min(job.batch, count - done);
    const rows = [done * elements, (done + size) * elements] as const;
    const batch = new Batch(model, {
      size,
      first: first + done,
      seed,
      offset: done,
      count,
      labels,
      precision: plan.precision,
      constraints: options.constraints,
      signal: options.signal,
    });
    let estimate: Elements | undefined;
    try {
      if (options.initial) batch.write(options.initial.subarray(...rows));
      else if (plan.start) plan.start(batch);
      else batch.drawPrior();
      const show = async (step: number, { t }: Level): Promise<void> => {
        const previewed = emit && step % job.previewEvery === 0;
        const framed = recorder && step % options.trajectory! === 0;
        if (!previewed && !framed) return;
        if (job.preview === 'x0') batch.estimate((estimate ??= batch.like()));
        const shown = Float32Array.from(await batch.read(estimate));
        const shape = [size, ...model.shape];
        if (previewed) emit({ step, steps: plan.steps, t, first: batch.first, samples: shown, shape });
        if (framed) recorder.add(step, t, shown, rows[0], samples.length);
      };
      await plan.run(batch, {
        ...((emit ?? recorder) && { evaluated: show }),
        stepped(step) {
          const fraction = (done + (size * (step + 1)) / plan.steps) / count;
          options.onProgress?.({ done, count, step: step + 1, steps: plan.steps, fraction });
        },
      });
      samples.set(await batch.read(), rows[0]);
    } finally {
      await batch.close();
    }
    if (batch.isRandom) deterministic = false;
    if (evaluationsOf(batch.counts) > evaluationsOf(counts)) counts = batch.counts;
    if (batch.evaluations) {
      evaluations ??= new Int32Array(count);
      evaluations.set(
        batch.evaluations.map((n) => n + batch.counts.denoise),
        done,
      );
    }
  }
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
    ...(recorder && { trajectory: recorder.trajectory }),
  };
}

function classOf({ classLabel }: SampleOptions): { classLabel?: number | number[] } {
  if (classLabel === undefined) return {};
  return { classLabel: typeof classLabel === 'number' ? classLabel : Array.from(classLabel) };
}

function trajectoryRecorder(): {
  trajectory: Trajectory;
  add(step: number, t: number, part: Float32Array, offset: number, length: number): void;
} {
  const steps: number[] = [];
  const times: number[] = [];
  const frames: Float32Array[] = [];
  return {
    trajectory: { steps, times, frames },
    add(step, t, part, offset, length) {
      let at = steps.indexOf(step);
      if (at < 0) {
        at = steps.push(step) - 1;
        times.push(t);
        frames.push(new Float32Array(length));
      }
      frames[at]!.set(part, offset);
    },
  };
}

function resolve(model: ScoreModel, options: SampleOptions, plan: Plan): Job {
  const count = checkInteger('count', options.count ?? 16, 1);
  const batch = checkInteger('batch', options.batch ?? Math.min(count, 64), 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  if (options.trajectory !== undefined) checkInteger('trajectory', options.trajectory, 1);
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
    previewEvery: checkInteger('previewEvery', options.previewEvery ?? Math.ceil(plan.steps / 10), 1),
    preview: checkChoice('preview', options.preview ?? 'x', ['x', 'x0']),
  };
}
