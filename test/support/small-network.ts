import type { Model } from '../../src/onnx/file/model.js';
import { makeTensor, type DataType } from '../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import type { NodeProto } from '../../src/onnx/file/proto.js';
import { smallModel } from './onnx-network.js';

/** The pictures of {@link smallNetwork}: [2, 2, 3]. */
export const SHAPE = [2, 2, 3] as const;
export const ELEMENTS = 12;

/** What a network of {@link smallNetwork} says of the variance of element i. */
export const varianceAt = (i: number): number => Math.cos(1 + 2 * i);

/**
 * eps = 0.9 x, or with self-conditioning 0.9 x + 0.3 tanh(x_self_cond), and where asked v as {@link varianceAt} in as many channels more.
 * The shape of the output is left open, as the older exporter of PyTorch leaves it.
 */
export function smallNetwork({
  type = 'float32',
  variance = false,
  selfCondition = false,
  batch = 'N',
}: {
  readonly type?: DataType;
  readonly variance?: boolean;
  readonly selfCondition?: boolean;
  /** Rows that a shape inside is fixed to. */
  readonly batch?: number | 'N';
}): Model {
  const to = { float32: 1, float16: 10, float64: 11, bfloat16: 16 }[type as 'float32'];
  const shape = ['N', ...SHAPE];
  const node: NodeProto[] = [
    makeNode('Cast', ['x'], ['x.f'], { to: 1 }),
    makeNode('Reshape', ['x.f', 'rows'], ['x.rows']),
    makeNode('Mul', ['x.rows', 'slope'], ['own']),
    // The time has no part in it.
    makeNode('Unsqueeze', ['t', 'axes'], ['t.4']),
    makeNode('Mul', ['t.4', 'nothing'], ['t.0']),
    makeNode('Add', ['own', 't.0'], [selfCondition ? 'plain' : 'eps']),
  ];
  if (selfCondition) {
    node.push(makeNode('Cast', ['x_self_cond'], ['last'], { to: 1 }), makeNode('Tanh', ['last'], ['bound']));
    node.push(makeNode('Mul', ['bound', 'share'], ['shared']), makeNode('Add', ['plain', 'shared'], ['eps']));
  }
  if (variance) {
    node.push(makeNode('Mul', ['x.f', 'nothing'], ['x.0']), makeNode('Add', ['x.0', 'v'], ['variance']));
    node.push(makeNode('Concat', ['eps', 'variance'], ['both'], { axis: 1 }));
  }
  node.push(makeNode('Cast', [variance ? 'both' : 'eps'], ['out'], { to }));
  return smallModel({
    node,
    initializer: [
      makeTensor('slope', 'float32', [], [0.9]),
      makeTensor('share', 'float32', [], [0.3]),
      makeTensor('nothing', 'float32', [], [0]),
      makeTensor('axes', 'int64', [3], [1, 2, 3]),
      makeTensor('rows', 'int64', [4], [batch === 'N' ? -1 : batch, ...SHAPE]),
      makeTensor(
        'v',
        'float32',
        [1, ...SHAPE],
        Array.from({ length: ELEMENTS }, (_, i) => varianceAt(i)),
      ),
    ],
    input: [
      makeValueInfo('x', { type, shape }),
      makeValueInfo('t', { type: 'float32', shape: ['N'] }),
      ...(selfCondition ? [makeValueInfo('x_self_cond', { type, shape })] : []),
    ],
    output: [makeValueInfo('out', { type, shape: ['N', 'channels', 'height', 'width'] })],
  });
}
