import test from 'ava';

import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { buildNetwork } from '../../src/networks/build.js';
import type { Parameterization } from '../../src/score/model.js';
import { parameterizations } from '../../src/score/parameterization.js';
import { ddpmLadder, geometricSigmas, linearBetas, smldLadder } from '../../src/sde/ladder.js';
import { sdeFromName } from '../../src/sde/named.js';
import { objective } from '../../src/training/objective.js';
import type { ObjectiveOptions } from '../../src/training/options.js';
import { weightings } from '../../src/training/names.js';
import { scrambled } from '../support/native-reference.js';
import { gaussianNetwork, meanOf, numbers, runTraining, Sketch } from '../support/training-networks.js';

const seed = 5n;
const step = 3;

/** The losses of some rows of standard normal data scaled by `deviation`, in double precision from the definition. */
function expectedLosses(
  name: 'vp' | 've',
  x0: Float32Array,
  times: Float64Array,
  variance: number,
  lambda: (t: number, alpha: number, sigma: number) => number,
): number[] {
  const sde = sdeFromName(name);
  const dimension = x0.length / times.length;
  const z = new Float64Array(x0.length);
  fillNormal(z, times.length, { seed, samples: 0, step, stream: Stream.trainingNoise });
  return Array.from(times, (t, b) => {
    const [alpha, sigma] = [sde.alpha(t), sde.sigma(t)];
    let sum = 0;
    for (let i = b * dimension; i < (b + 1) * dimension; i++) {
      const x = alpha * x0[i]! + sigma * z[i]!;
      sum += (-x / (alpha ** 2 * variance + sigma ** 2) + z[i]! / sigma) ** 2;
    }
    return (lambda(t, alpha, sigma) * sum) / dimension;
  });
}

function normalData(rows: number, dimension: number, deviation: number): Float32Array {
  const x0 = new Float32Array(rows * dimension);
  fillNormal(x0, rows, { seed: 77n, samples: 0, step: 0, stream: Stream.data });
  return x0.map((value) => deviation * value);
}

// As the papers write them: on the noise prediction, the score or the denoised sample.
const lambdas: Record<string, (sde: 'vp' | 've') => (t: number, alpha: number, sigma: number) => number> = {
  sigma2: () => (_, __, sigma) => sigma ** 2,
  likelihood: (name) => (t) => sdeFromName(name).diffusion(t) ** 2,
  edm: () => (_, alpha, sigma) => {
    const rho = sigma / alpha;
    return ((rho ** 2 + 0.25) / (rho * 0.5) ** 2) * (sigma ** 2 / alpha) ** 2;
  },
  'min-snr': () => (_, alpha, sigma) => {
    const snr = (alpha / sigma) ** 2;
    return (Math.min(snr, 5) / snr) * sigma ** 2;
  },
  'soft-min-snr': () => (_, alpha, sigma) => {
    const snr = (alpha / sigma) ** 2;
    return ((snr * 5) / (snr + 5)) * (sigma ** 2 / alpha) ** 2;
  },
};

for (const sde of ['vp', 've'] as const) {
  for (const weighting of weightings) {
    test(`${sde}, ${weighting}: the loss of a function is the same in every parameterization`, async (t) => {
      const x0 = normalData(64, 2, 0.8);
      for (const parameterization of parameterizations) {
        const model = gaussianNetwork(sde, parameterization, 0.3);
        // At times where float32 can tell the errors of all parameterizations.
        const goal = objective(model, { weighting, trainingEpsilon: 0.05 });
        const { tensors, times } = goal.feeds({ x0, first: 0, step, seed });
        const result = await runTraining(await goal.trainingGraph(), model, tensors);
        const expected = expectedLosses(sde, x0, times, 0.3, lambdas[weighting]!(sde));
        const losses = numbers(result['losses']);
        const size = Math.max(...expected);
        losses.forEach((loss, i) => {
          const error = Math.abs(loss - expected[i]!) / (expected[i]! + 1e-3 * size);
          t.true(error < 2e-3, `${parameterization}: row ${i} at ${times[i]!}: ${loss}, not ${expected[i]!}`);
        });
        t.true(Math.abs(numbers(result['loss'])[0]! - meanOf(losses).mean) < 1e-5 * size);
      }
    });
  }
}

