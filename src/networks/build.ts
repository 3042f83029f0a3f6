import { FastsdeError, OptionError } from '../errors.js';
import { makeModel, withMetadata, type Model, type TensorInfo } from '../onnx/file/model.js';
import { describeModel, type ModelDescription } from '../score/network/description.js';
import { metadataProperties, type ModelMetadata } from '../score/network/metadata.js';
import { convolutionalClassifier } from './classifier.js';
import { checkNetwork, levelsOf, mlpOf, type NetworkDescription } from './description.js';
import { embed } from './embedding.js';
import { NetworkGraph, type Activation } from './graph.js';
import { marginal, noiseLevel } from './marginal.js';
import { mlp } from './mlp.js';
import { precondition, type DataMoments, type Preconditioned } from './precondition.js';
import { unet } from './unet.js';

const OPSET = 18;
const IR_VERSION = 8;

/**
 * Makes an ONNX model from a description, with initial weights that are a function of (description, seed) alone.
 *
 * Inputs are `x` [N, ...shape], `t` [N] (the label of the time, by the label rule in the metadata), `class` [N] int64 for
 * a conditional network (where `classes` stands for no class), and with dropout a mask `dropout.*` for every place, which
 * {@link withoutDropout} removes. The output is named after the parameterization, [N, ...shape], or `logits` [N, classes].
 * The metadata say all that `loadModel` needs. A new network predicts as if the data were normal.
 *
 * @param description see {@link NetworkDescription}; checked
 * @param seed of the initial weights, an unsigned 64-bit integer
 * @throws OptionError naming the entry of the description that cannot be used.
 */
export function buildNetwork(description: NetworkDescription, seed: bigint = 0n): Model {
  const network = checkNetwork(description);
  const metadata = networkMetadata(network);
  const process = processOf(network, metadata);
  const g = new NetworkGraph(seed);
  const x = g.input('x', network.shape);
  const t = g.input('t', []);
  const told =
    network.kind !== 'classifier' && network.classes !== undefined
      ? { input: g.input('class', [], 'int64'), count: network.classes + 1 }
      : undefined;
  const { noise, state } = prepareState(g, x, t, network, process);
  const seen = state?.input ?? x;
  const label = told ?? inferredLabel(g, seen, noise, network);
  const embedding = embed(g, noise, network.embedding ?? 128, label);
  const body = networkBody(g, seen, embedding, network);
  const output =
    network.kind === 'classifier' || network.parameterization === 'edm'
      ? body
      : state!.output(body, network.parameterization);
  g.output(output, outputName(network));
  const model = makeModel({
    ir_version: IR_VERSION,
    producer_name: 'fastsde',
    opset_import: [{ domain: '', version: OPSET }],
    metadata_props: [],
    functions: [],
    graph: g.finish(network.kind),
  });
  return withMetadata(model, {
    ...metadataProperties({ ...metadata, labels: process.labels.name, dataRange: process.sde.dataRange }),
    'fastsde.network': JSON.stringify(description),
  });
}

/** The noise level that the network is told, and its state; an EDM network sees a state that is made ready outside. */
function prepareState(
  g: NetworkGraph,
  x: Activation,
  t: Activation,
  network: NetworkDescription,
  process: ModelDescription,
): { noise: Activation; state?: Preconditioned } {
  const raw = network.kind !== 'classifier' && network.parameterization === 'edm';
  if (raw && process.labels.name === 'c-noise') return { noise: t };
  const { dataRange } = process.sde;
  const values = marginal(g, t, process);
  const noise = noiseLevel(g, values, dataRange);
  if (raw) return { noise };
  return { noise, state: precondition(g, x, values, network.precondition ?? momentsOfRange(dataRange)) };
}

/** As in Karras et al. 2022: mean 0 and standard deviation 0.5 for data in [-1, 1]. */
function momentsOfRange([low, high]: readonly [number, number]): DataMoments {
  return { mean: (low + high) / 2, std: (high - low) / 4 };
}

/** The probabilities of the classes given the state, where the network infers them. */
function inferredLabel(
  g: NetworkGraph,
  x: Activation,
  noise: Activation,
  network: NetworkDescription,
): { input: Activation; count: number } | undefined {
  if (network.kind !== 'unet' || network.inferred === undefined) return undefined;
  const { classes: count, ...sizes } = network.inferred;
  const levels = { ...levelsOf({ ...sizes, shape: network.shape }), dropout: 0 };
  const logits = g.within('inferred', () =>
    convolutionalClassifier(g, x, embed(g, noise, network.embedding ?? 128), count, levels),
  );
  return { input: g.op('Softmax', [logits], [count], { axis: -1 }), count };
}

function networkBody(
  g: NetworkGraph,
  x: Activation,
  embedding: Activation,
  network: NetworkDescription,
): Activation {
  const { shape, dropout = 0 } = network;
  const classes = network.kind === 'classifier' ? network.classes : undefined;
  if (network.kind !== 'unet' && shape.length === 1) {
    return mlp(g, x, embedding, classes ?? shape[0]!, { ...mlpOf(network), dropout });
  }
  const levels = { ...levelsOf(network), dropout };
  return classes === undefined
    ? unet(g, x, embedding, levels)
    : convolutionalClassifier(g, x, embedding, classes, levels);
}

function outputName(network: NetworkDescription): string {
  if (network.kind === 'classifier') return 'logits';
  return network.parameterization === 'edm' ? 'output' : network.parameterization;
}

function networkMetadata(network: NetworkDescription): ModelMetadata {
  const { sde, constants, dataRange, labels, trainedLevels, shape, dropout, classes } = network;
  const conditional = network.kind !== 'classifier' && classes !== undefined;
  return {
    ...(network.kind === 'classifier'
      ? { kind: 'classifier' }
      : { parameterization: network.parameterization }),
    ...(network.kind !== 'classifier' && network.sigmaData !== undefined && { sigmaData: network.sigmaData }),
    sde,
    ...(constants && { constants }),
    ...(dataRange && { dataRange }),
    ...(labels !== undefined && { labels }),
    ...(trainedLevels !== undefined && { trainedLevels }),
    shape,
    ...(classes !== undefined && { classes }),
    ...(conditional && { nullClass: classes }),
    ...(dropout && { dropout }),
    names: { state: 'x', time: 't', ...(conditional && { class: 'class' }), output: outputName(network) },
  };
}

/** What a score model makes of these metadata, so that the graph and the sampler agree on every default. */
function processOf(network: NetworkDescription, metadata: ModelMetadata): ModelDescription {
  const float = (name: string, shape: readonly number[]): TensorInfo => ({
    name,
    type: 'float32',
    shape: ['N', ...shape],
  });
  const [state, time, output] = [float('x', network.shape), float('t', []), float('F', network.shape)];
  const roles = { state, time, output, inputs: [] };
  try {
    return describeModel({}, { parameterization: 'eps', ...metadata }, roles);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new FastsdeError(cause.code, `network.${cause.message}`, {
      option: `network.${cause.option}`,
      value: cause.value,
      cause,
    });
  }
}
