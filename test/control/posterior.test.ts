import test from 'ava';
import { Matrix } from 'ml-matrix';
import { openDenoiser, type Denoiser, type RowLevels } from '../../src/control/denoiser.js';
import { checkMeasurement, type Known, type Measurement } from '../../src/control/measurement.js';
import { inpainting, matrixOperator } from '../../src/control/operators.js';
import { momentMatching, pseudoinverseGuidance } from '../../src/control/posterior.js';
import { restore } from '../../src/control/restore.js';
import { OptionError } from '../../src/errors.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { mixturePosterior } from '../../src/score/mixture/posterior.js';
import type { ScoreModel } from '../../src/score/model.js';
import { edm } from '../../src/sde/edm.js';
import { timeGrid } from '../../src/sde/grid.js';
import { levelAt, type Level } from '../../src/sde/level.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel, moments } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const d = 4;
/** A full covariance. */
const covariance = Array.from({ length: d }, (_, i) =>
  Array.from({ length: d }, (_, j) => Math.exp(-Math.abs(i - j)) * (1 + 0.2 * Math.min(i, j))),
);
const mean = [0.3, -0.2, 0.5, 0];
const gaussian = new GaussianMixture({ weights: [1], means: [mean], covariances: [covariance] });
const A = [
  [1, 0.5, 0, -0.3],
  [0, 1, 0.7, 0.2],
];
const noise = 0.4;
const values = Float64Array.of(0.7, -0.9);
const measurement: Measurement = { operator: matrixOperator(A), values, noise };

/** The score of a model at points, all at one time. */
async function scoreOf(model: ScoreModel, x: Float32Array, t: number): Promise<Float32Array> {
  const level = levelAt(model, t);
  const output = new Float32Array(x.length);
  await model.evaluate(x, new Array(x.length / d).fill(level), output);
  const { state, output: factor } = model.coefficients(level);
  return output.map((value, i) => state * x[i]! + factor * value);
}

const points = Float32Array.from({ length: 3 * d }, (_, i) => 2 * Math.sin(i * i + 1));

for (const sde of [vp(), ve(), edm()]) {
  test(`moment matching has the exact score for normal data: ${sde.name}`, async (t) => {
    const model = mixtureModel(gaussian, sde);
    const known = (await checkMeasurement(measurement, [d])) as Known;
    const exact = mixturePosterior(gaussian, { matrix: A, value: values, noise: noise ** 2 });
    const matched = momentMatching(model, await openDenoiser(model, 1), known, 2);
    for (const share of [0.05, 0.3, 0.9]) {
      const time = sde.timeOfLambda((1 - share) * sde.lambda(sde.epsilon) + share * sde.lambda(sde.T));
      const truth = exact.at(sde, time).score(points);
      const size = Math.max(...truth.map(Math.abs));
      (await scoreOf(matched, points, time)).forEach((score, i) => {
        t.true(Math.abs(score - truth[i]!) < 1e-4 * size, `${share}: ${score} for ${truth[i]}`);
      });
      // One iteration of two is not exact.
      const one = momentMatching(model, await openDenoiser(model, 1), known, 1);
      const off = (await scoreOf(one, points, time)).map((score, i) => Math.abs(score - truth[i]!) / size);
      if (share === 0.3) t.true(Math.max(...off) > 1e-3);
    }
  });
}

/** Mean and covariance of what the default solver, of order 2, makes of an affine score, step by step and without any noise being drawn. */
async function lawOf(model: ScoreModel, steps: number): Promise<{ mean: Matrix; covariance: Matrix }> {
  const { sde } = model;
  const walk = timeGrid(sde, { steps, grid: 'uniform-lambda' });
  const start = walk[0]!.from;
  const square = (f: (i: number, j: number) => number) =>
    new Matrix(Array.from({ length: 2 * d }, (_, i) => Array.from({ length: 2 * d }, (__, j) => f(i, j))));
  // x / alpha, and the estimate of x_0 before the last step.
  let mean = Matrix.zeros(2 * d, 1);
  let covariance = square((i, j) => (i === j && i < d ? (sde.priorSigma / start.alpha) ** 2 : 0));
  /** x_0 as gain x / alpha + offset. */
  const estimate = async ({ t, alpha, sigma }: Level) => {
    const at = Float32Array.from({ length: (d + 1) * d }, (_, i) =>
      i % (d + 1) === 0 && i < d * d ? alpha : 0,
    );
    const scores = await scoreOf(model, at, t);
    const found = Array.from(at, (x, i) => (x + sigma ** 2 * scores[i]!) / alpha);
    const offset = found.slice(d * d);
    return { offset, gain: (i: number, j: number) => found[j * d + i]! - offset[i]! };
  };
  let last = 0;
  for (const { from, to } of walk) {
    if (to.sigma === 0) continue;
    const { gain, offset } = await estimate(from);
    const kept = (to.sigma / to.alpha / (from.sigma / from.alpha)) ** 2;
    const h = to.lambda - from.lambda;
    const change = last === 0 ? 0 : h / (2 * last);
    last = h;
    const map = square((i, j) => {
      if (i >= d) return j < d ? gain(i - d, j) : 0;
      if (j >= d) return i === j - d ? -(1 - kept) * change : 0;
      return (i === j ? kept : 0) + (1 - kept) * (1 + change) * gain(i, j);
    });
    const shift = new Matrix([
      ...offset.map((b) => [(1 - kept) * (1 + change) * b]),
      ...offset.map((b) => [b]),
    ]);
    mean = map.mmul(mean).add(shift);
    const noise = (to.sigma / to.alpha) ** 2 * (1 - kept);
    covariance = map.mmul(covariance).mmul(map.transpose());
    for (let i = 0; i < d; i++) covariance.set(i, i, covariance.get(i, i) + noise);
  }
  const { gain, offset } = await estimate(walk.at(-1)!.to);
  const map = new Matrix(offset.map((_, i) => offset.map((__, j) => gain(i, j))));
  return {
    mean: map.mmul(mean.subMatrix(0, d - 1, 0, 0)).add(new Matrix(offset.map((b) => [b]))),
    covariance: map.mmul(covariance.subMatrix(0, d - 1, 0, d - 1)).mmul(map.transpose()),
  };
}

