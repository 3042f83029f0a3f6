import { OptionError } from '../errors.js';
import { checkChoice, checkInteger, checkSeed, checkSignal } from '../options.js';
import { checkClassLabels } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { Batch, noCounts, type Counts } from '../solvers/batch.js';
import type { Corrector } from '../solvers/correctors.js';
import { namedCorrector, namedPredictor, type CorrectorName, type PredictorName } from '../solvers/named.js';
import { predictorCorrector, type PredictorCorrectorOptions } from '../solvers/predictor-corrector.js';
import type { Predictor } from '../solvers/predictors.js';
import type { Plan, Solver } from '../solvers/solver.js';
import type { NormMode } from '../device/binding.js';
import { Sampling } from './sampling.js';

/** The solver's options, unless `solver` is given, and those of the run. */
export interface SampleOptions extends Omit<PredictorCorrectorOptions, 'predictor' | 'corrector'> {
  /** Number of samples. Default 16. */
  readonly count?: number;
  /** Samples that go through the network at once. Default: count, at most 64. */
  readonly batch?: number;
  /** Unsigned 64-bit seed. Default 0. A sample is a function of the model, the seed, its index and the options. */
  readonly seed?: bigint | number;
  /** Global index of the first sample, so that runs can share one sequence. Default 0. */
  readonly first?: number;
  /** A name or a value of `predictors`. Default `reverse-diffusion` (Song et al. 2021, section 4.2). */
  readonly predictor?: PredictorName | Predictor;
  /** A name or a value of `correctors`. Default `langevin`. */
  readonly corrector?: CorrectorName | Corrector;
  /** Signal-to-noise ratio of a corrector given by name. Default 0.16. */
  readonly snr?: number;
  /** Steps at every time of a corrector given by name. Default 1. */
  readonly correctorSteps?: number;
  /** Norms of the Langevin corrector given by name. Default `sample`. */
  readonly norm?: NormMode;
  /** Another solver instead of predictor-corrector; it takes the place of all options from `predictor` to `denoise`. */
  readonly solver?: Solver;
  /** Class of every sample, or one class per sample, for a model with a class input. */
  readonly classLabel?: number | Int32Array;
  /** States to start from, [count, ...shape], instead of draws from the prior. */
  readonly initial?: Float32Array;
  /** Keep the trajectory: one frame every so many steps. */
  readonly trajectory?: number;
  /** Steps between the previews of the async iterator. Default: a tenth of the steps. */
  readonly previewEvery?: number;
  /** What previews and trajectory frames show: the state x (default), or the estimate of x_0 from it. */
  readonly preview?: 'x' | 'x0';
  /** Stops between two evaluations; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every step. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  /** Samples that are finished, of `count`. */
  readonly done: number;
  readonly count: number;
  /** Steps that the current batch has made, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Share of the whole run that is done, from 0 to 1. */
  readonly fraction: number;
}

/** A batch on its way. */
export interface Preview {
  /** Step at whose start the batch is, of `steps`, and its time. */
  readonly step: number;
  readonly steps: number;
  readonly t: number;
  /** Global index of the first sample shown. */
  readonly first: number;
  /** [batch, ...shape], a copy. */
  readonly samples: Float32Array;
  readonly shape: readonly number[];
}

/** Frames of all samples, in solver order; the samples themselves are the end of the path, and not among the frames. */
export interface Trajectory {
  readonly steps: readonly number[];
  readonly times: readonly number[];
  /** Each [count, ...shape]. */
  readonly frames: readonly Float32Array[];
}

export interface SampleResult {
  /** [count, ...shape], row-major, in the model's own space (`sde.dataRange`). */
  readonly samples: Float32Array;
  readonly shape: readonly number[];
  /** Evaluations per sample, by purpose; after an adaptive solver, those of the sample that took the most. */
  readonly counts: Counts;
  /** Evaluations of every sample, rejected and denoising ones included, after an adaptive solver. */
  readonly evaluations?: Int32Array;
  readonly seconds: number;
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about this choice of options for this model, in plain words. */
  readonly warnings: readonly string[];
  readonly trajectory?: Trajectory;
}

