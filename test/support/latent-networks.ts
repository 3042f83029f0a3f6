import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { withMetadata, type Model } from '../../src/onnx/file/model.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { smallModel } from './onnx-network.js';

type Shape = readonly (number | string)[];

function network(
  operator: string,
  attributes: Record<string, number[]>,
  weight: Weight,
  input: Named,
  output: Named,
): Model {
  const [rows, columns, values] = weight;
  const spread = values.flatMap((value) => Array<number>(4).fill(value));
  return smallModel({
    node: [makeNode(operator, [input[0], 'w'], [output[0]], attributes)],
    initializer: [makeTensor('w', 'float32', [rows, columns, 2, 2], spread)],
    input: [makeValueInfo(input[0], { type: 'float32', shape: input[1] })],
    output: [makeValueInfo(output[0], { type: 'float32', shape: output[1] })],
  });
}

type Named = readonly [name: string, shape: Shape];
type Weight = readonly [rows: number, columns: number, values: readonly number[]];

/** Channel k of a picture is sum_c values[c][k] z_c, every latent pixel magnified to 2 x 2. */
export function decoderNetwork(
  values: readonly (readonly number[])[],
  sizes: Shape = ['N', values.length, 'h', 'w'],
): Model {
  const channels = values[0]!.length;
  return network(
    'ConvTranspose',
    { strides: [2, 2] },
    [values.length, channels, values.flat()],
    ['latent_sample', sizes],
    ['sample', ['N', channels, 'H', 'W']],
  );
}

/** Channel c of what is made is the sum of values[c][k] over the channels k and 2 x 2 pixels of a picture. */
export function encoderNetwork(values: readonly (readonly number[])[], output = 'latent_parameters'): Model {
  const channels = values[0]!.length;
  return network(
    'Conv',
    { strides: [2, 2] },
    [values.length, channels, values.flat()],
    ['sample', ['N', channels, 'H', 'W']],
    [output, ['N', values.length, 'h', 'w']],
  );
}

/** The score of standard normal data under VP, -x at any time. */
export function standardNormal(shape: readonly number[]): Model {
  const value = (name: string) => makeValueInfo(name, { type: 'float32', shape: ['N', ...shape] });
  const scores = smallModel({
    node: [makeNode('Neg', ['x'], ['score'])],
    initializer: [],
    input: [value('x'), makeValueInfo('t', { type: 'float32', shape: ['N'] })],
    output: [value('score')],
  });
  return withMetadata(scores, { 'fastsde.sde': 'vp', 'fastsde.parameterization': 'score' });
}
