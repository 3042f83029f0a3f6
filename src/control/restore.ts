import { OptionError } from '../errors.js';
import { checkFits } from '../memory.js';
import { checkChoice, checkInteger, checkKnown, checkSeed, checkSignal } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import {
  checkPreviews,
  Previewed,
  Previews,
  type Evaluated,
  type Preview,
  type PreviewChoice,
  type Progress,
  type Trajectory,
} from '../sampling/previews.js';
import { priorMismatch } from '../score/doubts.js';
import { recordOfInputs } from '../score/inputs.js';
import { requireModel, type ScoreModel } from '../score/model.js';
import { elementCount } from '../shape.js';
import { evaluationsOf, noCounts, type Counts } from '../solvers/counts.js';
import { checkTaken } from '../solvers/named.js';
import { checkMeasurement, type Known, type Measurement } from './measurement.js';
import { restorationMethods, restorationOptions, type RestorationMethod } from './names.js';
import { isLinear, type Operator } from './operator.js';
import { restoreOptionNames, type RestoreOptions } from './restore-options.js';
import { restorations, type Drawn } from './restorations.js';

/** Draws from the posterior, and how they were made. */
export interface RestoreResult {
  /** [count, ...shape], in the model's own space. */
  readonly samples: Float32Array;
  /** `[count, ...shape]` of `samples`. */
  readonly shape: readonly number[];
  /** Evaluations per sample, by purpose, those of all its particles included. */
  readonly counts: Counts;
  /** Wall-clock time of the run. */
  readonly seconds: number;
  /** `smc`: of each sample, the least effective number of its particles on the way. */
  readonly effectiveSampleSize?: Float64Array;
  /** `smc`: of each sample, the logarithm of an unbiased estimate of p(y), in nats; `evidenceWeights` combines samples by them. */
  readonly logEvidence?: Float64Array;
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Doubts about this choice of options for this model, in plain words. */
  readonly warnings: readonly string[];
  /** States on the way; absent unless they were asked for. */
  readonly trajectory?: Trajectory;
}

/** A restoration: await it for the result, iterate over it (`for await`) for previews on the way, or both. */
export class Restoring extends Previewed<RestoreResult> {}

/** What a run draws, with every option resolved. */
export interface RestoreJob {
  readonly count: number;
  /** Global index of the first sample. */
  readonly first: number;
  /** Most samples at once. */
  readonly most: number;
  readonly known: Known<Operator>;
  readonly labels: Int32Array | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  /** What is shown of a batch, and its steps; why nothing is, where nothing is. */
  readonly previews: PreviewChoice;
  readonly unseen: string | undefined;
  /** So many samples from the one at `done` on, counted from the first. */
  draw(
    done: number,
    size: number,
    onProgress: (progress: Progress) => void,
    evaluated?: Evaluated,
  ): Promise<Drawn>;
}

/** @throws OptionError for measurements and options that cannot be used. */
export async function prepareRestore(
  model: ScoreModel,
  measurement: Measurement,
  options: RestoreOptions,
): Promise<RestoreJob> {
  requireModel('model', model);
  checkKnown(options, restoreOptionNames);
  const known = await checkMeasurement(measurement, model.shape);
  const method = checkChoice('method', options.method ?? defaultMethod(model, known), restorationMethods);
  for (const option of Object.values(restorationOptions).flat())
    checkTaken(option, options[option], option, 'method', method, restorationOptions[method]);
  const count = checkInteger('count', options.count ?? known.count, 1);
  const first = checkInteger('first', options.first ?? 0, 0, Number.MAX_SAFE_INTEGER - count);
  const seed = checkSeed(options.seed ?? 0);
  const signal = checkSignal(options.signal);
  const labels = checkConditions(model, options.classLabel, count);
  const restoration = restorations[method](model, known, options);
  const { states = 1, steps, unseen } = restoration;
  const previews = checkPreviews(options, steps);
  const batch = checkInteger('batch', options.batch ?? Math.min(64, count * states), 1);
  const { operator, noise } = known;
  return {
    ...{ count, first, known, labels, previews, unseen },
    most: Math.max(1, Math.floor(batch / states)),
    draw: (done, size, onProgress, evaluated) =>
      restoration.draw({
        known: { ...known, of: (sample) => known.of(done + sample) },
        ...{ size, first: first + done, seed, signal, evaluated },
        onStep(step) {
          onProgress({ done, count, step, steps, fraction: (done + (size * step) / steps) / count });
        },
        labels: labels?.subarray(done, done + size),
      }),
    options: {
      sde: model.sde.name,
      ...(model.guidance && { guidance: model.guidance }),
      ...recordOfInputs(model),
      method,
      operator: { name: operator.name, ...operator.options },
      noise,
      ...restoration.options,
      ...{ count, batch, seed, first },
    },
    warnings: [...restoration.warnings, ...priorMismatch(model, labels)],
  };
}

