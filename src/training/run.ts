import { OptionError, TrainingError } from '../errors.js';
import { errorOf } from '../failure.js';
import { withoutDropout } from '../networks/dropout.js';
import { parameterValues, untrainedNames, withParameters } from '../autodiff/parameters.js';
import { withMetadata, type Model } from '../onnx/file/model.js';
import { Barrier } from './barrier.js';
import { Checkpoints, type Validation } from './checkpoint.js';
import { setFlag, trainInParallel, type Received } from './data-parallel.js';
import { allocate, Flag, type Memory, type TrainingState } from './memory.js';
import type { StepReport } from './recorder.js';
import { elementCount } from '../shape.js';
import { learningRateAt } from './schedule.js';
import { runRecord, type TrainingPlan } from './plan.js';

/** Where a run is, with means over the steps since the previous report. */
export interface TrainProgress {
  /** Steps made, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** The weighted loss. */
  readonly loss: number;
  /** The same by time; buckets without rows are left out. */
  readonly losses: readonly TimeBucket[];
  /** L2 norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Of the last step. */
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Seconds since this process started to train, and those that it will still take at this speed. */
  readonly seconds: number;
  readonly remaining: number;
  /** Of the latest checkpoint. */
  readonly validation?: Validation;
  /** The network with the first average as it is after this step; every `modelEvery` steps. */
  readonly model?: Model | undefined;
}

/** Rows whose time t lies in [from, to). */
export interface TimeBucket {
  readonly from: number;
  readonly to: number;
  /** Mean over the rows. */
  readonly loss: number;
  readonly rows: number;
}

export interface TrainResult {
  /** The network with the weights of the first average and complete metadata, ready for `loadModel`. */
  readonly model: Model;
  /** One model for each moving average; the first is `model`. */
  readonly averages: readonly Model[];
  /** Steps in all, and the step from which this run went on (0 for one from the beginning). */
  readonly steps: number;
  readonly resumedFrom: number;
  /** Mean over the last report; absent where nothing was left to do. */
  readonly loss?: number;
  /** Of this run, without a resumed one's earlier part. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Share of the workers' time that went to running the network; the rest is data, the optimizer and waiting. */
  readonly networkShare: number;
  /** File of the last checkpoint. */
  readonly checkpoint?: string;
  /** The checkpoint of the least validation loss. */
  readonly best?: Validation & { readonly path: string };
  /** Initializers that the network depends on and that were not trained, such as tables and frequencies. */
  readonly untrained: readonly string[];
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The main thread's side of a run: it starts the workers, keeps the checkpoints, and says how far they are. */
export class TrainingRun {
  readonly #network: Model;
  readonly #plan: TrainingPlan;
  readonly #memory: Memory;
  readonly #signal: AbortSignal | undefined;
  readonly #progress: (progress: TrainProgress) => void;
  #checkpoints: Checkpoints | undefined;
  /** Steps made before, and so far. */
  #made = 0;
  #step = 0;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  /** Those who wait for the model as it is. */
  readonly #waiting: Waiting[] = [];
  #loss: number | undefined;
  #validation: Validation | undefined;
  #start = 0;
  /** Milliseconds in reports: in all, and in the network. */
  #reported = { all: 0, network: 0 };

  constructor(
    model: Model,
    plan: TrainingPlan,
    signal: AbortSignal | undefined,
    progress: (progress: TrainProgress) => void,
  ) {
    this.#network = model;
    this.#plan = plan;
    this.#signal = signal;
    this.#progress = progress;
    const count = plan.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const { settings, edges } = plan.job;
    this.#memory = allocate(count, settings.ema.length, settings.workers, edges.length - 1);
  }

