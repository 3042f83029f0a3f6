import { totalmem } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';

import type { Dataset } from '../data/dataset.js';
import { failureOf } from '../failure.js';
import { ModelError, OptionError } from '../errors.js';
import { stayOnThisThread } from '../device/addon.js';
import { readTrainingGraph, type TrainingGraph } from '../autodiff/training.js';
import { readModel } from '../onnx/file/model.js';
import { Aborted, Barrier } from './barrier.js';
import { GradientGraph, partOf, type RowRange, type RowLosses } from './gradient.js';
import { GraphSessions } from './graph-sessions.js';
import { copyState, Figure, Flag, type TrainingState } from './memory.js';
import type { TrainingJob, WorkerMessage } from './messages.js';
import { objective } from './objective.js';
import { Optimizer } from './optimizer.js';
import { Recorder } from './recorder.js';

const job = workerData as TrainingJob;
const barrier = new Barrier(job.memory.barrier, job.memory.gradients.length);
const { memory } = job;
const isFirst = job.worker === 0;
let step = job.made;
let served = 0;

void runSteps().then(
  () => {
    post({ kind: 'done' });
  },
  (error: unknown) => {
    post(error instanceof Aborted ? { kind: 'done' } : { kind: 'failed', step, failure: failureOf(error) });
    barrier.abort();
  },
);

async function runSteps(): Promise<void> {
  const { steps, batch } = job.settings;
  stayOnThisThread();
  const gradient = await openGraph();
  const optimizer = new Optimizer(memory, job.settings, job.worker);
  const rows = partOf({ first: 0, count: batch }, job.worker, memory.gradients.length);
  gradient.load(memory.parameters);
  const recorder = new Recorder(memory, step, job.reportEvery);
  barrier.wait();
  for (let stop = false; step < steps && !stop;) {
    step++;
    await differentiate(gradient, rows);
    barrier.wait();
    const loss = sumOverWorkers(Figure.loss);
    memory.figures[job.worker]![Figure.squares] = optimizer.sum();
    barrier.wait();
    const norm = Math.sqrt(sumOverWorkers(Figure.squares));
    if (!Number.isFinite(norm)) {
      if (isFirst) post({ kind: 'not-finite', step, loss, times: [] });
      throw new Aborted();
    }
    optimizer.update(step, norm);
    if (isFirst) {
      recorder.add(step, loss, norm);
      Atomics.store(memory.flags, Flag.stop, Atomics.load(memory.flags, Flag.stopWanted));
    }
    barrier.wait();
    stop = Atomics.load(memory.flags, Flag.stop) === 1;
    const last = stop || step === steps;
    if (job.checkpointEvery > 0 && (last || step % job.checkpointEvery === 0)) await checkpoint(gradient);
    gradient.load(memory.parameters);
    if (isFirst) {
      answer();
      const state = job.modelEvery > 0 && step % job.modelEvery === 0 ? copyWhenFree('showing') : undefined;
      const report = recorder.report(last || state !== undefined);
      if (report) post({ kind: 'report', report, state });
      Atomics.store(memory.flags, Flag.step, step);
    }
  }
}