/**
 * Draws samples given a measurement of each, y = A(x) + noise: pictures with a hole, without their colours, blurred or small.
 * docs/restoration.md says what each method assumes, costs and gets wrong.
 *
 * The returned object is a promise of the result and an async iterator of previews.
 *
 * @throws OptionError for measurements and options that cannot be used, before any network runs; NonFiniteScoreError when the
 *   score is NaN or infinite.
 *
 * @example
 * ```ts
 * const model = await loadModel(embeddedModel('vp'));
 * const operator = inpainting(maskFromName('half:bottom', model.shape), model.shape);
 * const values = measure(operator, new Float32Array(784)); // a picture, of which the upper half is known
 * const { samples } = await restore(model, { operator, values }, { count: 4 });
 * ```
 */
export function restore(
  model: ScoreModel,
  measurement: Measurement,
  options: RestoreOptions = {},
): Restoring {
  return new Restoring((emit) => run(model, measurement, options, emit));
}

async function run(
  model: ScoreModel,
  measurement: Measurement,
  options: RestoreOptions,
  emit: ((preview: Preview) => void) | undefined,
): Promise<RestoreResult> {
  const began = performance.now();
  const job = await prepareRestore(model, measurement, options);
  const { count, first, most, unseen } = job;
  if (emit && unseen !== undefined)
    throw new OptionError(
      'method',
      job.options['method'],
      `another where the run is iterated over: ${unseen}`,
    );
  const d = elementCount(model.shape);
  checkFits('count', count, 4 * d, 'one part after the other by first, or into a folder by restoreShards');
  const samples = new Float32Array(count * d);
  const previews = new Previews(job.previews, { first, elements: samples.length }, emit);
  const [sizes, evidence] = [new Float64Array(count), new Float64Array(count)];
  let counts = noCounts();
  let hasParticles = false;
  for (let done = 0; done < count; done += most) {
    const drawn = await job.draw(
      done,
      Math.min(most, count - done),
      (progress) => options.onProgress?.(progress),
      previews.evaluated,
    );
    samples.set(drawn.samples, done * d);
    if (evaluationsOf(drawn.counts) > evaluationsOf(counts)) counts = drawn.counts;
    hasParticles ||= drawn.logEvidence !== undefined;
    if (drawn.effectiveSampleSize) sizes.set(drawn.effectiveSampleSize, done);
    if (drawn.logEvidence) evidence.set(drawn.logEvidence, done);
  }
  const { trajectory } = previews;
  return {
    samples,
    shape: [count, ...model.shape],
    counts,
    seconds: (performance.now() - began) / 1000,
    ...(hasParticles && { effectiveSampleSize: sizes, logEvidence: evidence }),
    options: job.options,
    warnings: job.warnings,
    ...(trajectory && { trajectory }),
  };
}

function defaultMethod(model: ScoreModel, { operator }: Known<Operator>): RestorationMethod {
  if (!isLinear(operator)) return 'dps';
  if (operator.rows) return 'replacement';
  return model.closedForm || model.differentiate ? 'mmps' : 'smc';
}
