import type { Elements } from '../device/device.js';
import { OptionError } from '../errors.js';
import { checkChoice, checkInteger } from '../options.js';
import type { Level } from '../sde/level.js';
import type { Batch } from '../solvers/batch.js';
import { Task } from '../task.js';

/** Which states of a run are shown on the way. */
export interface PreviewOptions {
  /** Keep the trajectory: one frame every so many steps. */
  readonly trajectory?: number | undefined;
  /** Steps between the previews of the async iterator. Default: a tenth of the steps. */
  readonly previewEvery?: number | undefined;
  /** What previews and trajectory frames show: the state x (default), or the estimate of x_0 from it. */
  readonly preview?: 'x' | 'x0' | undefined;
}

export const previewOptions = ['trajectory', 'previewEvery', 'preview'] as const;

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

/** A run that shows its states on the way: await it for the result, iterate over it (`for await`) for previews, or both. */
export class Previewed<Result> extends Task<Result, Preview> {
  /** @internal @param most previews wait to be taken; of those that come meanwhile, the newest is kept. */
  constructor(run: (emit: ((preview: Preview) => void) | undefined) => Promise<Result>, most?: number) {
    // Without an iterator no preview is ever copied.
    super((emit, isWatched) => run(isWatched ? emit : undefined), { most });
  }
}

/** Options with their defaults for a run of so many steps. */
export interface PreviewChoice {
  readonly steps: number;
  readonly trajectory: number | undefined;
  readonly previewEvery: number;
  readonly preview: 'x' | 'x0';
}

/** @throws OptionError for options that cannot be used. */
export function checkPreviews(
  { trajectory, previewEvery, preview }: PreviewOptions,
  steps: number,
): PreviewChoice {
  return {
    steps,
    trajectory: trajectory === undefined ? undefined : checkInteger('trajectory', trajectory, 1),
    previewEvery: checkInteger('previewEvery', previewEvery ?? Math.ceil(steps / 10), 1),
    preview: checkChoice('preview', preview ?? 'x', ['x', 'x0']),
  };
}

/** @throws OptionError where previews are asked for in words, and there are none. */
export function refusePreviews(options: object, expected: string): void {
  const given: PreviewOptions = options;
  for (const name of previewOptions)
    if (given[name] !== undefined) throw new OptionError(name, given[name], expected);
}

/** What is called when a batch holds a state, and the network's output for it. */
export type Evaluated = (step: number, level: Level, batch: Batch) => Promise<void>;

/** Shows batches of a run on their way, one after the other: to who iterates over it, and in the frames of a trajectory. */
export class Previews {
  readonly #choice: PreviewChoice;
  readonly #emit: ((preview: Preview) => void) | undefined;
  /** By their steps. */
  readonly #frames = new Map<number, { readonly t: number; readonly samples: Float32Array }>();
  readonly #first: number;
  readonly #length: number;
  /** Of the batch that is shown now. */
  #batch: Batch | undefined;
  #estimate: Elements | undefined;
  #due = { preview: 0, frame: 0 };

  /** @param run its first index and the elements of all its samples. */
  constructor(
    choice: PreviewChoice,
    { first, elements }: { readonly first: number; readonly elements: number },
    emit: ((preview: Preview) => void) | undefined,
  ) {
    this.#choice = choice;
    this.#emit = emit;
    this.#first = first;
    this.#length = elements;
  }

  /** The frames that were kept; undefined where none were asked for. */
  get trajectory(): Trajectory | undefined {
    if (this.#choice.trajectory === undefined) return undefined;
    const kept = [...this.#frames.values()];
    return {
      steps: [...this.#frames.keys()],
      times: kept.map(({ t }) => t),
      frames: kept.map(({ samples }) => samples),
    };
  }

  /** For the observer of every batch; undefined where nobody looks. */
  get evaluated(): Evaluated | undefined {
    if (!this.#emit && this.#choice.trajectory === undefined) return undefined;
    return async (step, { t }, batch) => {
      if (batch !== this.#batch) {
        this.#batch = batch;
        this.#estimate = undefined;
        this.#due = { preview: 0, frame: 0 };
      }
      const { steps, trajectory, previewEvery, preview } = this.#choice;
      const emit = step >= this.#due.preview ? this.#emit : undefined;
      const isFramed = trajectory !== undefined && step >= this.#due.frame;
      if (!emit && !isFramed) return;
      if (preview === 'x0') batch.estimate((this.#estimate ??= batch.like()));
      const samples = Float32Array.from(await batch.read(this.#estimate));
      if (isFramed) {
        this.#due.frame = nextAfter(step, trajectory);
        this.#keep(step, t, batch, samples);
      }
      if (!emit) return;
      this.#due.preview = nextAfter(step, previewEvery);
      const shape = [batch.size, ...batch.model.shape];
      emit({ step, steps, t, first: batch.first, samples, shape });
    };
  }

  #keep(step: number, t: number, { first, size }: Batch, shown: Float32Array): void {
    let frame = this.#frames.get(step);
    if (!frame) this.#frames.set(step, (frame = { t, samples: new Float32Array(this.#length) }));
    frame.samples.set(shown, (first - this.#first) * (shown.length / size));
  }
}

/** Where a step shows nothing, as one that only adds noise, the next does. */
function nextAfter(step: number, every: number): number {
  return (Math.floor(step / every) + 1) * every;
}
