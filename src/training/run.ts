import { OptionError, TrainingError } from '../errors.js';
import { withoutDropout } from '../networks/dropout.js';
import { parameterValues, untrainedNames, withParameters } from '../autodiff/parameters.js';
import { withMetadata, type Model } from '../onnx/file/model.js';
import type { PartLosses } from './batch-part.js';
import { Checkpoints, type Validation } from './checkpoint.js';
import { DataParallel, MOST_ASKED, type MadeStep } from './data-parallel.js';
import { allocate, layoutOf, tensorsOf, type Memory, type TrainingState } from './memory.js';
import { Recorder, type StepReport } from './recorder.js';
import type { TrainProgress, TrainResult } from './results.js';
import { learningRateAt } from './schedule.js';
import { runRecord, type TrainingPlan } from './plan.js';
import { openSnapshots, writeSnapshot } from './snapshots.js';

/** Milliseconds of steps that are asked for together: short ones in one go, so that this thread seldom has to look. */
const TOGETHER = 40;

/** A run: step after step, its checkpoints, and how far it is. */
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
  /** Settles once somebody has taken the network of the last report. */
  #taken: Promise<void> | undefined;
  #release: () => void = () => undefined;
  #writing: Promise<void> | undefined;
  #writeFailure: { readonly error: unknown } | undefined;
  #loss: number | undefined;
  #validation: Validation | undefined;
  #start = 0;
  /** When the last step had been made, by the clock of the queues, and how long it took. */
  #madeAt = 0;
  #stepTime = Infinity;
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
    const { averages, settings } = plan.job;
    this.#memory = allocate(layoutOf(plan.parameters).length, averages.length, settings.workers);
  }

  /** Trains to the last step. */
  async train(): Promise<TrainResult> {
    try {
      this.#signal?.throwIfAborted();
      await this.#restore();
      this.#start = performance.now();
      if (this.#made < this.#steps) await this.#makeSteps();
      if (this.#step < this.#steps) this.#signal?.throwIfAborted();
      this.#isOver = true;
      const model = this.#export(0);
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
   * The network with the first average as it is after the steps under way.
   * @throws what ended the run, once it has failed or was stopped.
   */
  async model(): Promise<Model> {
    if (this.#failure) throw this.#failure.error;
    if (this.#isOver) return this.#export(0);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Somebody has taken the network of a report, so that the next may come. */
  release(): void {
    this.#release();
  }

  get #steps(): number {
    return this.#plan.job.settings.steps;
  }

  /** Fills the memory with the state of the last checkpoint, or with that of the beginning. */
  async #restore(): Promise<void> {
    const { parameters, checkpoints, snapshots } = this.#plan;
    const names = parameters.map(({ name }) => name);
    const values = parameterValues(this.#network, names);
    const { places } = layoutOf(parameters);
    for (const [i, name] of names.entries())
      for (const part of [this.#memory.parameters, ...this.#memory.averages])
        part.set(values.get(name)!, places[i]!.begin);
    if (checkpoints) await this.#resume(checkpoints);
    if (snapshots) await openSnapshots(snapshots.folder, this.#made);
  }

  async #resume({ folder, keep }: Exclude<TrainingPlan['checkpoints'], undefined>): Promise<void> {
    const { parameters } = this.#plan;
    this.#checkpoints = await Checkpoints.open(folder, await runRecord(this.#plan), parameters, keep);
    this.#made = this.#step = await this.#checkpoints.restore(this.#memory);
    if (this.#made > this.#steps) {
      const expected = `at least ${this.#made}, as many as the run in ${folder} has made`;
      throw new OptionError('steps', this.#steps, expected);
    }
  }

  async #makeSteps(): Promise<void> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const giveUp = new AbortController();
    let leave: (reason: unknown) => void;
    const left = new Promise<never>((_, reject) => (leave = reject));
    const stop = (): void => {
      this.release();
      // Before the first step there is nothing to keep.
      if (this.#step > this.#made) return;
      giveUp.abort(signal!.reason);
      leave(signal!.reason);
    };
    signal?.addEventListener('abort', stop, { once: true });
    const opening = DataParallel.open(this.#plan.job, this.#memory, this.#made, giveUp.signal);
    try {
      await Promise.race([opening.then((parallel) => this.#repeat(parallel, giveUp.signal)), left]);
    } finally {
      signal?.removeEventListener('abort', stop);
      giveUp.abort();
      const closed = opening.then((parallel) => parallel.close()).catch(() => undefined);
      if (!signal?.aborted) await closed;
    }
  }

  /** Step after step, until the last one or the one in which the run is stopped. */
  async #repeat(parallel: DataParallel, givenUp: AbortSignal): Promise<void> {
    const { edges, reportEvery, modelEvery, checkpointEvery } = this.#plan.job;
    const snapshotEvery = this.#plan.snapshots?.every ?? 0;
    const recorder = new Recorder(edges, this.#made, reportEvery);
    this.#madeAt = parallel.made(this.#made).at;
    const pauses = [checkpointEvery, snapshotEvery, modelEvery].filter((every) => every > 0);
    for (let stop = false; this.#step < this.#steps && !stop;) {
      givenUp.throwIfAborted();
      const ends = pauses.map((every) => (Math.floor(this.#step / every) + 1) * every);
      await this.#advance(parallel, recorder, Math.min(this.#steps, ...ends), givenUp);
      const step = this.#step;
      stop = this.#signal?.aborted ?? false;
      const last = stop || step === this.#steps;
      if (checkpointEvery > 0 && (last || step % checkpointEvery === 0)) await this.#checkpoint(parallel);
      if (snapshotEvery > 0 && (step === this.#steps || step % snapshotEvery === 0))
        await this.#snapshot(parallel);
      if (this.#writeFailure) throw this.#writeFailure.error;
      if (this.#waiting.length > 0) {
        await this.#fetchAverages(parallel);
        const model = this.#export(0);
        for (const { resolve } of this.#waiting.splice(0)) resolve(model);
      }
      const shows = modelEvery > 0 && step % modelEvery === 0;
      if (shows) await this.#taken;
      const report = recorder.report(last || shows);
      if (shows || last) await this.#fetchAverages(parallel);
      if (report) this.#report(report, shows);
    }
    await this.#writing;
    if (this.#writeFailure) throw this.#writeFailure.error;
  }

  /**
   * Makes the steps up to one, or fewer where the run is stopped or somebody waits for its model. While some are made the next ones are asked
   * for already, so that no queue waits for this thread. Reports come after all steps but the last.
   */
  async #advance(
    parallel: DataParallel,
    recorder: Recorder,
    end: number,
    givenUp: AbortSignal,
  ): Promise<void> {
    const begun = this.#step;
    let asked = begun;
    const isOver = (): boolean =>
      asked === end || (this.#signal?.aborted ?? false) || this.#waiting.length > 0;
    const pieces: { readonly last: number; readonly done: Promise<void> }[] = [];
    try {
      for (;;) {
        while (pieces.length < 2 && (asked === begun || !isOver())) {
          const last = Math.min(end, asked + this.#together);
          while (asked < last) parallel.ask(++asked);
          const done = parallel.settled();
          done.catch(() => undefined);
          pieces.push({ last, done });
        }
        const piece = pieces.shift();
        if (piece === undefined) return;
        await piece.done;
        while (this.#step < piece.last) {
          this.#take(parallel.made(this.#step + 1), recorder);
          if (this.#step === asked && isOver()) continue;
          const report = recorder.report(false);
          if (report) this.#report(report, false);
        }
      }
    } catch (cause) {
      if (givenUp.aborted || cause instanceof TrainingError) throw cause;
      throw this.#failed(parallel, asked, cause);
    }
  }

  /** How many steps are asked for at once. */
  get #together(): number {
    return Math.min(MOST_ASKED / 2, Math.max(1, Math.floor(TOGETHER / this.#stepTime)));
  }

  #take({ step, parts, norm, at }: MadeStep, recorder: Recorder): void {
    const loss = this.#meanLoss(parts, step);
    this.#stepTime = at - this.#madeAt;
    this.#madeAt = at;
    this.#step = step;
    recorder.add(loss, norm, parts, this.#stepTime);
  }

  /** What to say of the first step that was asked for and not made. */
  #failed(parallel: DataParallel, asked: number, cause: unknown): TrainingError {
    let step = this.#step + 1;
    while (step < asked && parallel.made(step).at > 0) step++;
    const { parts, norm } = parallel.made(step);
    const loss = this.#meanLoss(parts, step);
    if (!Number.isFinite(norm)) return this.#notFinite(step, loss, []);
    const why = cause instanceof Error ? cause.message : String(cause);
    const checkpoint = this.#checkpoints?.last;
    return new TrainingError(`Step ${step} failed: ${why}`, { step, checkpoint, cause });
  }

  /** @throws TrainingError for the first run whose loss is not finite. */
  #meanLoss(parts: readonly PartLosses[], step: number): number {
    const { batch } = this.#plan.job.settings;
    let sum = 0;
    for (const { runs } of parts) {
      let share = 0;
      for (const { loss, losses, times } of runs) {
        if (!Number.isFinite(loss)) {
          const wrong = [...times].filter((_, n) => losses === undefined || !Number.isFinite(losses[n]));
          throw this.#notFinite(step, loss, wrong);
        }
        share += (times.length / batch) * loss;
      }
      sum += share;
    }
    return sum;
  }

  #notFinite(step: number, loss: number, times: number[]): TrainingError {
    const what = Number.isFinite(loss) ? 'gradient is not finite, though the loss is' : 'loss is';
    const shown = times.slice(0, 5).map((time) => time.toPrecision(4));
    const rows =
      times.length === 0 ? '' : ` for rows at t = ${shown.join(', ')}${times.length > 5 ? ', ...' : ''}`;
    return new TrainingError(
      `At step ${step} the ${what} ${loss}${rows}. Use a smaller learningRate, a longer warmup or a smaller clip.`,
      { step, times, checkpoint: this.#checkpoints?.last },
    );
  }

  /** Begins to write one; where the disk is slower than the training, training waits. */
  async #checkpoint(parallel: DataParallel): Promise<void> {
    const step = this.#step;
    const isStopped = (): boolean => this.#signal?.aborted ?? false;
    const loss = this.#plan.job.validation && (await parallel.validate(isStopped));
    if (loss !== undefined) this.#validation = { step, loss };
    await this.#write(parallel, (saved) => this.#checkpoints!.write(step, saved, loss));
  }

  async #snapshot(parallel: DataParallel): Promise<void> {
    const step = this.#step;
    const { parameters, snapshots, job } = this.#plan;
    const { folder, deviations } = snapshots!;
    const first = job.settings.ema.length;
    await this.#write(parallel, ({ averages }) =>
      writeSnapshot(
        folder,
        step,
        parameters,
        new Map(deviations.map((deviation, k) => [deviation, averages[first + k]!])),
      ),
    );
  }

  /** Begins to write a copy of the state, once what was written before is on the disk. */
  async #write(parallel: DataParallel, write: (saved: TrainingState) => Promise<void>): Promise<void> {
    await this.#writing;
    if (this.#writeFailure) return;
    this.#writing = write(await parallel.save()).catch((error: unknown) => {
      this.#writeFailure = { error };
    });
  }

  /** Waits for averages that can be exported: those of a GPU come to where a checkpoint may still be written from. */
  async #fetchAverages(parallel: DataParallel): Promise<void> {
    if (this.#plan.job.settings.provider === 'cuda') await this.#writing;
    await parallel.fetchAverages();
  }

  #report(report: StepReport, shows: boolean): void {
    const { step, steps, loss, gradientNorm, buckets, milliseconds, network } = report;
    const { settings, edges } = this.#plan.job;
    const seconds = (performance.now() - this.#start) / 1000;
    this.#loss = loss;
    this.#reported.all += milliseconds;
    this.#reported.network += network;
    if (shows) this.#taken = new Promise((resolve) => (this.#release = resolve));
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
      ...(shows && { model: this.#export(0) }),
    });
  }

  #result(): TrainResult {
    const seconds = (performance.now() - this.#start) / 1000;
    const { batch, ema } = this.#plan.job.settings;
    const averages = ema.map((_, k) => this.#export(k));
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

  /** The network with an average as it is, without its mask inputs, and with the facts of its training. */
  #export(k: number): Model {
    const { objective, settings } = this.#plan.job;
    const { seed, batch, ema } = settings;
    const tensors = tensorsOf(this.#plan.parameters, this.#memory.averages[k]!.slice());
    const values = new Map([...tensors].map(([name, { data }]) => [name, data]));
    const inference = withoutDropout(withParameters(this.#network, values));
    return withMetadata(inference, {
      'fastsde.training.steps': String(this.#step),
      'fastsde.training.images': String(this.#step * batch),
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