test('the exact score of Gaussian data has the optimal loss a^2 c^2 / (a^2 c^2 + s^2), and a gradient of zero', async (t) => {
  const variance = 0.6 ** 2;
  const sde = sdeFromName('vp');
  const rows = 20000;
  const x0 = normalData(rows, 2, 0.6);
  const model = gaussianNetwork('vp', 'eps', variance);
  const goal = objective(model);
  const { tensors, times } = goal.feeds({ x0, first: 0, step, seed });
  const result = await runTraining(await goal.trainingGraph(), model, tensors);
  const surplus = numbers(result['losses']).map((loss, i) => {
    const signal = sde.alpha(times[i]!) ** 2 * variance;
    return loss - signal / (signal + sde.sigma(times[i]!) ** 2);
  });
  const { mean, error } = meanOf(surplus);
  t.true(error < 0.02);
  t.true(Math.abs(mean) < 5 * error, `${mean} +- ${error}`);
  t.true(Math.abs(numbers(result['grad.variance.weight'])[0]!) < 0.05);
});

test('feeds do not depend on how a batch is split over workers', (t) => {
  const g = new Sketch();
  const pixel = g.op('Mul', g.op('Mul', 'x', g.tensor([1], [0.5], 'a.weight')), 'dropout.first');
  const shape = [1, 2, 4];
  const model = g.model(
    pixel,
    shape,
    { sde: 'vp', parameterization: 'eps', labels: 't*999' },
    {
      inputs: { 'dropout.first': shape },
    },
  );
  const bytes = Uint8Array.from(scrambled(6 * 8, 1), (value) => 127.5 * (value + 1));
  const flips = Uint8Array.of(0, 1, 1, 0, 0, 1);
  const kinds: ObjectiveOptions[] = [
    {},
    { times: 'importance', weighting: 'likelihood', spread: true },
    { times: 'log-normal' },
    { diffusion: 'simulation', simulationSteps: 7 },
    { dequantize: true },
    { kind: 'sliced', probes: 2 },
    { kind: 'sliced', probe: 'normal' },
    { kind: 'implicit' },
  ];
  for (const options of kinds) {
    const goal = objective(model, { ...options, dropout: 0.3 });
    const part = (from: number, to: number) => {
      const rows = { x0: bytes.subarray(8 * from, 8 * to), flips: flips.subarray(from, to) };
      const { tensors, times } = goal.feeds({ ...rows, first: from, step, seed });
      return Object.entries({ ...tensors, times: { data: times, dims: [] } }).map(
        ([name, { data }]) => [name, Array.from(data as ArrayLike<number>)] as const,
      );
    };
    const whole = part(0, 6);
    const parts = [part(0, 1), part(1, 4), part(4, 6)].map((each) => new Map(each));
    t.true(whole.length >= 5);
    for (const [name, values] of whole) {
      t.deepEqual(
        parts.flatMap((each) => each.get(name)!),
        values,
        `${JSON.stringify(options)}: ${name}`,
      );
    }
  }
});

test('dequantised bytes are uniform over their bins, and others at every step', (t) => {
  const g = new Sketch();
  const scaled = g.op('Mul', 'x', g.tensor([1], [0.5], 'a.weight'));
  const model = g.model(scaled, [1, 4, 50], { sde: 'vp', parameterization: 'eps', labels: 't' });
  const goal = objective(model, { dequantize: true, times: 'log-normal', logMean: -2 });
  const bytes = Uint8Array.from({ length: 8 * 200 }, (_, i) => (37 * i) % 256);
  const flips = Uint8Array.from({ length: 8 }, (_, i) => i % 2);
  const sde = sdeFromName('vp');
  const placesAt = (step: number): number[] => {
    const { tensors, times } = goal.feeds({ x0: bytes, flips, first: 0, step, seed });
    const [x, z] = [numbers(tensors['x']), numbers(tensors['target'])];
    return x.map((value, i) => {
      const row = Math.floor(i / 200);
      const clean = (value - sde.sigma(times[row]!) * z[i]!) / sde.alpha(times[row]!);
      const mirrored = i - (i % 50) + 49 - (i % 50);
      return 128 * (clean + 1) - bytes[flips[row] === 1 ? mirrored : i]!;
    });
  };
  const [places, later] = [placesAt(1), placesAt(2)];
  t.true(places.every((place) => place > -1e-3 && place < 1 + 1e-3));
  for (const values of [
    places.map((place) => place - 0.5),
    places.map((place) => (place - 0.5) ** 2 - 1 / 12),
    places.map((place, i) => (place - 0.5) * (later[i]! - 0.5)),
  ]) {
    const { mean, error } = meanOf(values);
    t.true(Math.abs(mean) < 4 * error, `${mean} +- ${error}`);
  }
});

