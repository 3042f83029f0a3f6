import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { modelBytes, withMetadata } from '../../src/onnx/file/model.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { onnxNetwork } from './onnx-network.js';

/** Metadata of a feature network of pictures in [-1, 1]. */
export const featureMetadata: Readonly<Record<string, string>> = {
  'fastsde.kind': 'features',
  'fastsde.features.range': '-1,1',
  'fastsde.features.resize': 'pytorch',
};

/** A feature network of [1, 4, 4] pictures whose three features are sums of pixels with these weights. */
export function linearFeatures(
  weights: (pixel: number, feature: number) => number,
  metadata: Readonly<Record<string, string>> = featureMetadata,
): Uint8Array {
  const w = Float32Array.from({ length: 48 }, (_, k) => weights(Math.floor(k / 3), k % 3));
  const model = onnxNetwork(
    [makeNode('Flatten', ['x'], ['flat']), makeNode('MatMul', ['flat', 'w'], ['y'])],
    [makeTensor('w', 'float32', [16, 3], w)],
    [makeValueInfo('x', { type: 'float32', shape: ['N', 1, 4, 4] })],
  );
  return modelBytes(withMetadata(model, metadata));
}
