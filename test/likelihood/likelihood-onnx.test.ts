import test from 'ava';
import { ModelError } from '../../src/errors.js';
import type { Elements } from '../../src/device/device.js';
import { fillNormal } from '../../src/device/kernels.js';
import { Queue } from '../../src/device/queue.js';
import { Stream } from '../../src/device/binding.js';
import { scoreDerivative, type DerivativeMethod } from '../../src/score/derivative.js';
import type { ScoreModel } from '../../src/score/model.js';
import { loadModel } from '../../src/score/network/load.js';
import { LogDensityFlow } from '../../src/solvers/ode/log-density-ode.js';
import { ProbabilityFlow } from '../../src/solvers/ode/probability-flow-ode.js';
import { decode, encode } from '../../src/likelihood/latent.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { fixture, PIXELS, signed, unsigned, type GaussianImage } from '../support/gaussian-image.js';

/** Eigenvalues of the covariance of x_t: of the common brightness, and of every other direction. */
function spectrum({ a, s }: GaussianImage, model: ScoreModel, t: number): { common: number; rest: number } {
  const alpha = model.sde.alpha(t);
  const rest = (alpha * s) ** 2 + model.sde.sigma(t) ** 2;
  return { common: rest + PIXELS * (alpha * a) ** 2, rest };
}

function exactLogDensity(x: Float64Array, data: GaussianImage, model: ScoreModel, t: number): number {
  const { common, rest } = spectrum(data, model, t);
  const centred = x.map((value) => value - model.sde.alpha(t) * data.mean);
  const along = centred.reduce((sum, value) => sum + value, 0) ** 2 / PIXELS;
  const across = centred.reduce((sum, value) => sum + value ** 2, 0) - along;
  const determinant = Math.log(common) + (PIXELS - 1) * Math.log(rest);
  return -0.5 * (PIXELS * Math.log(2 * Math.PI) + determinant + along / common + across / rest);
}

function images({ mean, a, s }: GaussianImage, count: number): Float64Array {
  const z = new Float64Array(count * (PIXELS + 1));
  fillNormal(z, count, { seed: 4n, samples: 0, step: 0, stream: Stream.data });
  return Float64Array.from({ length: count * PIXELS }, (_, e) => {
    const i = Math.floor(e / PIXELS);
    const own = z.subarray(i * (PIXELS + 1), (i + 1) * (PIXELS + 1));
    return mean + a * own[PIXELS]! + s * own[e % PIXELS]!;
  });
}

const networks: [string, GaussianImage, DerivativeMethod, number][] = [
  ['vp-eps', signed, 'vjp', 1e-5],
  ['vp-v', signed, 'vjp', 1e-5],
  ['vp-x0', signed, 'vjp', 1e-5],
  ['vp-batch4', signed, 'vjp', 1e-5],
  ['edm', signed, 'vjp', 1e-5],
  ['ve-score', unsigned, 'vjp', 1e-5],
  ['vp-eps', signed, 'central-difference', 1e-3],
  ['edm', signed, 'central-difference', 1e-3],
];

for (const [name, data, method, tolerance] of networks) {
  test(`the trace of ${name} by ${method} is that of the exact Jacobian`, async (t) => {
    const says =
      name === 've-score' ? ({ sde: 've', parameterization: 'score', labels: 'sigma' } as const) : {};
    const model = await loadModel(fixture(name), { probe: false, ...says });
    const derivative = await scoreDerivative(model, method);
    const device = new Queue();
    const flow = new ProbabilityFlow(model, { device });
    const ode = new LogDensityFlow(flow, derivative, 'exact');
    const times = Float64Array.from([0.1, 0.4, 0.9], (share) => share * model.sde.T);
    const x = images(data, 3);
    const [y, slope, zeros, rates] = [x.length, x.length, 3, 3].map((length) =>
      device.allocate(length, 'double'),
    ) as [Elements, Elements, Elements, Elements];
    device.write(y, x);
    await ode.derivative(times, [y, zeros], [slope, rates], Int32Array.of(0, 1, 2));
    const found = await device.read(rates);
    times.forEach((time, i) => {
      const { common, rest } = spectrum(data, model, time);
      const trace = -(1 / common + (PIXELS - 1) / rest);
      const expected = (-(model.sde.diffusion(time) ** 2) * trace) / (2 * PIXELS);
      t.true(Math.abs(found[i]! / expected - 1) < tolerance, `${found[i]} against ${expected} at ${time}`);
    });
    await device.close();
    await model.close();
  });
}

