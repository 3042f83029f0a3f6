// The runs that scripts/training/reference.py makes in PyTorch.
import { join } from 'node:path';

import type { Dataset } from '../../src/data/dataset.js';
import { readModel, withMetadata, type Model } from '../../src/onnx/file/model.js';
import { metadataProperties } from '../../src/score/network/metadata.js';
import type { TrainOptions } from '../../src/training/options.js';
import { planarData, planarNetwork } from './training-runs.js';

/** A run of 20 steps. */
export interface ReferenceRun {
  readonly network: () => Promise<Model>;
  readonly data: Dataset;
  readonly options: TrainOptions & Required<Pick<TrainOptions, 'batch' | 'seed'>>;
}

const options = {
  steps: 20,
  learningRate: 0.01,
  warmup: 5,
  decay: 'cosine',
  weightDecay: 0.05,
  ema: [
    { kind: 'warm-up', decay: 0.999 },
    { kind: 'power-function', deviation: 0.1 },
  ],
} as const;

/** Dark 8 x 8 images, each with a bright rectangle. */
function images(count: number): Dataset {
  const data = Uint8Array.from({ length: 64 * count }, (_, i) => {
    const [n, row, column] = [i >> 6, (i >> 3) & 7, i & 7];
    return row >= n % 5 && column <= n % 7 ? 200 + (n % 50) : 10;
  });
  return { data, shape: [count, 1, 8, 8] };
}

export const referenceRuns: Readonly<Record<'mlp' | 'conv', ReferenceRun>> = {
  mlp: {
    network: planarNetwork,
    data: planarData(50),
    options: { ...options, batch: 24, seed: 11, clip: 0.3 },
  },
  conv: {
    network: async () => {
      const network = await readModel(join('test', 'fixtures', 'training', 'conv.onnx'));
      const metadata = {
        sde: 've',
        constants: { sigmaMax: 5 },
        parameterization: 'score',
        labels: 'log-sigma',
      } as const;
      return withMetadata(network, metadataProperties(metadata));
    },
    data: images(60),
    options: { ...options, batch: 20, seed: 12, clip: 0.1, flip: true, objective: { weighting: 'min-snr' } },
  },
};
