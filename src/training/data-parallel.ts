import { totalmem } from 'node:os';

import { addon } from '../device/addon.js';
import { readTrainingGraph, type TrainingGraph } from '../autodiff/training.js';
import { FastsdeError, ModelError, OptionError } from '../errors.js';
import { BatchPart, type PartLosses } from './batch-part.js';
import { requireOwnSessions } from './graph-sessions.js';
import { allocateState, arraysOf, type Memory, type TrainingState } from './memory.js';
import { objective } from './objective.js';
import type { TrainingJob } from './plan.js';

/** What is known of a step that was made. */
export interface MadeStep {
  readonly step: number;
  readonly parts: readonly PartLosses[];
  /** L2 norm of the gradient. */
  readonly norm: number;
  /** When it had been made, in milliseconds of a clock of its own; 0 where it was not. */
  readonly at: number;
}

/** The most steps that may be asked for before the first of them is read. */
export const MOST_ASKED = 16;

/**
 * The computation of a run: parts of every batch on queues of their own, whose gradients lie in shared memory. The optimizer
 * is the work of the same queues, each on its slice of the parameters. On a GPU one part is the whole, and what lies in its memory is
 * brought to the shared one when it is to be read.
 */
export class DataParallel {
  readonly #parts: readonly BatchPart[];
  readonly #memory: Memory;
  readonly #isOnGpu: boolean;
  #saved: TrainingState | undefined;

  private constructor(parts: readonly BatchPart[], memory: Memory, isOnGpu: boolean) {
    this.#parts = parts;
    this.#memory = memory;
    this.#isOnGpu = isOnGpu;
  }

  /**
   * Differentiates the network, and opens a session for each part.
   * @param made steps made before
   * @param signal gives all work up, at the next operator of a network
   * @throws LoadError where the addon has no sessions, or there is no GPU that can be used; ModelError for a network that cannot be differentiated; OptionError for a
   *   batch beyond the memory.
   */
  static async open(
    job: TrainingJob,
    memory: Memory,
    made: number,
    signal: AbortSignal,
  ): Promise<DataParallel> {
    await requireOwnSessions();
    const { inputs } = job;
    const goal = objective(job.model, job.objective, { inputs });
    const { batch, accumulation, provider } = job.settings;
    const isOnGpu = provider === 'cuda';
    const derived = job.graph
      ? readTrainingGraph(job.graph)
      : await goal.trainingGraph(job.parameters, isOnGpu ? 'standard' : 'fused');
    const graph = inOrder(derived, job.parameters);
    const present = isOnGpu
      ? ((await addon().gpuInfo()).memory ?? Infinity)
      : Math.min(totalmem(), process.constrainedMemory() || Infinity);
    checkMemory(graph, batch / accumulation, batch, present);
    signal.throwIfAborted();
    const part = {
      ...job,
      graph,
      objective: (queue: BatchPart['queue']) => objective(job.model, job.objective, { inputs }, queue),
    };
    const parallel = new DataParallel(
      memory.gradients.map((_, index) => new BatchPart(part, memory, index, signal)),
      memory,
      isOnGpu,
    );
    const ends = await Promise.allSettled(parallel.#parts.map((each) => each.open(MOST_ASKED)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) {
      await parallel.close();
      throw failed.reason;
    }
    for (const part of parallel.#parts) part.end(made);
    await parallel.settled();
    return parallel;
  }

  /**
   * Asks for a step: the gradients of all parts, their sum in the order of the parts, and the step of the optimizer, which ends the queues
   * where the gradient is not finite. Between these, queues wait for one another.
   */
  ask(step: number): void {
    for (const part of this.#parts) part.differentiate(step);
    this.#meet();
    for (const { optimizer } of this.#parts) optimizer.sum();
    this.#meet();
    this.#parts[0]!.keep(step);
    for (const { optimizer } of this.#parts) optimizer.update(step);
    this.#meet();
    for (const part of this.#parts) part.end(step);
  }

  /** What is known of a step that was asked for. */
  made(step: number): MadeStep {
    return {
      step,
      parts: this.#parts.map((part) => part.losses(step)),
      norm: this.#parts[0]!.norm(step),
      at: Math.min(...this.#parts.map((part) => part.madeAt(step))),
    };
  }

  /** No queue goes on before all have come so far. */
  #meet(): void {
    for (const one of this.#parts)
      for (const other of this.#parts) if (one !== other) one.queue.follow(other.queue);
  }

  /** A copy of the state, which stays as it is until the next one, or until averages are fetched. */
  async save(): Promise<TrainingState> {
    if (this.#isOnGpu) return this.#fetch(arraysOf(this.#memory));
    if (this.#saved === undefined) {
      const { parameters, averages } = this.#memory;
      this.#saved = allocateState(parameters.length, averages.length);
      for (const { queue } of this.#parts) for (const array of arraysOf(this.#saved)) queue.hold(array);
    }
    for (const { optimizer } of this.#parts) optimizer.save(this.#saved);
    await this.settled();
    return this.#saved;
  }

  /** Settles once everything before has taken effect, and the averages can be read in the memory of the run. */
  async fetchAverages(): Promise<void> {
    if (this.#isOnGpu) await this.#fetch(this.#memory.averages);
    else await this.settled();
  }

  /** The loss of the first average on the held-out data; undefined where it is stopped. */
  async validate(isStopped: () => boolean): Promise<number | undefined> {
    await this.settled();
    const shares = await Promise.all(this.#parts.map((part) => part.validate(isStopped)));
    const loss = shares.reduce((sum, share) => sum + share, 0);
    return Number.isNaN(loss) && isStopped() ? undefined : loss;
  }

  /** Settles once everything before has taken effect. */
  async settled(): Promise<void> {
    const ends = await Promise.allSettled(this.#parts.map(({ queue }) => queue.settled()));
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    // Queues that waited for one that failed know less of it.
    if (failures.length > 0) throw failures.find((failure) => !isLater(failure)) ?? failures[0];
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
  }

  /** Brings arrays of the memory from the GPU. */
  async #fetch(arrays: readonly Float32Array[]): Promise<TrainingState> {
    for (const array of arrays) this.#parts[0]!.queue.fetch(array);
    await this.settled();
    return this.#memory;
  }
}

function isLater(failure: unknown): boolean {
  return failure instanceof FastsdeError && failure.code === 'ERR_FASTSDE_DEVICE';
}

/** @throws OptionError where the values of so many rows at once cannot fit into the memory. */
function checkMemory({ activations = 0 }: TrainingGraph, rows: number, batch: number, memory: number): void {
  const bytes = 4 * activations * rows;
  if (bytes <= memory) return;
  const [needed, present] = [bytes, memory].map((size) => `${Number((size / 2 ** 30).toPrecision(2))} GiB`);
  const expected =
    `smaller, or accumulation larger, or the samples or the network smaller: ${Math.ceil(rows)} samples at once take about ` +
    `${needed}, and there are ${present}`;
  throw new OptionError('batch', batch, expected);
}

/** The graph with its parameters in the order in which they lie in memory. */
function inOrder(graph: TrainingGraph, names: readonly string[]): TrainingGraph {
  const parameters = names.map((name) => {
    const found = graph.parameters.find((parameter) => parameter.name === name);
    if (found === undefined)
      throw new ModelError(`The training graph has no gradient of "${name}".`, { value: name });
    return found;
  });
  return { ...graph, parameters };
}