test('dropout masks are 0 or 1 / (1 - p), with probability p', (t) => {
  const g = new Sketch();
  const out = g.op('Mul', g.op('Mul', 'x', g.tensor([1], [0.5], 'a.weight')), 'dropout.first');
  const inputs = { 'dropout.first': [2] };
  const model = g.model(out, [2], { sde: 'vp', parameterization: 'eps', labels: 't' }, { inputs });
  const rows = { x0: new Float32Array(20000), first: 0, step, seed };
  const mask = objective(model, { dropout: 0.2 }).feeds(rows).tensors['dropout.first']!.data as Float32Array;
  t.deepEqual([...new Set(mask)].sort(), [0, 1.25]);
  const dropped = mask.filter((value) => value === 0).length / mask.length;
  t.true(Math.abs(dropped - 0.2) < 5 * Math.sqrt(0.16 / mask.length));
  t.throws(() => objective(model), { message: /dropout must be a probability/ });
});

/** eps(x, i) or score(x, i) of a network with integer labels that only multiplies x. */
function ladderModel(sde: 'vp' | 've', parameterization: Parameterization) {
  const g = new Sketch();
  const out = g.op('Mul', 'x', g.tensor([1], [0.4], 'a.weight'));
  const metadata = {
    sde,
    parameterization,
    trainedLevels: 100,
    labels: sde === 'vp' ? 'index' : 'reversed-index',
  };
  return g.model(g.op('Add', out, g.op('Mul', g.op('Unsqueeze', 't', g.ints(1)), 0)), [2], metadata);
}

test('the discrete losses of DDPM and SMLD are those of their papers', async (t) => {
  const x0 = normalData(50, 2, 0.5);
  const z = new Float64Array(100);
  fillNormal(z, 50, { seed, samples: 0, step, stream: Stream.trainingNoise });
  const ddpm = ddpmLadder(linearBetas(100));
  const smld = smldLadder(geometricSigmas(100));
  for (const [sde, parameterization, label] of [
    ['vp', 'eps', (i: number) => i],
    ['ve', 'score', (i: number) => 99 - i],
  ] as const) {
    const model = ladderModel(sde, parameterization);
    const goal = objective(model);
    const { tensors } = goal.feeds({ x0, first: 0, step, seed });
    const labels = numbers(tensors['t']);
    t.true(labels.every((each) => Number.isInteger(each) && each >= 0 && each <= 99));
    t.true(new Set(labels).size > 30);
    const losses = numbers((await runTraining(await goal.trainingGraph(), model, tensors))['losses']);
    losses.forEach((loss, b) => {
      const i = label(labels[b]!);
      const square = [0, 1].reduce((sum, e) => {
        const [clean, noise] = [x0[2 * b + e]!, z[2 * b + e]!];
        // Ho et al. 2020, equation 14; Song and Ermon 2019, equation 5 with lambda = sigma^2.
        return sde === 'vp'
          ? sum + (noise - 0.4 * (ddpm.alpha[i]! * clean + ddpm.sigma[i]! * noise)) ** 2
          : sum + (smld.sigma[i]! * 0.4 * (clean + smld.sigma[i]! * noise) + noise) ** 2;
      }, 0);
      t.true(Math.abs(loss - square / 2) < 1e-4 * (1 + square), `${sde} level ${i}`);
    });
  }
});

