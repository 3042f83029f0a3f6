import test from 'ava';

import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import type { Model } from '../../src/onnx/file/model.js';
import { parameterValues } from '../../src/autodiff/parameters.js';
import { train } from '../../src/training/train.js';
import { Sketch } from '../support/training-networks.js';

/** The levels of a geometric ladder of three. */
const SIGMAS = [1.6, 0.8, 0.4];
const COUNT = 500;

/** A score that is linear in x at each of three noise levels, all zero at first: x W_k + b_k at level k. */
function linearNetwork(): Model {
  const g = new Sketch();
  const weights = g.tensor([2, 6], new Array<number>(12).fill(0), 'linear.weight');
  const biases = g.tensor([6], new Array<number>(6).fill(0), 'linear.bias');
  const scores = g.op('Reshape', g.op('Gemm', 'x', weights, biases), g.ints(0, 3, 2));
  const isLevel = g.with(
    'Cast',
    { to: 1 },
    g.op('Equal', g.op('Unsqueeze', 't', g.ints(1)), g.tensor([3], [0, 1, 2])),
  );
  const chosen = g.op('Mul', scores, g.op('Unsqueeze', isLevel, g.ints(2)));
  return g.model(g.with('ReduceSum', { keepdims: 0 }, chosen, g.ints(1)), [2], {
    sde: 've',
    constants: { sigmaMin: SIGMAS.at(-1)!, sigmaMax: SIGMAS[0]! },
    parameterization: 'score',
    labels: 'reversed-index',
    trainedLevels: 3,
  });
}

test('a linear network on Gaussian data converges to the exact score', async (t) => {
  const data = new Float32Array(2 * COUNT);
  fillNormal(data, COUNT, { seed: 1n, samples: 0, step: 0, stream: Stream.data });
  for (let n = 0; n < COUNT; n++) {
    const [a, b] = [data[2 * n]!, data[2 * n + 1]!];
    data.set([0.5 + 0.9 * a, -1 + 0.5 * a + 0.4 * b], 2 * n);
  }
  const { model } = await train(
    linearNetwork(),
    { data, shape: [COUNT, 2] },
    {
      steps: 1500,
      batch: 256,
      learningRate: 0.05,
      decay: 'cosine',
      workers: 2,
      clip: Infinity,
    },
  );
  const values = parameterValues(model, ['linear.weight', 'linear.bias']);
  const [weight, bias] = [values.get('linear.weight')!, values.get('linear.bias')!];

  // The samples are the data, so that their mean and covariance are the truth: score = -(C + sigma^2)^-1 (x - mean).
  const mean = [0, 1].map((j) => data.reduce((sum, value, i) => sum + (i % 2 === j ? value : 0), 0) / COUNT);
  const covariance = (j: number, k: number): number => {
    let sum = 0;
    for (let n = 0; n < COUNT; n++) sum += (data[2 * n + j]! - mean[j]!) * (data[2 * n + k]! - mean[k]!);
    return sum / COUNT;
  };
  SIGMAS.forEach((sigma, k) => {
    const [a, b, d] = [covariance(0, 0) + sigma ** 2, covariance(0, 1), covariance(1, 1) + sigma ** 2];
    const determinant = a * d - b * b;
    const exact = [
      [-d / determinant, b / determinant],
      [b / determinant, -a / determinant],
    ];
    const size = Math.max(...exact.flat().map(Math.abs));
    for (const j of [0, 1]) {
      for (const i of [0, 1]) {
        const error = Math.abs(weight[6 * i + 2 * k + j]! - exact[i]![j]!) / size;
        t.true(error < 0.02, `W[${i}][${j}] at sigma ${sigma}: ${error}`);
      }
      const shift = -(exact[0]![j]! * mean[0]! + exact[1]![j]! * mean[1]!);
      const error = Math.abs(bias[2 * k + j]! - shift) / size;
      t.true(error < 0.02, `b[${j}] at sigma ${sigma}: ${error}`);
    }
  });
});