test('the law of moment matching on normal data comes to the posterior as the square of the steps', async (t) => {
  const sde = vp();
  const model = mixtureModel(gaussian, sde);
  const known = (await checkMeasurement(measurement, [d])) as Known;
  const exact = mixturePosterior(gaussian, { matrix: A, value: values, noise: noise ** 2 });
  const matched = momentMatching(model, await openDenoiser(model, 1), known, 2);
  const errors = [];
  for (const steps of [39, 78]) {
    const law = await lawOf(matched, steps);
    const variances = exact.variances();
    const off = Array.from(variances, (variance, i) => law.covariance.get(i, i) / variance - 1);
    exact.mean().forEach((value, i) => t.true(Math.abs(law.mean.get(i, 0) - value) < 0.02));
    errors.push(Math.max(...off.map(Math.abs)));
  }
  t.log(errors.join(' '));
  t.true(errors[0]! < 0.03, String(errors[0]));
  t.true(errors[0]! / errors[1]! > 3, errors.join(' '));
});

test('pseudoinverse guidance has the exact score for independent data of variance 1', async (t) => {
  const standard = new GaussianMixture({ weights: [1], means: [mean], covariances: [1] });
  const exact = mixturePosterior(standard, { matrix: A, value: values, noise: noise ** 2 });
  const model = mixtureModel(standard, vp());
  const guided = pseudoinverseGuidance(
    model,
    await openDenoiser(model, 1),
    (await checkMeasurement(measurement, [d])) as Known,
  );
  for (const time of [0.05, 0.4, 1]) {
    const truth = exact.at(vp(), time).score(points);
    (await scoreOf(guided, points, time)).forEach((score, i) => {
      t.true(Math.abs(score - truth[i]!) < 1e-4 * (1 + Math.abs(truth[i]!)));
    });
  }
});

async function estimateAt(denoiser: Denoiser, x: Float32Array, rows: RowLevels): Promise<Float64Array> {
  return (await denoiser.device.read((await denoiser.at(x, rows)).estimate)) as Float64Array;
}

async function productAt(denoiser: Denoiser, x: Float32Array, v: Float64Array, rows: RowLevels) {
  const { device } = denoiser;
  const [out, vector] = [device.allocate(x.length, 'double'), device.allocate(x.length, 'double')];
  device.write(vector, v);
  await (await denoiser.at(x, rows)).product(out, vector);
  return (await device.read(out)) as Float64Array;
}

/** J^T v by central differences of the estimate in every direction. */
async function byDifferences(
  denoiser: Denoiser,
  x: Float32Array,
  v: Float64Array,
  rows: RowLevels,
  h: number,
) {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const [above, below] = [x.slice(), x.slice()];
    above[i]! += h;
    below[i]! -= h;
    const [right, left] = [await estimateAt(denoiser, above, rows), await estimateAt(denoiser, below, rows)];
    out[i] = v.reduce((sum, value, k) => sum + (value * (right[k]! - left[k]!)) / (above[i]! - below[i]!), 0);
  }
  return out;
}

