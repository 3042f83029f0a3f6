import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ModelError } from '../errors.js';
import { makeValueInfo, sortNodes, type Graph, type TensorType } from './graph.js';
import { inferTypes } from './infer.js';
import { lowerFunctions, lowerNormalizations } from './lower.js';
import { modelBytes, type Model } from './model.js';
import { decodeModel, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from './proto.js';
import { createSession } from './runtime.js';
import { dataTypeName, elementCount, isExternal, isFloat } from './tensor.js';
import { upgradeOpset } from './upgrade.js';

/** A constant with more elements is a weight: it stays out of sight of the simplification, which would copy it. */
const SMALL = 64;

/**
 * Makes a model ready for a transform: operator set 18 or newer, local functions inlined, constants and chains of
 * shapes folded, normalisations in the form that shares its residuals, and every value typed.
 *
 * ONNX Runtime does the inlining, the folding and the typing. It sees weights as inputs of a known shape, so they are
 * neither read nor copied, and keep their names.
 *
 * @param model any model of operator set 13 or newer
 * @param keep values beside the model's outputs that must survive
 * @param parameters initializers that become inputs of the graph
 */
export async function prepare(
  model: Model,
  keep: readonly string[],
  parameters: readonly string[],
): Promise<Graph> {
  sortNodes(model.proto.graph);
  const { graph: original, ...rest } = upgradeOpset(model.proto);
  const opset = rest.opset_import.find(
    ({ domain }) => (domain ?? '') === '' || domain === 'ai.onnx',
  )!.version!;
  const exposed = new Set(parameters);
  const visible = original!.initializer.filter((tensor) => {
    const weight = exposed.has(tensor.name ?? '') || isWeight(tensor);
    if (weight) exposed.add(tensor.name ?? '');
    return !weight;
  });
  const weights = original!.initializer.filter(({ name }) => exposed.has(name ?? ''));
  const constants = new Set(original!.initializer.map(({ name }) => name));
  const inputs = original!.input.filter(({ name }) => !constants.has(name));
  const graph: GraphProto = lowerFunctions(
    {
      ...original!,
      initializer: visible,
      input: [...inputs, ...weights.map(weightInput)],
      output: [...original!.output, ...missingOutputs(original!, keep)],
      value_info: [],
    },
    opset,
  );
  const simplified = await simplify({ ...rest, graph }, model.folder);
  const lowered = lowerNormalizations(simplified.graph!);
  const output = lowered.output.filter(({ name }) => original!.output.some((each) => each.name === name));
  const proto: ModelProto = { ...rest, functions: [], graph: { ...lowered, output } };
  const types = await inferTypes(proto, model.folder);
  return {
    opset,
    inputs: [...inputs, ...weights.filter(({ name }) => parameters.includes(name ?? '')).map(weightInput)],
    // What ONNX Runtime found out is often more than what the file declares.
    outputs: original!.output.map(({ name }) => makeValueInfo(name ?? '', types.get(name ?? ''))),
    initializers: new Map(
      [...lowered.initializer, ...weights.filter(({ name }) => !parameters.includes(name ?? ''))].map(
        (tensor) => [tensor.name ?? '', tensor],
      ),
    ),
    nodes: sortNodes(proto.graph!),
    types,
    ...(model.folder === undefined ? {} : { folder: model.folder }),
  };
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
async function simplify(proto: ModelProto, folder: string | undefined): Promise<ModelProto> {
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
    return decodeModel(await readFile(path));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
