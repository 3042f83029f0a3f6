import { availableParallelism } from 'node:os';

import { parameterNames, parameterValues } from '../autodiff/parameters.js';
import type { TrainingGraph } from '../autodiff/training.js';
import { checkSampleShape, type Dataset } from '../data/dataset.js';
import { Queue } from '../device/queue.js';
import { DataError } from '../errors.js';
import { makeModel, type Model } from '../onnx/file/model.js';
import { checkChoice, checkInteger, checkKnown, checkSeed, checkSignal } from '../options.js';
import type { Inputs } from '../score/model.js';
import { GraphRuns } from './graph-runs.js';
import { GraphSessions, requireOwnSessions } from './graph-sessions.js';
import { layoutOf } from './memory.js';
import { trainingProviders } from './names.js';
import { objective } from './objective.js';
import type { ObjectiveOptions } from './options.js';

/** Options of {@link heldOutLoss}; each has the default of `train`. */
export interface HeldOutLossOptions {
  /** What is measured. Default that of `train` for such a network. */
  readonly objective?: ObjectiveOptions | undefined;
  /** Values of the network's inputs beside state, time and class. */
  readonly inputs?: Inputs | undefined;
  /** Unsigned 64-bit seed of the times and the noise; default 0. */
  readonly seed?: bigint | number | undefined;
  /** Rows that go through the network at once; default 64. */
  readonly batch?: number | undefined;
  /** Where the network runs, and the data are noised. Default `cpu`. */
  readonly provider?: (typeof trainingProviders)[number] | undefined;
  /** As of `train`. Default false. */
  readonly tf32?: boolean | undefined;
  /** Stops between two batches with an AbortError. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The loss of a network on data that were held out, as `train` measures it with each checkpoint: the weighted loss of the objective at
 * times and with noise that depend on the seed and the row alone, so that networks can be compared.
 *
 * @param data samples of the model's shape
 * @throws OptionError, DataError, ModelError and LoadError as `train` does; the signal's reason.
 */
export async function heldOutLoss(
  model: Model,
  data: Dataset,
  options: HeldOutLossOptions = {},
): Promise<number> {
  checkKnown(options, ['objective', 'inputs', 'seed', 'batch', 'provider', 'tf32', 'signal']);
  const { signal, inputs, tf32 = false } = options;
  const provider = checkChoice('provider', options.provider ?? 'cpu', trainingProviders);
  const aim = { ...options.objective, dropout: 0 };
  const seed = checkSeed(options.seed ?? 0);
  const batch = checkInteger('batch', options.batch ?? 64, 1);
  checkSignal(signal);
  signal?.throwIfAborted();
  const goal = objective(model, aim, { inputs });
  checkSampleShape(data, goal.description);
  const count = data.shape[0]!;
  if (count === 0) throw new DataError('The data set is empty.', { option: 'data' });
  goal.checkLabels(data.labels, count);

  await requireOwnSessions();
  const names = parameterNames(model, 'all');
  const graph = withoutGradients(await goal.trainingGraph(names, provider === 'cuda' ? 'standard' : 'fused'));
  const sessions = new GraphSessions(graph.model, new Set(), {
    threads: availableParallelism(),
    provider,
    tf32,
  });
  const queue = new Queue(signal, provider);
  try {
    const values = parameterValues(model, names);
    const { places, length } = layoutOf(graph.parameters);
    const parameters = new Float32Array(new SharedArrayBuffer(4 * length));
    for (const [i, { name }] of graph.parameters.entries())
      parameters.set(values.get(name)!, places[i]!.begin);
    queue.hold(parameters);
    const runs = new GraphRuns(graph, sessions, objective(model, aim, { inputs }, queue), queue, parameters);
    return await runs.shareOfLoss(data, { first: 0, count }, Math.min(batch, count), seed, () => false);
  } finally {
    await queue.close();
    await sessions.close();
  }
}

/** The graph with its loss alone; the runtime leaves out what only gradients need. */
function withoutGradients(graph: TrainingGraph): TrainingGraph {
  const { proto, folder } = graph.model;
  const gradients = new Set(graph.parameters.map(({ gradient }) => gradient));
  const output = proto.graph.output.filter(({ name }) => !gradients.has(name ?? ''));
  return { ...graph, model: makeModel({ ...proto, graph: { ...proto.graph, output } }, folder) };
}
