import { makeModel, type Model } from '../onnx/file/model.js';
import type { TensorProto } from '../onnx/file/proto.js';
import { tensorNumbers } from '../onnx/file/tensor.js';
import { elementCount } from '../shape.js';
import { parameterNames } from './parameters.js';

/**
 * The model with a parameter for each use of those that an exporter merged.
 *
 * Exporters write equal tensors once, and in a network that was never trained all biases of one size are the same zeros, all scales the
 * same ones: as one tensor they would stay equal. Tensors of a single number with several uses are taken for such. Others with several
 * uses are tied, as layers that share their weights are, and stay so: their gradient is the sum over their uses.
 */
export function separateMerged(model: Model): Model {
  const { proto, folder } = model;
  const { node: nodes, initializer } = proto.graph;
  const uses = new Map<string, number>();
  for (const { input } of nodes) for (const name of input) uses.set(name, (uses.get(name) ?? 0) + 1);
  const parameters = new Set(parameterNames(model, 'all'));
  const merged = new Map(
    initializer.flatMap((tensor) => {
      const { name = '', dims } = tensor;
      const isShared = parameters.has(name) && uses.get(name)! > 1 && elementCount(dims) > 1;
      return isShared && isUniform(tensor, folder) ? [[name, tensor] as const] : [];
    }),
  );
  if (merged.size === 0) return model;
  const taken = new Set([...uses.keys(), ...initializer.map(({ name = '' }) => name)]);
  const copies: TensorProto[] = [];
  const seen = new Set<string>();
  const node = nodes.map((each) => ({
    ...each,
    input: each.input.map((name) => {
      const tensor = merged.get(name);
      if (!tensor) return name;
      if (!seen.has(name)) {
        seen.add(name);
        return name;
      }
      let number = 2;
      while (taken.has(`${name}.${number}`)) number++;
      const copy = `${name}.${number}`;
      taken.add(copy);
      copies.push({ ...tensor, name: copy });
      return copy;
    }),
  }));
  return makeModel(
    { ...proto, graph: { ...proto.graph, node, initializer: [...initializer, ...copies] } },
    folder,
  );
}

function isUniform(tensor: TensorProto, folder: string | undefined): boolean {
  const values = tensorNumbers(tensor, folder);
  const [first] = values;
  return values.every((value: number) => value === first);
}