test('options and networks that do not fit are refused by name', (t) => {
  const model = gaussianNetwork('vp', 'eps', 1);
  const refused: [ObjectiveOptions, RegExp][] = [
    [{ kind: 'denoise' as never }, /kind must be one of .*did you mean denoising/],
    [{ weighting: 'snr' as never }, /weighting must be one of/],
    [{ times: 'normal' as never }, /times must be one of/],
    [{ gamma: 0 }, /gamma/],
    [{ trainingEpsilon: 1 }, /trainingEpsilon must be between 0 and T = 1/],
    [{ times: 'log-normal', logDeviation: 0 }, /logDeviation/],
    [{ times: 'log-normal', spread: true }, /spread/],
    [{ diffusion: 'euler' as never }, /diffusion/],
    [{ diffusion: 'simulation', simulationSteps: 0 }, /simulationSteps/],
    [{ dropLabels: 0.1 }, /no class label that stands for none/],
    [{ dropout: 0.1 }, /no mask inputs/],
    [{ kind: 'classifier', weighting: 'edm' }, /a classifier has no score/],
    [{ kind: 'sliced', probes: 0 }, /probes/],
  ];
  for (const [options, message] of refused) t.throws(() => objective(model, options), { message });
  const ladder = ladderModel('vp', 'eps');
  t.throws(() => objective(ladder, { weighting: 'likelihood' }), { message: /trained levels/ });
  t.throws(() => objective(ladder, { times: 'importance' }), { message: /trained levels/ });
  const goal = objective(model);
  t.throws(() => goal.feeds({ x0: new Float32Array(3), first: 0, step, seed }), { message: /no samples/ });
  const flips = new Uint8Array(2);
  t.throws(() => goal.feeds({ x0: new Float32Array(4), flips, first: 0, step, seed }), {
    message: /no images/,
  });
});

test('labels become the null class with the given probability, and only labels of the network are taken', (t) => {
  const model = buildNetwork({
    kind: 'mlp',
    shape: [2],
    sde: 'vp',
    parameterization: 'eps',
    classes: 3,
    width: 8,
  });
  const rows = { x0: new Float32Array(2 * 8000), first: 0, step, seed };
  const labels = Int32Array.from({ length: 8000 }, (_, i) => i % 3);
  const fed = (dropLabels: number) =>
    Array.from(objective(model, { dropLabels }).feeds({ ...rows, labels }).tensors['class']!.data, Number);
  t.deepEqual(fed(0), Array.from(labels));
  const dropped = fed(0.2);
  const share = dropped.filter((label) => label === 3).length / 8000;
  t.true(Math.abs(share - 0.2) < 5 * Math.sqrt(0.16 / 8000));
  t.true(dropped.every((label, i) => label === 3 || label === labels[i]));
  const goal = objective(model);
  t.throws(() => goal.feeds(rows), { message: /the data have none/ });
  const wrong = labels.with(7, 4);
  t.throws(() => goal.feeds({ ...rows, labels: wrong }), {
    message: /label 4 of row 7 is not a class from 0 to 2/,
  });
});

test('a noise-conditional classifier is trained on the cross-entropy of noised data', async (t) => {
  const shape = [1, 8, 8];
  const model = buildNetwork({
    kind: 'classifier',
    shape,
    sde: 've',
    classes: 4,
    channels: [8],
    stem: 1,
    dropout: 0.1,
  });
  const x0 = normalData(5, 64, 0.3);
  const labels = Int32Array.of(0, 3, 1, 2, 0);
  const goal = objective(model, { dropout: 0 });
  const { tensors } = goal.feeds({ x0, labels, first: 0, step, seed });
  const result = await runTraining(await goal.trainingGraph(), model, tensors);
  const logits = numbers(result['logits']);
  numbers(result['losses']).forEach((loss, b) => {
    const row = logits.slice(4 * b, 4 * b + 4);
    const expected = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[labels[b]!]!;
    t.true(Math.abs(loss - expected) < 1e-5);
  });
  t.throws(() => goal.feeds({ x0, labels: Int32Array.of(0, 4, 0, 0, 0), first: 0, step, seed }), {
    message: /label 4 of row 1/,
  });
});