/**
 * Draws samples from a score model, by predictor-corrector sampling unless `solver` says otherwise.
 *
 * The returned object is a promise of the result and an async iterator of previews.
 *
 * @throws OptionError (at once) for options that cannot be used, NonFiniteScoreError when the score is NaN or infinite.
 */
export function sample(model: ScoreModel, options: SampleOptions = {}): Sampling {
  const plan = planOf(model, options);
  const job = resolve(model, options, plan);
  return new Sampling((emit) => run(model, plan, job, options, emit));
}

/** @internal The solver that `sample` takes, with its options resolved. */
export function planOf(model: ScoreModel, options: SampleOptions): Plan {
  return solverOf(options).plan(model);
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
  const elements = model.shape.reduce((product, n) => product * n, 1);
  const samples = new Float32Array(count * elements);
  const recorder = options.trajectory === undefined ? undefined : trajectoryRecorder();
  let counts = noCounts();
  let evaluations: Int32Array | undefined;
  for (let done = 0; done < count; done += job.batch) {
    const size = Math.min(job.batch, count - done);
    const rows = [done * elements, (done + size) * elements] as const;
    const batch = new Batch(model, {
      size,
      first: first + done,
      seed,
      labels: labels?.subarray(done, done + size),
      signal: checkSignal(options.signal),
    });
    if (options.initial) batch.x.set(options.initial.subarray(...rows));
    else plan.start(batch);
    await plan.run(batch, {
      evaluated(step, time) {
        const previewed = emit && step % job.previewEvery === 0;
        const framed = recorder && step % options.trajectory! === 0;
        if (!previewed && !framed) return;
        const shown = batch.x.slice();
        if (job.preview === 'x0') batch.estimate(shown, time);
        const shape = [size, ...model.shape];
        if (previewed)
          emit({ step, steps: plan.steps, t: time.t, first: batch.first, samples: shown, shape });
        if (framed) recorder.add(step, time.t, shown, rows[0], samples.length);
      },
      stepped(step) {
        const fraction = (done + (size * (step + 1)) / plan.steps) / count;
        options.onProgress?.({ done, count, step: step + 1, steps: plan.steps, fraction });
      },
    });
    samples.set(batch.x, rows[0]);
    if (total(batch.counts) > total(counts)) counts = batch.counts;
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
    options: {
      sde: model.sde.name,
      ...plan.options,
      count,
      batch: job.batch,
      seed,
      first,
      ...classOf(options),
    },
    warnings: plan.warnings ?? [],
    ...(recorder && { trajectory: recorder.trajectory }),
  };
}

function total({ score, denoise, rejected, jvp, vjp }: Counts): number {
  return score + denoise + rejected + jvp + vjp;
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

const SOLVER_OPTIONS = [
  'predictor',
  'corrector',
  'snr',
  'correctorSteps',
  'norm',
  'steps',
  'grid',
  'spacing',
  'epsilon',
  'order',
  'denoise',
] as const;

function solverOf(options: SampleOptions): Solver {
  const { solver, predictor, corrector, snr, correctorSteps, norm, ...rest } = options;
  if (solver) {
    const extra = SOLVER_OPTIONS.find((name) => options[name] !== undefined);
    if (extra) throw new OptionError(extra, options[extra], `left out when solver is given (${solver.name})`);
    return solver;
  }
  return predictorCorrector({
    ...rest,
    predictor: namedPredictor(predictor ?? 'reverse-diffusion'),
    corrector: namedCorrector(corrector ?? 'langevin', { snr, correctorSteps, norm }),
  });
}

function resolve(model: ScoreModel, options: SampleOptions, plan: Plan): Job {
  const count = checkInteger('count', options.count ?? 16, 1);
  const batch = checkInteger('batch', options.batch ?? Math.min(count, 64), 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  if (options.trajectory !== undefined) checkInteger('trajectory', options.trajectory, 1);
  const elements = count * model.shape.reduce((product, n) => product * n, 1);
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
    labels: checkClassLabels(model, options.classLabel, count),
    previewEvery: checkInteger('previewEvery', options.previewEvery ?? Math.ceil(plan.steps / 10), 1),
    preview: checkChoice('preview', options.preview ?? 'x', ['x', 'x0']),
  };
}
