import { ModelError } from '../../errors.js';
import { intsAttribute, makeAttribute, operatorOf } from './graph.js';
import type { ModelProto, NodeProto, TensorProto } from '../file/proto.js';
import { makeTensor } from '../file/tensor.js';

/** The operator set that gradients are written in: the first where Reduce*, Split and ScatterElements have their final form. */
export const TARGET_OPSET = 18;

/** The oldest operator set whose networks are understood. */
export const OLDEST_OPSET = 13;

/**
 * A model in operator set 18 or newer. From 13 to 18 the operators of networks changed in two ways only: the axes of
 * reductions became an input (ReduceSum had them already), and Split names its number of outputs.
 * @throws ModelError for an operator set older than 13.
 */
export function upgradeOpset(proto: ModelProto): ModelProto {
  const version = standardVersion(proto.opset_import);
  if (version < OLDEST_OPSET) {
    throw new ModelError(`The model uses operator set ${version}; export it with ${OLDEST_OPSET} or newer.`, {
      option: 'opset_import',
      value: version,
    });
  }
  const old = proto.functions.some(({ opset_import }) => standardVersion(opset_import) < TARGET_OPSET);
  if (version >= TARGET_OPSET && !old) return proto;
  if (proto.functions.length > 0) {
    throw new ModelError(
      `A model with local functions needs operator set ${TARGET_OPSET} or newer; it has ${version}.`,
    );
  }
  const graph = proto.graph!;
  const axes: TensorProto[] = [];
  const node = graph.node.map((each) => upgradeNode(each, axes));
  return {
    ...proto,
    ir_version: Math.max(proto.ir_version ?? 0, 8),
    opset_import: proto.opset_import.map((entry) =>
      isStandard(entry.domain) ? { ...entry, version: TARGET_OPSET } : entry,
    ),
    graph: { ...graph, node, initializer: [...graph.initializer, ...axes] },
  };
}

function isStandard(domain: string | undefined): boolean {
  return (domain ?? '') === '' || domain === 'ai.onnx';
}

/** The version of the standard operators; the one that gradients use where a model names none. */
export function standardVersion(imports: ModelProto['opset_import']): number {
  return imports.find(({ domain }) => isStandard(domain))?.version ?? TARGET_OPSET;
}

function upgradeNode(node: NodeProto, constants: TensorProto[]): NodeProto {
  const operator = operatorOf(node);
  if (operator === 'Split' && node.input.length < 2) {
    return { ...node, attribute: [...node.attribute, makeAttribute('num_outputs', node.output.length)] };
  }
  const axes = intsAttribute(node, 'axes');
  if (!operator.startsWith('Reduce') || axes === undefined) return node;
  const name = `axes.${node.output[0] ?? ''}`;
  constants.push(makeTensor(name, 'int64', [axes.length], axes));
  const attribute = node.attribute.filter((each) => each.name !== 'axes');
  return { ...node, input: [node.input[0]!, name], attribute };
}