test('a network has the density of its data, by either derivative', async (t) => {
  const model = await loadModel(fixture('vp-eps'), { probe: false, batch: 4 });
  const x = images(signed, 4);
  const exact = [0, 1, 2, 3].map((i) =>
    exactLogDensity(x.subarray(i * PIXELS, (i + 1) * PIXELS), signed, model, 1e-3),
  );
  const nats = PIXELS * Math.LN2;
  for (const derivative of ['vjp', 'central-difference'] as const) {
    const options = { derivative, probes: 6, epsilon: 1e-3, bins: 256 };
    const result = await likelihood(model, Float32Array.from(x), options);
    t.is(result.derivative.method, derivative);
    t.is(result.offset, 7);
    exact.forEach((value, i) => {
      const error = Math.abs(result.logDensity[i]! - value) / nats;
      t.true(error < 5 * result.standardError![i]! + (result.derivative.error?.[i] ?? 0) + 1e-3, `${error}`);
    });
    if (derivative === 'vjp') t.is(result.counts.score, 0);
  }
  await model.close();
});

test('a network of trained levels has the density, the codes and the samples of its data', async (t) => {
  const says = { sde: 'vp', parameterization: 'eps', labels: 'index' } as const;
  const model = await loadModel(fixture('ddpm'), { ...says, probe: false });
  const x = images(signed, 3);
  const { epsilon, T } = model.sde;
  const { logDensity, options, warnings } = await likelihood(model, x, { trace: 'exact' });
  for (let i = 0; i < 3; i++) {
    const own = x.subarray(i * PIXELS, (i + 1) * PIXELS);
    const error = logDensity[i]! - exactLogDensity(own, signed, model, epsilon);
    // Between its levels the network is that of the nearest one.
    t.true(Math.abs(error) < 0.05, `nats ${error}`);
  }
  t.is(options['betweenLevels'], 'nearest');
  t.regex(warnings.join(), /between two of its 1000 levels it is evaluated at the nearer one/);
  const codes = await encode(model, x);
  const [start, end] = [spectrum(signed, model, epsilon), spectrum(signed, model, T)];
  for (let i = 0; i < 3; i++) {
    const own = x
      .subarray(i * PIXELS, (i + 1) * PIXELS)
      .map((value) => value - model.sde.alpha(epsilon) * signed.mean);
    const common = own.reduce((sum, value) => sum + value, 0) / PIXELS;
    own.forEach((value, j) => {
      const exact =
        model.sde.alpha(T) * signed.mean +
        Math.sqrt(end.common / start.common) * common +
        Math.sqrt(end.rest / start.rest) * (value - common);
      t.true(
        Math.abs(codes.values[i * PIXELS + j]! - exact) < 0.01,
        `${codes.values[i * PIXELS + j]!} for ${exact}`,
      );
    });
  }
  const back = await decode(model, codes.values);
  x.forEach((value, i) => {
    t.true(Math.abs(back.values[i]! - value) < 1e-3);
  });
  await model.close();
});

test('a likelihood under a network run at one batch size has the same bits alone and in any batch', async (t) => {
  const model = await loadModel(fixture('vp-eps'), { probe: false, batch: 4 });
  const x = images(signed, 5);
  const options = { rtol: 1e-3, atol: 1e-3 };
  const all = await likelihood(model, x, options);
  const parts = await likelihood(model, x, { ...options, batch: 2 });
  t.deepEqual(parts.logDensity, all.logDensity);
  const alone = await likelihood(model, x.subarray(3 * PIXELS, 4 * PIXELS), { ...options, first: 3 });
  t.is(alone.logDensity[0], all.logDensity[3]);
  await model.close();
});

test('an operator without a derivative is named, and central differences take its place', async (t) => {
  const model = await loadModel(fixture('vp-eps'), { probe: false });
  const broken = Object.create(model, {
    differentiate: { value: () => Promise.reject(new ModelError('No derivative for Acme.')) },
  }) as ScoreModel;
  const { method, reason } = await scoreDerivative(broken);
  t.deepEqual([method, reason], ['central-difference', 'No derivative for Acme.']);
  await t.throwsAsync(scoreDerivative(broken, 'vjp'), { instanceOf: ModelError });
  await model.close();
});
