import { ModelError } from '../errors.js';
import { describeNode, operatorOf } from '../onnx/graph/graph.js';
import { makeModel, type Model } from '../onnx/file/model.js';

const MASK = 'dropout.';

/**
 * The model as it is used: without the inputs `dropout.*`, as if every mask were 1.
 * @throws ModelError where a mask does something else than multiply.
 */
export function withoutDropout(model: Model): Model {
  const { graph } = model.proto;
  const masks = new Set(graph.input.flatMap(({ name }) => (name?.startsWith(MASK) ? [name] : [])));
  if (masks.size === 0) return model;
  // A masked value is renamed to what it masks.
  const unmasked = new Map<string, string>();
  const resolve = (name: string): string => unmasked.get(name) ?? name;
  const node = graph.node.flatMap((each) => {
    const input = each.input.map(resolve);
    const kept = input.filter((name) => !masks.has(name));
    if (kept.length === input.length) return [{ ...each, input }];
    if (operatorOf(each) !== 'Mul') {
      throw new ModelError(`${describeNode(each)} uses a dropout mask other than as a factor.`);
    }
    unmasked.set(each.output[0]!, kept[0]!);
    return [];
  });
  const input = graph.input.filter(({ name }) => !masks.has(name ?? ''));
  const metadata_props = model.proto.metadata_props.filter(({ key }) => key !== 'fastsde.dropout');
  return makeModel({ ...model.proto, metadata_props, graph: { ...graph, node, input } }, model.folder);
}
