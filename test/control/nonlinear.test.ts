import test from 'ava';
import { differentiableOperator } from '../../src/control/differentiable-operator.js';
import { measure } from '../../src/control/measurement.js';
import { restore } from '../../src/control/restore.js';
import { OptionError } from '../../src/errors.js';
import { evidenceWeights } from '../../src/control/particle-system.js';
import { loadOperator } from '../../src/control/network-operator.js';
import { modelBytes } from '../../src/onnx/file/model.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel, moments } from '../support/gaussian.js';
import { onnxNetwork } from '../support/onnx-network.js';

const prior = new GaussianMixture({ weights: [0.7, 0.3], means: [[-1.2], [0.8]], covariances: [0.25, 0.09] });
const sde = vp();
const model = mixtureModel(prior, sde);
const run = { method: 'smc', steps: 60, particles: 8, count: 1000, batch: 8000 } as const;
/** The law that a sampler that ends at the SDE's epsilon takes for that of the data. */
const atEnd = prior.diffused(1, sde.sigma(sde.epsilon) / sde.alpha(sde.epsilon));

/** Integrals over the line: p(y), and the share of the posterior above 0. */
function posteriorOf(A: (x: number) => number, y: number, noise: number) {
  const h = 1e-3;
  const points = Float64Array.from({ length: 10_000 }, (_, i) => (i - 5000) * h);
  let [evidence, above] = [0, 0];
  atEnd.logDensity(points).forEach((log, i) => {
    const z = (y - A(points[i]!)) / noise;
    const mass = (Math.exp(log - 0.5 * z ** 2) / (noise * Math.sqrt(2 * Math.PI))) * h;
    evidence += mass;
    if (points[i]! > 0) above += mass;
  });
  return { evidence, above: above / evidence };
}

const cases = {
  'x^2': { A: (x: number) => x * x, slope: (x: number) => 2 * x, y: 0.9, noise: 0.3 },
  '|x|': { A: Math.abs, slope: Math.sign, y: 0.9, noise: 0.2 },
  'exp(x)': { A: Math.exp, slope: Math.exp, y: 1.2, noise: 0.5 },
};

for (const [name, { A, slope, y, noise }] of Object.entries(cases)) {
  test(`the evidence of ${name} is unbiased, and with it the law of the samples`, async (t) => {
    const { count } = run;
    const operator = scalar(A, slope);
    const { samples, logEvidence } = await restore(
      model,
      { operator, values: Float64Array.of(y), noise },
      run,
    );
    const truth = posteriorOf(A, y, noise);
    const { mean, std } = moments(logEvidence!.map((value) => Math.exp(value) / truth.evidence));
    t.log(`${mean} +- ${std / Math.sqrt(count)}`);
    t.true(Math.abs(mean - 1) < (3 * std) / Math.sqrt(count), `${mean} +- ${std / Math.sqrt(count)}`);
    t.true(std < 1, String(std));
    const share = evidenceWeights(logEvidence!).reduce((sum, w, i) => sum + (samples[i]! > 0 ? w : 0), 0);
    const error = Math.sqrt((truth.above * (1 - truth.above) * (1 + std ** 2)) / count);
    t.true(Math.abs(share - truth.above) < 3 * error, `${share} for ${truth.above} +- ${error}`);
  });
}

function scalar(A: (x: number) => number, slope: (x: number) => number) {
  return differentiableOperator({
    ...{ shape: [1], measuredShape: [1] },
    apply: ([x]) => [A(x!)],
    vjp: ([x], [v]) => [slope(x!) * v!],
  });
}

test('a network is a measurement: its values and products, also where its file fixes the rows', async (t) => {
  for (const rows of ['N', 2]) {
    const x = makeValueInfo('x', { type: 'float32', shape: [rows, 3] });
    const network = onnxNetwork([makeNode('Mul', ['x', 'x'], ['y'])], [], [x]);
    const operator = await loadOperator(modelBytes(network));
    const points = Float64Array.of(1, 2, 3, -1, 0.5, 0, 4, -2, 1);
    const v = Float64Array.of(1, 1, 2, 3, 4, 5, -1, 0, 1);
    t.deepEqual(
      await operator.images(points),
      points.map((value) => value * value),
    );
    t.deepEqual(
      await operator.products(points, v),
      points.map((value, i) => 2 * value * v[i]!),
    );
    await operator.close();
  }
});

test('dps comes near what was measured, and samples do not depend on their batch', async (t) => {
  const operator = scalar(
    (x) => 2 * x + Math.sin(x),
    (x) => 2 + Math.cos(x),
  );
  const values = await measure(operator, Float32Array.of(-1.2, -0.8, 0.8, 1));
  const choice = { steps: 100, zeta: 0.05 } as const;
  const all = await restore(model, { operator, values }, choice);
  t.is(all.options['method'], 'dps');
  const found = await measure(operator, all.samples);
  found.forEach((value, i) => {
    t.true(Math.abs(value - values[i]!) < 0.4, `${value} for ${values[i]}`);
  });
  const alone = { operator, values: values.slice(2, 3) };
  const third = await restore(model, alone, { ...choice, count: 1, first: 2 });
  t.is(third.samples[0], all.samples[2]);
});

test('refused: what is no derivative, methods that take a linear measurement, and no noise for smc', async (t) => {
  const square = scalar(
    (x) => x * x,
    (x) => 2 * x,
  );
  const refused = async (
    operator: typeof square,
    options: object,
    option: string,
    message: RegExp,
    noise = 0.1,
  ) => {
    const measurement = { operator, values: Float64Array.of(1), noise };
    const error = await t.throwsAsync(restore(model, measurement, options), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  };
  const wrong = scalar(
    (x) => x * x,
    (x) => x,
  );
  await refused(wrong, {}, 'measurement.operator.vjp', /\(dA\/dx\)\^T v of apply/);
  for (const method of ['replacement', 'repaint', 'mmps', 'pigdm'])
    await refused(square, { method }, 'method', /'dps' or 'smc': what differentiable measures is not linear/);
  await refused(square, { method: 'smc' }, 'measurement.noise', /above 0/, 0);
  const plain = gaussianModel(sde, { shape: [1] });
  const measurement = { operator: square, values: Float64Array.of(1), noise: 0.1 };
  await t.throwsAsync(restore(plain, measurement, { method: 'smc' }), {
    message: /cannot be differentiated/,
  });
});
