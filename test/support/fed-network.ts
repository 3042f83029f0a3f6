import { makeModel, type Model } from '../../src/onnx/file/model.js';
import { makeTensor, type DataType } from '../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import type { NodeProto } from '../../src/onnx/file/proto.js';

/** Standard deviation of the data of {@link fedNetwork}. */
export const SPREAD = 0.5;

type Shape = readonly (number | string)[];

/** Inputs that give the data their mean, with how each enters it. */
const terms: Readonly<Record<string, (type: DataType) => readonly NodeProto[]>> = {
  // The mean over all of a text.
  text: () => [
    makeNode('ReduceMean', ['text.f', 'text.axes'], ['text.mean'], { keepdims: 1 }),
    makeNode('Unsqueeze', ['text.mean', 'last'], ['text.term']),
  ],
  low: () => [makeNode('Identity', ['low.f'], ['low.term'])],
  on: () => [makeNode('Unsqueeze', ['on.f', 'pixels'], ['on.term'])],
  guidance: () => [makeNode('Identity', ['guidance.f'], ['guidance.term'])],
  y: () => [makeNode('Unsqueeze', ['y.f', 'pixels'], ['y.term'])],
};

/**
 * The exact denoiser D(x, sigma) of white noise of variance 1/4 about m, pictures of 1 x 4 x 4: m is the sum of the mean of `text`, of
 * the picture `low`, of `on`, of `guidance` and of the class y.
 */
export function fedNetwork(inputs: Readonly<Record<string, readonly [DataType, Shape]>>): Model {
  const node: NodeProto[] = [
    makeNode('Unsqueeze', ['sigma', 'pixels'], ['sigma.4']),
    makeNode('Mul', ['sigma.4', 'sigma.4'], ['noise']),
    makeNode('Add', ['noise', 'variance'], ['all']),
    makeNode('Mul', ['x', 'variance'], ['own.0']),
  ];
  Object.entries(inputs).forEach(([name, [type]], i) => {
    node.push(makeNode('Cast', [name], [`${name}.f`], { to: 1 }), ...terms[name]!(type));
    node.push(makeNode('Mul', [`${name}.term`, 'noise'], [`${name}.part`]));
    node.push(makeNode('Add', [`own.${i}`, `${name}.part`], [`own.${i + 1}`]));
  });
  node.push(makeNode('Div', [`own.${Object.keys(inputs).length}`, 'all'], ['denoised']));
  const float = (name: string, shape: Shape) => makeValueInfo(name, { type: 'float32', shape });
  return makeModel({
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
    metadata_props: Object.entries({
      format: '1',
      sde: 'edm',
      parameterization: 'x0',
      labels: 'sigma',
      data_range: '-1,1',
      ...('y' in inputs && { classes: '3', null_class: '0' }),
    }).map(([key, value]) => ({ key: `fastsde.${key}`, value })),
    functions: [],
    graph: {
      name: 'fed',
      node,
      initializer: [
        makeTensor('variance', 'float32', [], [SPREAD ** 2]),
        makeTensor('pixels', 'int64', [3], [1, 2, 3]),
        makeTensor('last', 'int64', [1], [3]),
        makeTensor('text.axes', 'int64', [2], [1, 2]),
      ],
      input: [
        float('x', ['N', 1, 4, 4]),
        float('sigma', ['N']),
        ...Object.entries(inputs).map(([name, [type, shape]]) => makeValueInfo(name, { type, shape })),
      ],
      output: [float('denoised', ['N', 1, 4, 4])],
      value_info: [],
    },
  });
}
