import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { adamw, type AdamWOptions, globalNorm } from '../../src/device/adamw.js';
import { scrambled } from '../support/native-reference.js';

const float32 = (length: number, seed: number) => Float32Array.from(scrambled(length, seed));

/** AdamW from the paper, in double. */
function reference(
  p: number[],
  gradients: number[][],
  options: Omit<Required<AdamWOptions>, 'step' | 'clip'>,
  decays: number[],
) {
  const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale } = options;
  const m = p.map(() => 0);
  const v = p.map(() => 0);
  const averages = decays.map(() => [...p]);
  for (const [t, g] of gradients.entries()) {
    for (let i = 0; i < p.length; i++) {
      const gradient = gradientScale * g[i]!;
      m[i] = beta1 * m[i]! + (1 - beta1) * gradient;
      v[i] = beta2 * v[i]! + (1 - beta2) * gradient ** 2;
      const first = m[i]! / (1 - beta1 ** (t + 1));
      const second = v[i]! / (1 - beta2 ** (t + 1));
      p[i] = p[i]! - learningRate * (weightDecay * p[i]! + first / (Math.sqrt(second) + epsilon));
      for (const [k, decay] of decays.entries())
        averages[k]![i] = decay * averages[k]![i]! + (1 - decay) * p[i]!;
    }
  }
  return { p, averages };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a, (x, i) => Math.abs(x - b[i]!)).reduce((max, d) => Math.max(max, d), 0);
}

test('gradients are clipped by the norm that the squares add up to when the step is made', (t) => {
  const n = 100;
  const g = float32(n, 3);
  const norm = globalNorm([g]);
  const step = (options: Partial<AdamWOptions>): Float32Array => {
    const p = float32(n, 1);
    adamw(p, g, new Float32Array(n), new Float32Array(n), [], {
      learningRate: 0.1,
      step: 1,
      epsilon: 1,
      ...options,
    });
    return p;
  };
  const squares = Float64Array.of(0.25 * norm ** 2, 0.75 * norm ** 2);
  t.deepEqual(step({ clip: { norm: 2 * norm, squares } }), step({}));
  const clipped = step({ clip: { norm: 0.1 * norm, squares } });
  t.true(largestDifference(clipped, step({ gradientScale: 0.1 })) < 1e-6);
  t.true(largestDifference(clipped, step({})) > 1e-3);
  t.throws(() => step({ clip: { norm: -1, squares } }), { message: /^clip\.norm must be / });
});

test('AdamW and its averages follow the paper for a hundred steps', (t) => {
  const n = 1500;
  const options = {
    learningRate: 0.01,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-6,
    weightDecay: 0.1,
    gradientScale: 0.7,
  };
  const decays = [0.9, 0.999];
  const gradients = Array.from({ length: 100 }, (_, s) => float32(n, s + 10));
  const p = float32(n, 1);
  const expected = reference(
    [...p],
    gradients.map((g) => [...g]),
    options,
    decays,
  );
  const [m, v] = [new Float32Array(n), new Float32Array(n)];
  const averages = decays.map((decay) => ({ values: p.slice(), decay }));
  for (const [i, g] of gradients.entries()) adamw(p, g, m, v, averages, { ...options, step: i + 1 });
  t.true(largestDifference(p, expected.p) < 3e-6);
  for (const [k, { values }] of averages.entries()) {
    t.true(largestDifference(values, expected.averages[k]!) < 3e-6);
  }
});

test('AdamW takes the steps that PyTorch takes', (t) => {
  // torch.optim.AdamW([p], lr=0.1, betas=(0.9, 0.99), eps=1e-3, weight_decay=0.05), float64, three steps.
  const p = Float32Array.of(1, -2, 0.5, 0);
  const gradients = [
    [0.1, -0.2, 3, 0],
    [-0.3, 0.5, 1, 1e-4],
    [0.2, 0.2, -2, 0],
  ];
  const [m, v] = [new Float32Array(4), new Float32Array(4)];
  for (const [i, g] of gradients.entries()) {
    adamw(p, Float32Array.from(g), m, v, [], {
      learningRate: 0.1,
      beta2: 0.99,
      epsilon: 1e-3,
      weightDecay: 0.05,
      step: i + 1,
    });
  }
  t.true(largestDifference(p, [0.934049344652, -1.96958514351, 0.28402995011, -0.00802994802752]) < 1e-6);
});

test('the global norm is that of all tensors together', (t) => {
  const tensors = [float32(7, 1), float32(20000, 2), float32(1, 3)];
  const expected = Math.sqrt(tensors.reduce((sum, x) => x.reduce((s, value) => s + value * value, sum), 0));
  t.true(Math.abs(globalNorm(tensors) - expected) < 1e-12 * expected);
  t.is(globalNorm([]), 0);
});

test('bad arguments are named', (t) => {
  const tensor = () => new Float32Array(4);
  const p = tensor();
  const refused = (option: string, run: () => void) => {
    t.is(t.throws(run, { instanceOf: OptionError }).option, option);
  };
  const valid = { learningRate: 0.1, step: 1 };
  refused('gradients', () => {
    adamw(p, new Float32Array(3), tensor(), tensor(), [], valid);
  });
  refused('secondMoments', () => {
    adamw(p, tensor(), tensor(), p, [], valid);
  });
  refused('averages[0].decay', () => {
    adamw(p, tensor(), tensor(), tensor(), [{ values: tensor(), decay: 2 }], valid);
  });
  refused('averages[0].values', () => {
    adamw(p, tensor(), tensor(), tensor(), [{ values: p, decay: 0.9 }], valid);
  });
  refused('step', () => {
    adamw(p, tensor(), tensor(), tensor(), [], { ...valid, step: 0 });
  });
  refused('beta2', () => {
    adamw(p, tensor(), tensor(), tensor(), [], { ...valid, beta2: 1 });
  });
  refused('learningRate', () => {
    adamw(p, tensor(), tensor(), tensor(), [], { ...valid, learningRate: NaN });
  });
});
