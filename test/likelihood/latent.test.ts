import test from 'ava';
import { IntegrationError, OptionError } from '../../src/errors.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { edm } from '../../src/sde/edm.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { decode, encode, interpolate, slerp } from '../../src/likelihood/latent.js';
import { gaussianModel } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const tight = { rtol: 1e-7, atol: 1e-7 };

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0);

for (const sde of [vp(), subvp(), ve(), edm()]) {
  test(`decoding undoes encoding under ${sde.name}`, async (t) => {
    const model = mixtureModel(planar, sde);
    const x = planar.sample(12, { seed: 5n });
    const { values, shape } = await encode(model, x, tight);
    t.deepEqual(shape, [12, 2]);
    // In the prior's unit, for VE too.
    t.true(values.every((z) => Math.abs(z) < 5));
    const back = await decode(model, values, tight);
    t.true(largest(back.values, x) < 1e-5, String(largest(back.values, x)));
  });
}

test('the codes of Gaussian data are the data standardised', async (t) => {
  // The flow is linear: x_T = alpha_T m + sqrt(c_T / c_eps) (x - alpha_eps m) with c = alpha^2 v + sigma^2.
  const sde = vp();
  const [m, v] = [0.3, 0.04];
  const model = mixtureModel(new GaussianMixture({ weights: [1], means: [[m]], covariances: [[v]] }), sde);
  const x = Float64Array.of(-0.2, 0.1, 0.9);
  const { values } = await encode(model, x, { rtol: 1e-9, atol: 1e-9 });
  const c = (t: number) => sde.alpha(t) ** 2 * v + sde.sigma(t) ** 2;
  const expected = x.map(
    (value) => sde.alpha(1) * m + Math.sqrt(c(1) / c(1e-5)) * (value - sde.alpha(1e-5) * m),
  );
  t.true(largest(values, expected) < 1e-7);
});

test('the codes of a mixture are standard normal', async (t) => {
  const model = mixtureModel(planar, vp());
  const { values } = await encode(model, planar.sample(400), { rtol: 1e-3, atol: 1e-3 });
  const mean = values.reduce((sum, z) => sum + z, 0) / values.length;
  const variance = values.reduce((sum, z) => sum + z * z, 0) / values.length - mean ** 2;
  t.true(Math.abs(mean) < 5 / Math.sqrt(800) && Math.abs(variance - 1) < 5 * Math.sqrt(2 / 800));
});

test('two models of the same data agree on its codes', async (t) => {
  // As functions of the data the codes are determined by the true score, up to what the SDE does to it.
  const x = planar.sample(100, { seed: 8n });
  const fine = { rtol: 1e-4, atol: 1e-4 };
  const a = (await encode(mixtureModel(planar, vp()), x, fine)).values;
  const b = (await encode(mixtureModel(planar, vp({ beta1: 12 })), x, fine)).values;
  const dot = (u: Float64Array, w: Float64Array) => u.reduce((sum, value, i) => sum + value * w[i]!, 0);
  t.true(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)) > 0.98);
});

test('bytes are placed in the data range as in training', async (t) => {
  const model = gaussianModel(ve({ dataRange: [0, 1] }), { shape: [2] });
  const bytes = await encode(model, Uint8Array.of(0, 255));
  const floats = await encode(model, Float32Array.of(0, 1));
  t.deepEqual(bytes.values, floats.values);
});

test('a code does not depend on batch size', async (t) => {
  const model = mixtureModel(planar, vp());
  const x = planar.sample(7);
  t.deepEqual((await encode(model, x, { batch: 2 })).values, (await encode(model, x)).values);
});

test('an interpolation starts and ends at the data', async (t) => {
  const model = mixtureModel(planar, ve());
  const from = planar.sample(3);
  const to = planar.sample(3, { first: 10 });
  const fractions: number[] = [];
  const { values, shape } = await interpolate(model, from, to, {
    ...tight,
    points: 5,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  t.deepEqual(shape, [3, 5, 2]);
  for (let i = 0; i < 3; i++) {
    t.true(largest(values.subarray(10 * i, 10 * i + 2), from.subarray(2 * i)) < 1e-5);
    t.true(largest(values.subarray(10 * i + 8, 10 * i + 10), to.subarray(2 * i)) < 1e-5);
  }
  t.true(fractions.every((value, k) => k === 0 || value >= fractions[k - 1]!));
  t.is(fractions.at(-1), 1);
});

test('slerp keeps to the circle, and joins one direction by a line', (t) => {
  const a = Float64Array.of(3, 0);
  const middle = slerp(a, Float64Array.of(0, 3), 0.5);
  t.true(largest(middle, [3 * Math.SQRT1_2, 3 * Math.SQRT1_2]) < 1e-15);
  t.true(largest(slerp(a, Float64Array.of(6, 0), 0.25), [3.75, 0]) < 1e-15);
  t.deepEqual(slerp(a, Float64Array.of(0, 5), 0), a);
});

test('a lower temperature draws samples towards the centre', async (t) => {
  const sde = vp();
  const model = gaussianModel(sde, { shape: [4], mean: 0, std: 0.5 });
  const z = Float64Array.of(1, -1, 0.5, 2);
  const full = await decode(model, z);
  const cool = await decode(model, z, { temperature: 0.5 });
  t.true(
    largest(
      cool.values,
      full.values.map((value) => 0.5 * value),
    ) < 1e-3,
  );
});

test('an integration that cannot go on names the sample and the time', async (t) => {
  const model = gaussianModel(vp(), {
    change: {
      evaluate(x, _, output) {
        // Steeper than any step resolves once x passes 0.5.
        x.forEach((value, i) => (output[i] = value > 0.5 ? 1e30 * Math.sin(1e30 * value) : -4 * value));
      },
    },
  });
  const error = await t.throwsAsync(encode(model, Float64Array.of(0.1, 0.2, 0.49, 2)), {
    instanceOf: IntegrationError,
  });
  t.is(error.sample, 1);
  t.regex(error.message, /sample 1 cannot go on from t = .* rtol 0.00001/);
});

test('data and codes that do not fit are refused', async (t) => {
  const model = mixtureModel(planar, vp());
  const two = new Float64Array(2);
  const cases: [Promise<unknown>, string][] = [
    [encode(model, new Float64Array(3)), 'data'],
    [decode(model, new Float64Array(3)), 'latents'],
    [decode(model, Float64Array.of(1, Infinity)), 'latents[1]'],
    [decode(model, two, { temperature: -1 }), 'temperature'],
    [interpolate(model, two, new Float64Array(4)), 'to'],
    [interpolate(model, two, two, { points: 1 }), 'points'],
    [encode(model, two, { epsilon: 0 }), 'epsilon'],
    [encode(model, two, { classLabel: 1 }), 'classLabel'],
  ];
  for (const [run, option] of cases) {
    t.is((await t.throwsAsync(run, { instanceOf: OptionError })).option, option);
  }
});