async function openGraph(): Promise<GradientGraph> {
  const model = await readModel(job.model, job.folder);
  const goal = objective(model, job.objective);
  const made =
    job.graph === undefined
      ? await goal.trainingGraph(job.parameters)
      : readTrainingGraph(await readModel(job.graph, job.folder));
  const graph = inOrder(made, job.parameters);
  const { batch, accumulation } = job.settings;
  checkMemory(graph, batch / accumulation, batch);
  const rows = partOf({ first: 0, count: batch }, job.worker, memory.gradients.length);
  const parts = Array.from({ length: accumulation }, (_, k) => partOf(rows, k, accumulation).count);
  const sessions = new GraphSessions(graph.model, new Set(parts));
  // Opened now, so that what ONNX Runtime refuses is known before the first step.
  await sessions.for(parts[0]!);
  return new GradientGraph(graph, sessions, goal, job.data, job.settings, memory.gradients[job.worker]!);
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

/** The gradient of this worker's rows of a step, with their losses in its figures. */
async function differentiate(gradient: GradientGraph, rows: RowRange): Promise<void> {
  const figures = memory.figures[job.worker]!;
  figures[Figure.loss] = 0;
  const { batch, accumulation } = job.settings;
  for (let k = 0; k < accumulation; k++) {
    barrier.throwIfAborted();
    const part = partOf(rows, k, accumulation);
    const share = part.count / batch;
    const found = await gradient.run(step, part, share, k === 0);
    if (!Number.isFinite(found.loss)) {
      post({ kind: 'not-finite', step, loss: found.loss, times: timesOfNotFinite(found) });
      throw new Aborted();
    }
    figures[Figure.loss]! += share * found.loss;
    addByTime(figures, found);
  }
  figures[Figure.network] = gradient.network;
}

function timesOfNotFinite({ losses, times }: RowLosses): number[] {
  return [...times].filter((_, n) => losses === undefined || !Number.isFinite(losses[n]));
}

function addByTime(figures: Float64Array, { losses, times }: RowLosses): void {
  if (losses === undefined) return;
  const buckets = job.edges.length - 1;
  for (const [n, time] of times.entries()) {
    let bucket = 0;
    while (bucket < buckets - 1 && time >= job.edges[bucket + 1]!) bucket++;
    figures[Figure.buckets + bucket]! += losses[n]!;
    figures[Figure.buckets + buckets + bucket]! += 1;
  }
}

/** Evaluates the first average, and gives a copy of the state to the main thread. */
async function checkpoint(gradient: GradientGraph): Promise<void> {
  const validation = job.validation && (await validate(gradient, job.validation));
  if (!isFirst) return;
  post({
    kind: 'checkpoint',
    step,
    state: copyWhenFree('writing'),
    ...(validation !== undefined && { validation }),
  });
}

/** A copy of the state, one at a time: where the disk or whoever watches is slower than the training, training waits. */
function copyWhenFree(use: 'writing' | 'showing'): TrainingState {
  Atomics.wait(memory.flags, Flag[use], 1);
  barrier.throwIfAborted();
  Atomics.store(memory.flags, Flag[use], 1);
  return copyState(memory);
}

/** The loss of the first average on held-out data; undefined where the run is to stop, which waits for no evaluation. */
async function validate(gradient: GradientGraph, data: Dataset): Promise<number | undefined> {
  const workers = memory.gradients.length;
  const count = data.shape[0]!;
  gradient.load(memory.averages[0]!);
  const rows = partOf({ first: 0, count }, job.worker, workers);
  const size = Math.ceil(job.settings.batch / (workers * job.settings.accumulation));
  let sum = 0;
  for (let done = 0; done < rows.count; done += size) {
    barrier.throwIfAborted();
    if (isStopWanted()) {
      sum = NaN;
      break;
    }
    const part = { first: rows.first + done, count: Math.min(size, rows.count - done) };
    sum += (part.count / count) * (await gradient.validate(data, part)).loss;
  }
  memory.figures[job.worker]![Figure.validation] = sum;
  barrier.wait();
  const loss = sumOverWorkers(Figure.validation);
  return Number.isNaN(loss) && isStopWanted() ? undefined : loss;
}

function isStopWanted(): boolean {
  return Atomics.load(memory.flags, Flag.stopWanted) === 1;
}

/** Gives the state to the main thread where it asked for it. */
function answer(): void {
  const wanted = Atomics.load(memory.flags, Flag.stateWanted);
  if (wanted === served) return;
  served = wanted;
  post({ kind: 'state', step, state: copyState(memory) });
}

function sumOverWorkers(figure: number): number {
  return memory.figures.reduce((sum, figures) => sum + figures[figure]!, 0);
}

function post(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}
