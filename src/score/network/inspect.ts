import { FastsdeError } from '../../errors.js';
import { readModel, type TensorInfo } from '../../onnx/file/model.js';
import { shownTensor } from '../../onnx/file/sizes.js';
import { elementCount } from '../../shape.js';
import { pathOf, type FilePath } from '../../io/path.js';
import { checkLoadOptions, networkIn, openNetwork, type LoadOptions } from './load.js';
import type { ProbeReport } from './probe.js';

/** What there is to know of a model file before one samples from it. */
export interface Inspection {
  /** Inputs of the graph that have to be fed. */
  readonly inputs: readonly TensorInfo[];
  /** Outputs of the graph. */
  readonly outputs: readonly TensorInfo[];
  /** Version by operator set; the standard one is "". */
  readonly opsets: Readonly<Record<string, number>>;
  /** How often each operator occurs, the most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** Elements in all weights. */
  readonly parameters: number;
  /** metadata_props. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What the metadata and the options say that it is; absent where they do not say enough. */
  readonly model?: ModelSummary;
  /** Absent where the network could not be evaluated. */
  readonly probe?: ProbeReport;
  /** Why `model` or `probe` is absent. */
  readonly problem?: string;
}

/** What a network was taken for. */
export interface ModelSummary {
  /** Name of the SDE, such as vp. */
  readonly sde: string;
  /** Constants of the SDE by name, such as beta0 and beta1. */
  readonly constants: Readonly<Record<string, number>>;
  /** Values of black and white in data. */
  readonly dataRange: readonly [number, number];
  /** What the network predicts: score, eps, v, x0 or edm. */
  readonly parameterization: string;
  /** What stands for the time in its input, such as t, sigma or index. */
  readonly labels: string;
  /** Of one sample, such as [1, 28, 28]. */
  readonly shape: readonly number[];
  /** Noise levels that it was trained on; absent where these are continuous. */
  readonly trainedLevels?: number;
  /** Classes that its label can have; absent without a class input. */
  readonly classes?: number;
  /** Name of the tensor by role. */
  readonly names: Readonly<Record<string, string>>;
  /** Where the network predicts a variance too. */
  readonly learnedVariance?: string;
  /** Name, type and shape of every other input: it has to be given a value, without which there is no probe. */
  readonly inputs?: readonly string[];
}

/**
 * Reads a model file and probes the network, as far as metadata and options allow.
 * @throws ModelError for a file that is not an ONNX model, OptionError for an option that cannot be used.
 */
export async function inspectModel(place: FilePath, given: LoadOptions = {}): Promise<Inspection> {
  checkLoadOptions(given);
  const { source: path, options } = await networkIn(pathOf('model', place), given);
  const file = await readModel(path);
  const facts = {
    inputs: file.inputs,
    outputs: file.outputs,
    opsets: Object.fromEntries(file.opsets),
    operators: operatorCounts(
      file.nodes.map(({ operator, domain }) => (domain ? `${domain}.${operator}` : operator)),
    ),
    parameters: file.proto.graph.initializer.reduce((sum, { dims }) => sum + elementCount(dims), 0),
    metadata: Object.fromEntries(file.metadata),
  };
  try {
    return { ...facts, ...(await summarize(path, file, options)) };
  } catch (cause) {
    if (cause instanceof FastsdeError && cause.code !== 'ERR_FASTSDE_OPTION') {
      return { ...facts, problem: cause.message };
    }
    throw cause;
  }
}

async function summarize(
  path: string,
  file: Awaited<ReturnType<typeof readModel>>,
  options: LoadOptions,
): Promise<Pick<Inspection, 'model' | 'probe' | 'problem'>> {
  const opened = await openNetwork(path, path, file, options);
  const { network, description } = opened;
  const { sde, ladder, parameterization, labels, shape, classes } = description;
  const { inputs, ...roles } = network.roles;
  const model: ModelSummary = {
    sde: sde.name,
    constants: sde.constants,
    dataRange: sde.dataRange,
    parameterization,
    labels: labels.name,
    shape,
    ...(ladder && { trainedLevels: ladder.levels }),
    ...(classes !== undefined && { classes }),
    names: Object.fromEntries(Object.entries(roles).map(([role, { name }]) => [role, name])),
    ...(description.learnedVariance && { learnedVariance: 'the second half of the channels of the output' }),
    ...(inputs.length > 0 && { inputs: inputs.map((info) => `${info.name} ${shownTensor(info)}`) }),
  };
  try {
    const probe = options.probe === false ? undefined : await opened.probe(description);
    return { model, ...(probe && { probe }) };
  } catch (cause) {
    if (cause instanceof FastsdeError) return { model, problem: cause.message };
    throw cause;
  } finally {
    await network.release();
  }
}

function operatorCounts(operators: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const operator of operators) counts.set(operator, (counts.get(operator) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])));
}
