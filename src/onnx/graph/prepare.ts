import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ModelError } from '../../errors.js';
import {
  intAttribute,
  makeValueInfo,
  operatorOf,
  sortNodes,
  type Dim,
  type Graph,
  type TensorType,
} from './graph.js';
import { fuseOperators, withOwnOperators } from './fuse.js';
import { inferTypes } from './infer.js';
import { lowerGroupNormalizations } from './lower-groups.js';
import { lowerFunctions, lowerOperators } from './lower.js';
import { modelBytes, type Model } from '../file/model.js';
import {
  decodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '../file/proto.js';
import { createSession } from '../run/runtime.js';
import { elementCount } from '../../shape.js';
import { dataTypeName, isExternal, isFloat, makeTensor, tensorNumbers } from '../file/tensor.js';
import { standardVersion, upgradeOpset } from './upgrade.js';

/** A constant with more elements is a weight: it stays out of sight of the simplification, which would copy it. */
const SMALL = 64;

/** What a transform needs of a graph. */
export interface Preparation {
  /** Values beside the model's outputs that must survive. */
  readonly keep?: readonly string[];
  /** Initializers that become inputs of the graph. */
  readonly parameters?: readonly string[];
  /** Appends nodes, inputs and outputs, knowing the types of what is there. */
  readonly extend?: (graph: GraphProto, types: ReadonlyMap<string, TensorType>) => GraphProto;
  /**
   * For a graph whose gradients are computed often: group normalisations in the standard form that is fastest to train
   * ({@link lowerGroupNormalizations}), or as operators of fastsde's own sessions ({@link fuseOperators}).
   */
  readonly form?: 'standard' | 'fused' | undefined;
}

/**
 * Makes a model ready for a transform: operator set 18 or newer, local functions inlined, constants and chains of
 * shapes folded, normalisations in the form that shares its residuals, and every value typed.
 *
 * ONNX Runtime does the inlining, the folding and the typing. It sees weights as inputs of a known shape, so they are
 * neither read nor copied, and keep their names.
 *
 * @param model any model of operator set 13 or newer
 * @throws ModelError for a graph that is not well formed, or that ONNX Runtime refuses.
 */
export async function prepare(model: Model, preparation: Preparation = {}): Promise<Graph> {
  const { keep = [], parameters = [], extend, form } = preparation;
  sortNodes(model.proto.graph);
  const { graph: original, ...rest } = upgradeOpset(model.proto);
  const opset = standardVersion(rest.opset_import);
  const { shown, weights } = hideWeights(original!, parameters);
  const output = [...shown.output, ...missingOutputs(shown, keep)];
  const functions = lowerFunctions({ ...shown, output, value_info: [] }, opset);
  const inlined = await simplify({ ...rest, graph: functions }, model.folder);
  const plain = { ...rest, functions: [] };
  const found = await inferTypes({ ...plain, graph: inlined }, model.folder);
  const extended = extend === undefined ? inlined : extend(inlined, found);
  const folded = await simplify({ ...plain, graph: foldSizes(extended, found) }, model.folder);
  const fused = form === 'fused' ? fuseOperators(folded, found) : folded;
  // Of what was not fused, too.
  const grouped = form === undefined ? fused : lowerGroupNormalizations(fused, found);
  const lowered = lowerOperators(grouped, found);
  const opset_import = form === 'fused' ? withOwnOperators(rest.opset_import) : rest.opset_import;
  const types = await inferTypes({ ...plain, opset_import, graph: lowered }, model.folder);

  const hidden = new Set(weights.map(({ name }) => name ?? ''));
  const exposed = new Set(parameters);
  const kept = new Set(keep.filter((name) => !shown.output.some((each) => each.name === name)));
  const constants = [...lowered.initializer, ...weights.filter(({ name }) => !exposed.has(name ?? ''))];
  return {
    opset,
    inputs: extended.input.filter(({ name }) => exposed.has(name ?? '') || !hidden.has(name ?? '')),
    // What ONNX Runtime found out is often more than what the file declares.
    outputs: extended.output
      .filter(({ name }) => !kept.has(name ?? ''))
      .map(({ name }) => makeValueInfo(name ?? '', types.get(name ?? ''))),
    initializers: new Map(constants.map((tensor) => [tensor.name ?? '', tensor])),
    nodes: sortNodes(lowered),
    types,
    ...(model.folder === undefined ? {} : { folder: model.folder }),
  };
}

/** The graph with its weights and these parameters as inputs, for a look at it that does not copy them. */
export function hideWeights(
  graph: GraphProto,
  parameters: readonly string[] = [],
): { shown: GraphProto; weights: readonly TensorProto[] } {
  const hidden = (tensor: TensorProto): boolean => parameters.includes(tensor.name ?? '') || isWeight(tensor);
  const weights = graph.initializer.filter(hidden);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const shown = {
    ...graph,
    initializer: graph.initializer.filter((tensor) => !hidden(tensor)),
    input: [...inputs, ...weights.map(weightInput)],
  };
  return { shown, weights };
}

/**
 * Sizes that are known although the whole shape is not, such as the channels in a batch of unknown size, as constants:
 * ONNX Runtime folds Shape only where every size is known.
 */
function foldSizes(graph: GraphProto, types: ReadonlyMap<string, TensorType>): GraphProto {
  const shapes = new Map<string, readonly Dim[]>();
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const found: TensorProto[] = [];
  const node = graph.node.flatMap((each) => {
    const [source, pick] = each.input;
    const whole = types.get(source ?? '')?.shape;
    if (operatorOf(each) === 'Shape' && whole !== undefined) {
      shapes.set(
        each.output[0]!,
        whole.slice(intAttribute(each, 'start', 0), intAttribute(each, 'end', whole.length)),
      );
    }
    const target = shapes.get(pick ?? '');
    if (operatorOf(each) === 'Reshape' && target !== undefined) {
      const open = target.filter((size) => typeof size !== 'number');
      if (open.length > 1 || target.includes(0)) return each;
      const name = `${each.output[0]!}/shape`;
      const sizes = target.map((size) => (typeof size === 'number' ? size : -1));
      found.push(makeTensor(name, 'int64', [sizes.length], sizes));
      return { ...each, input: [source!, name] };
    }
    const shape = shapes.get(source ?? '');
    const index = constants.get(pick ?? '');
    if (operatorOf(each) !== 'Gather' || shape === undefined || index === undefined) return each;
    const sizes = tensorNumbers(index).map((position) => shape.at(position));
    if (!sizes.every((size) => typeof size === 'number')) return each;
    found.push(makeTensor(each.output[0]!, 'int64', index.dims, sizes));
    return [];
  });
  return found.length === 0 ? graph : { ...graph, node, initializer: [...graph.initializer, ...found] };
}

function isWeight(tensor: TensorProto): boolean {
  const type = dataTypeName(tensor.data_type);
  return type !== undefined && (isExternal(tensor) || (isFloat(type) && elementCount(tensor.dims) > SMALL));
}

function weightInput(tensor: TensorProto): ReturnType<typeof makeValueInfo> {
  const type = dataTypeName(tensor.data_type);
  if (type === undefined)
    throw new ModelError(`The type of the weight "${tensor.name ?? ''}" is not handled.`);
  const info: TensorType = { type, shape: tensor.dims };
  return makeValueInfo(tensor.name ?? '', info);
}

function missingOutputs(graph: GraphProto, keep: readonly string[]): ReturnType<typeof makeValueInfo>[] {
  const computed = new Set(graph.node.flatMap((node: NodeProto) => node.output));
  return keep
    .filter((name) => !graph.output.some((each) => each.name === name))
    .map((name) => {
      if (!computed.has(name))
        throw new ModelError(`The model computes no value "${name}".`, { value: name });
      return makeValueInfo(name);
    });
}

/** Inlining and constant folding by ONNX Runtime, within the standard operators. */
async function simplify(proto: ModelProto, folder: string | undefined): Promise<GraphProto> {
  const place = await mkdtemp(join(tmpdir(), 'fastsde-'));
  try {
    const path = join(place, 'simplified.onnx');
    const session = await createSession(modelBytes({ proto }), {
      optimization: 'basic',
      threads: 1,
      optimizedModelPath: path,
      ...(folder === undefined ? {} : { folder }),
    });
    await session.release();
    return decodeModel(await readFile(path)).graph!;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