  /** Trains to the last step. */
  async train(): Promise<TrainResult> {
    try {
      this.#signal?.throwIfAborted();
      await this.#restore();
      this.#start = performance.now();
      if (this.#made < this.#steps) await this.#runWorkers();
      if (this.#step < this.#steps) this.#signal?.throwIfAborted();
      this.#isOver = true;
      const model = this.#export(this.#memory, 0);
      for (const { resolve } of this.#waiting.splice(0)) resolve(model);
      return this.#result();
    } catch (error) {
      this.#failure = { error };
      for (const { reject } of this.#waiting.splice(0)) reject(error);
      throw error;
    } finally {
      await this.#checkpoints?.close();
    }
  }

  /**
   * The network with the first average as it is after the step under way.
   * @throws what ended the run, once it has failed or was stopped.
   */
  async model(): Promise<Model> {
    if (this.#failure) throw this.#failure.error;
    if (this.#isOver) return this.#export(this.#memory, 0);
    Atomics.add(this.#memory.flags, Flag.stateWanted, 1);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Somebody has taken the network of a report, so that the next may come. */
  release(): void {
    setFlag(this.#memory.flags, 'showing', 0);
  }

  get #steps(): number {
    return this.#plan.job.settings.steps;
  }

  /** Fills the memory with the state of the last checkpoint, or with that of the beginning. */
  async #restore(): Promise<void> {
    const { parameters, checkpoints } = this.#plan;
    const names = parameters.map(({ name }) => name);
    const values = parameterValues(this.#network, names);
    let begin = 0;
    for (const name of names) {
      const tensor = values.get(name)!;
      for (const part of [this.#memory.parameters, ...this.#memory.averages]) part.set(tensor, begin);
      begin += tensor.length;
    }
    if (checkpoints === undefined) return;
    const { folder, keep } = checkpoints;
    this.#checkpoints = await Checkpoints.open(folder, await runRecord(this.#plan), parameters, keep);
    this.#made = this.#step = await this.#checkpoints.restore(this.#memory);
    if (this.#made > this.#steps) {
      const expected = `at least ${this.#made}, as many as the run in ${folder} has made`;
      throw new OptionError('steps', this.#steps, expected);
    }
  }

  async #runWorkers(): Promise<void> {
    const { flags, barrier, gradients } = this.#memory;
    let leave: (reason: unknown) => void;
    const left = new Promise<never>((_, reject) => (leave = reject));
    const stop = (): void => {
      setFlag(flags, 'stopWanted', 1);
      this.release();
      // Before the first step there is nothing to keep, and what is waited for (a graph, a session) cannot be stopped.
      if (Atomics.load(flags, Flag.step) > 0) return;
      new Barrier(barrier, gradients.length).abort();
      leave(this.#signal?.reason);
    };
    this.#signal?.addEventListener('abort', stop);
    try {
      const job = { ...this.#plan.job, memory: this.#memory, made: this.#made };
      const receive = (message: Received): Promise<void> | undefined =>
        this.#signal?.aborted && Atomics.load(flags, Flag.step) === 0 ? undefined : this.#receive(message);
      const trained = trainInParallel(job, receive);
      if (this.#signal?.aborted) stop();
      await Promise.race([trained, left]);
    } finally {
      this.#signal?.removeEventListener('abort', stop);
    }
  }

  async #receive(message: Received): Promise<void> {
    const checkpoint = this.#checkpoints?.last;
    switch (message.kind) {
      case 'report':
        this.#step = message.report.step;
        this.#report(message.report, message.state);
        break;
      case 'checkpoint':
        await this.#save(message);
        break;
      case 'state': {
        const model = this.#export(message.state, 0, message.step);
        for (const { resolve } of this.#waiting.splice(0)) resolve(model);
        break;
      }
      case 'not-finite': {
        const { step, loss, times } = message;
        const what = Number.isFinite(loss) ? 'gradient is not finite, though the loss is' : 'loss is';
        const shown = times.slice(0, 5).map((time) => time.toPrecision(4));
        const rows =
          times.length === 0 ? '' : ` for rows at t = ${shown.join(', ')}${times.length > 5 ? ', ...' : ''}`;
        throw new TrainingError(
          `At step ${step} the ${what} ${loss}${rows}. Use a smaller learningRate, a longer warmup or a smaller clip.`,
          { step, times, checkpoint },
        );
      }
      case 'failed': {
        const { step, failure } = message;
        const cause = errorOf(failure);
        if (step === this.#made) throw cause;
        throw new TrainingError(`Step ${step} failed: ${cause.message}`, { step, checkpoint, cause });
      }
      case 'died': {
        const step = this.#step + 1;
        const { worker, reason } = message;
        throw new TrainingError(`Worker ${worker} died after step ${this.#step} or later: ${reason}.`, {
          step,
          checkpoint,
        });
      }
    }
  }

  async #save({ step, state, validation: loss }: Extract<Received, { kind: 'checkpoint' }>): Promise<void> {
    if (loss !== undefined) this.#validation = { step, loss };
    try {
      await this.#checkpoints!.write(step, state, loss);
    } finally {
      setFlag(this.#memory.flags, 'writing', 0);
    }
  }

  #report(report: StepReport, state: TrainingState | undefined): void {
    const { step, steps, loss, gradientNorm, buckets, milliseconds, network } = report;
    const { settings, edges } = this.#plan.job;
    const seconds = (performance.now() - this.#start) / 1000;
    this.#loss = loss;
    this.#reported.all += milliseconds;
    this.#reported.network += network;
    this.#progress({
      step,
      steps: this.#steps,
      loss,
      losses: buckets.flatMap(({ sum, rows }, k) =>
        rows === 0 ? [] : [{ from: edges[k]!, to: edges[k + 1]!, loss: sum / rows, rows }],
      ),
      gradientNorm,
      learningRate: learningRateAt(settings, step),
      imagesPerSecond: (1000 * steps * settings.batch) / milliseconds,
      seconds,
      remaining: ((this.#steps - step) * this.#reported.all) / 1000 / (step - this.#made),
      ...(this.#validation && { validation: this.#validation }),
      ...(state && { model: this.#export(state, 0, step) }),
    });
  }

  #result(): TrainResult {
    const seconds = (performance.now() - this.#start) / 1000;
    const averages = this.#memory.averages.map((_, k) => this.#export(this.#memory, k));
    const { batch } = this.#plan.job.settings;
    const { all, network } = this.#reported;
    const checkpoint = this.#checkpoints?.last;
    const best = this.#checkpoints?.best;
    return {
      model: averages[0]!,
      averages,
      steps: this.#step,
      resumedFrom: this.#made,
      ...(this.#loss !== undefined && { loss: this.#loss }),
      seconds,
      imagesPerSecond: ((this.#step - this.#made) * batch) / seconds,
      networkShare: all === 0 ? 0 : network / all,
      ...(checkpoint !== undefined && { checkpoint }),
      ...(best && { best }),
      untrained: untrainedNames(
        this.#network,
        this.#plan.parameters.map(({ name }) => name),
      ),
      options: this.#plan.options,
    };
  }

  /** The network with an average of a state, without its mask inputs, and with the facts of its training. */
  #export({ averages }: Pick<TrainingState, 'averages'>, k: number, step = this.#step): Model {
    const { objective, settings } = this.#plan.job;
    const { seed, batch, ema } = settings;
    const values = new Map<string, Float32Array>();
    let begin = 0;
    for (const { name, shape } of this.#plan.parameters) {
      const end = begin + elementCount(shape);
      values.set(name, averages[k]!.slice(begin, end));
      begin = end;
    }
    const inference = withoutDropout(withParameters(this.#network, values));
    return withMetadata(inference, {
      'fastsde.training.steps': String(step),
      'fastsde.training.images': String(step * batch),
      'fastsde.training.objective': JSON.stringify(objective),
      'fastsde.training.seed': String(seed),
      'fastsde.training.ema': JSON.stringify(ema[k]),
    });
  }
}

interface Waiting {
  readonly resolve: (model: Model) => void;
  readonly reject: (reason: unknown) => void;
}