test('products with the Jacobian of the estimate are those of its differences, of a mixture and of a network', async (t) => {
  const model = mixtureModel(planar, vp());
  const rows = { levels: [levelAt(model, 0.3)] };
  const [x, v] = [Float32Array.of(0.4, -0.3), Float64Array.of(0.7, -1.1)];
  const denoiser = await openDenoiser(model, 1);
  const expected = await byDifferences(denoiser, x, v, rows, 1e-3);
  (await productAt(denoiser, x, v, rows)).forEach((value, i) =>
    t.true(Math.abs(value - expected[i]!) < 1e-4),
  );

  const network = await loadModel(embeddedModel('vp'), { threads: 1 });
  t.teardown(() => network.close());
  const digit = Float32Array.from({ length: 784 }, (_, i) => Math.sin(i) * Math.cos(i * i));
  const at = { levels: [levelAt(network, 0.4)] };
  const w = Float64Array.from(digit, (_, i) => Math.cos(3 * i));
  const own = await openDenoiser(network, 1);
  t.teardown(() => own.close());
  const product = await productAt(own, digit, w, at);
  // Along one direction: J w' times w.
  const direction = Float64Array.from(digit, (_, i) => Math.sin(2 * i * i));
  const estimate = async (h: number) => {
    const moved = digit.map((value, i) => value + h * direction[i]!);
    return estimateAt(own, moved, at);
  };
  const [right, left] = [await estimate(0.01), await estimate(-0.01)];
  const numeric = w.reduce((sum, value, i) => sum + (value * (right[i]! - left[i]!)) / 0.02, 0);
  const exact = direction.reduce((sum, value, i) => sum + value * product[i]!, 0);
  t.true(Math.abs(exact - numeric) < 0.01 * Math.abs(numeric) + 0.02, `${exact} ${numeric}`);
});

test('samples of moment matching follow the posterior of normal data; a sample has its bits in any batch', async (t) => {
  const model = mixtureModel(gaussian, vp());
  const run = { method: 'mmps', count: 600, batch: 600, iterations: 2 } as const;
  const { samples, options, counts } = await restore(model, measurement, run);
  t.like(options, { method: 'mmps', iterations: 2, predictor: 'dpmpp-2m-sde', steps: 39 });
  t.is(counts.networks['derivative'], 2 * (counts.score + counts.denoise));
  const truth = mixturePosterior(gaussian, { matrix: A, value: values, noise: noise ** 2 });
  for (let axis = 0; axis < d; axis++) {
    const own = moments(samples.filter((_, i) => i % d === axis));
    const deviation = Math.sqrt(truth.variances()[axis]!);
    t.true(
      Math.abs(own.mean - truth.mean()[axis]!) < (4 * deviation) / Math.sqrt(600),
      `${axis}: ${own.mean}`,
    );
    t.true(Math.abs(own.std / deviation - 1) < 0.12, `${axis}: ${own.std} for ${deviation}`);
  }
  for (const method of ['mmps', 'pigdm', 'dps'] as const) {
    const several = { ...measurement, values: Float64Array.of(0.7, -0.9, 0.1, 0.2, -0.4, 0.3) };
    const short = { method, steps: 6, count: 5 };
    const all = await restore(model, several, short);
    const split = await restore(model, several, { ...short, batch: 2 });
    t.deepEqual(split.samples, all.samples, method);
  }
});

test('diffusion posterior sampling goes down the gradient of the norm of each residual', async (t) => {
  // One step from T to a level: what zeta adds to it.
  const model = mixtureModel(planar, vp());
  const initial = { operator: matrixOperator([[1, -0.5]]), values: Float64Array.of(2) };
  const draw = async (zeta: number) => {
    const run = { method: 'dps', zeta, grid: [1, 0.3, 0.2], denoise: 'none' } as const;
    return (await restore(model, initial, { ...run, count: 1, seed: 3 })).samples;
  };
  const [none, some, more] = [await draw(0), await draw(0.01), await draw(0.02)];
  const change = (samples: Float32Array) => Array.from(samples, (value, i) => value - none[i]!);
  t.true(change(some).some((value) => Math.abs(value) > 1e-4));
  change(more).forEach((value, i) =>
    t.true(Math.abs(value - 2 * change(some)[i]!) < 0.1 * Math.abs(value) + 1e-4),
  );
  // It brings the measurement nearer.
  const far = await draw(0);
  const near = await draw(1);
  const residual = (x: Float32Array) => Math.abs(x[0]! - 0.5 * x[1]! - 2);
  t.true(residual(near) < residual(far));
});

test('what these methods cannot do is refused', async (t) => {
  const model = gaussianModel(vp(), { shape: [2] });
  const known = { operator: inpainting([1, 0], [2]), values: new Float32Array(2) };
  const refused = async (given: ScoreModel, options: object, option: string, message: RegExp) => {
    const error = await t.throwsAsync(restore(given, known, options), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  };
  await refused(model, { method: 'mmps' }, 'method', /cannot be differentiated/);
  const exact = mixtureModel(planar, vp());
  await refused(exact, { method: 'mmps', solver: 'rk45' }, 'solver', /on a grid/);
  await refused(exact, { method: 'mmps', iterations: 0 }, 'iterations', /from 1 to 1000/);
  await refused(exact, { method: 'dps', zeta: -1 }, 'zeta', /at least 0/);
  await refused(exact, { method: 'dps', predictor: 'heun' }, 'predictor', /left out/);
});
