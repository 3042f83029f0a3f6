import { join } from 'node:path';

import type { Dataset } from '../../src/data/dataset.js';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import { readModel, withMetadata, type Model } from '../../src/onnx/file/model.js';
import { fillNormal } from '../../src/device/kernels.js';
import { Stream } from '../../src/device/binding.js';
import { metadataProperties } from '../../src/score/network/metadata.js';

/** A network of 2-D data with 658 parameters, for the noise of the VP SDE. */
export async function planarNetwork(): Promise<Model> {
  const network = await readModel(join('test', 'fixtures', 'onnx', 'mlp.onnx'));
  return withMetadata(network, metadataProperties({ sde: 'vp', parameterization: 'eps', labels: 't' }));
}

/** Options of runs that are broken off and continued. */
export const TRAINING = {
  batch: 24,
  workers: 2,
  seed: 5,
  learningRate: 0.01,
  warmup: 10,
  ema: [
    { kind: 'warm-up', decay: 0.99 },
    { kind: 'power-function', deviation: 0.1 },
  ],
} as const;

/** Points of a correlated Gaussian in the plane. */
export function planarData(count: number): Dataset {
  const data = new Float32Array(2 * count);
  fillNormal(data, count, { seed: 7n, samples: 0, step: 0, stream: Stream.data });
  for (let n = 0; n < count; n++) data[2 * n + 1] = 0.5 * data[2 * n]! + 0.3 * data[2 * n + 1]!;
  return { data, shape: [count, 2] };
}

/** The largest difference between two lists of numbers, relative to the largest of the second. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
  }
  return difference / size;
}

/** All weights of a model, one after the other. */
export function weightsOf(model: Model): number[] {
  const values = parameterValues(model, parameterNames(model, 'all'));
  return [...values.values()].flatMap((tensor) => [...tensor]);
}
