import { totalmem } from 'node:os';

import { readTrainingGraph, type TrainingGraph } from '../autodiff/training.js';
import { ModelError, OptionError } from '../errors.js';
import { BatchPart, type PartLosses } from './batch-part.js';
import { requireOwnSessions } from './graph-sessions.js';
import type { Memory, TrainingState } from './memory.js';
import { objective } from './objective.js';
import type { TrainingJob } from './plan.js';

/**
 * The computation of a run: parts of every batch on queues of their own, whose gradients lie in shared memory. The optimizer
 * is the work of the same queues, each on its slice of the parameters.
 */
export class DataParallel {
  readonly #parts: readonly BatchPart[];

  private constructor(parts: readonly BatchPart[]) {
    this.#parts = parts;
  }

  /**
   * Differentiates the network, and opens a session for each part.
   * @param made steps made before
   * @param signal gives all work up, at the next operator of a network
   * @throws LoadError where the addon has no sessions; ModelError for a network that cannot be differentiated; OptionError for a
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
    const derived = job.graph ? readTrainingGraph(job.graph) : await goal.trainingGraph(job.parameters);
    const graph = inOrder(derived, job.parameters);
    const { batch, accumulation } = job.settings;
    checkMemory(graph, batch / accumulation, batch);
    signal.throwIfAborted();
    const part = {
      ...job,
      graph,
      objective: (queue: BatchPart['queue']) => objective(job.model, job.objective, { inputs }, queue),
    };
    const parallel = new DataParallel(
      memory.gradients.map((_, index) => new BatchPart(part, memory, index, signal)),
    );
    const ends = await Promise.allSettled(parallel.#parts.map((each) => each.open(made + 1)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed === undefined) return parallel;
    await parallel.close();
    throw failed.reason;
  }

  /** Writes the gradients of a step; the losses of all parts. */
  differentiate(step: number): Promise<PartLosses[]> {
    return Promise.all(this.#parts.map((part) => part.differentiate(step)));
  }

  /** Adds the gradients up, in the order of the parts; the L2 norm. */
  async sumGradients(): Promise<number> {
    if (this.#parts.length > 1) {
      for (const { optimizer } of this.#parts) optimizer.sum();
      await this.settled();
    }
    return Math.sqrt(this.#parts.reduce((sum, { optimizer }) => sum + optimizer.squaredNorm, 0));
  }

  /** Makes the step of the optimizer, before anything that comes later. */
  async update(step: number, norm: number): Promise<void> {
    for (const { optimizer } of this.#parts) optimizer.update(step, norm);
    if (this.#parts.length > 1) await this.settled();
  }

  /** Copies the state. */
  async save(state: TrainingState): Promise<void> {
    for (const { optimizer } of this.#parts) optimizer.save(state);
    await this.settled();
  }

  /** Takes the arrays of a state, for `save`. */
  hold(arrays: readonly Float32Array[]): void {
    for (const { queue } of this.#parts) for (const array of arrays) queue.hold(array);
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
    await Promise.all(this.#parts.map(({ queue }) => queue.settled()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
  }
}

/** @throws OptionError where the values of so many rows at once cannot fit into the memory. */
function checkMemory({ activations = 0 }: TrainingGraph, rows: number, batch: number): void {
  const bytes = 4 * activations * rows;
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
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
