import test, { type ExecutionContext } from 'ava';

import { Stream } from '../../src/device/binding.js';
import { fillNormal } from '../../src/device/kernels.js';
import { sdeFromName } from '../../src/sde/named.js';
import { objective } from '../../src/training/objective.js';
import { simulatedNoise } from '../../src/training/simulation.js';
import { timesOf, type TimesOptions } from '../../src/training/times.js';
import type { ModelDescription } from '../../src/score/network/description.js';
import { gaussianNetwork, meanOf, numbers, runTraining } from '../support/training-networks.js';

const address = { seed: 8n, step: 2, first: 0 };

function draw(name: 'vp' | 'subvp' | 've' | 'edm', options: TimesOptions, rows: number, sigmaData = 0.5) {
  const sde = sdeFromName(name);
  return { sde, ...timesOf({ sde, sigmaData } as ModelDescription, options)(rows, address) };
}

/** The integral of f over [a, b], by Simpson's rule in ln t, where the densities are smooth. */
function integral(f: (t: number) => number, a: number, b: number): number {
  const n = 4000;
  const h = Math.log(b / a) / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    const t = a * Math.exp(i * h);
    sum += (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * f(t) * t;
  }
  return (sum * h) / 3;
}

/** Kolmogorov and Smirnov: the largest distance from the distribution function, checked at some times, in units of 1 / sqrt(n). */
function checkLaw(t: ExecutionContext, times: Float64Array, cdf: (time: number) => number): void {
  const sorted = times.slice().sort();
  const n = sorted.length;
  for (let i = 50; i < n; i += Math.floor(n / 40)) {
    const distance = Math.abs(cdf(sorted[i]!) - (i + 0.5) / n) * Math.sqrt(n);
    t.true(distance < 2.7, `at ${sorted[i]!} the distance is ${distance}`); // passed once in 1e6
  }
}

for (const [name, Z] of [
  ['vp', 23.864472],
  ['subvp', 37.678946],
  ['ve', 2 * (1 - 1e-5) * Math.log(5000)],
] as const) {
  test(`importance times of ${name} have the density g^2 / (Z sigma^2) with Z = ${Z}`, (t) => {
    const { sde, t: times, weight } = draw(name, { times: 'importance' }, 100000);
    const rate = (time: number) => (sde.diffusion(time) / sde.sigma(time)) ** 2;
    const total = integral(rate, 1e-5, 1);
    t.true(Math.abs(total / Z - 1) < 1e-6);
    weight.subarray(0, 100).forEach((each, i) => {
      t.true(Math.abs((each * rate(times[i]!) * (1 - 1e-5)) / Z - 1) < 1e-6);
    });
    checkLaw(t, times, (time) => integral(rate, 1e-5, time) / total);
  });

  test(`uniform times of ${name} are uniform on [1e-5, 1]`, (t) => {
    const { t: times, weight } = draw(name, {}, 100000);
    checkLaw(t, times, (time) => time);
    t.true(times.every((time) => time > 1e-5 && time < 1));
    t.true(weight.every((each) => each === 1));
  });
}

test('the EDM SDE has log-normal noise levels, and others can', (t) => {
  const density = (ln: number) => Math.exp(-0.5 * ((ln + 1.2) / 1.2) ** 2) / (1.2 * Math.sqrt(2 * Math.PI));
  for (const name of ['edm', 'vp'] as const) {
    const { sde, t: times } = draw(name, { times: 'log-normal' }, 100000);
    const rho = times.map((time) => Math.exp(-sde.lambda(time)));
    checkLaw(t, rho, (level) => integral((r) => density(Math.log(r)) / r, 1e-6, level));
  }
  t.deepEqual(draw('edm', {}, 10).t, draw('edm', { times: 'log-normal' }, 10).t);
});

test('no log-normal time has a mass of its own, however much of the law lies outside', (t) => {
  // sub-VP from lambda(1e-3) down: about a tenth of the law is outside.
  const options = { times: 'log-normal', logMean: -3.4, trainingEpsilon: 1e-2 } as const;
  const { sde, t: times } = draw('vp', options, 100000);
  t.is(new Set(times).size > 99000, true);
  t.true(times.every((time) => time > 1e-2 && time < 1));
  const least = Math.exp(-sde.lambda(1e-2));
  const density = (r: number): number => Math.exp(-0.5 * ((Math.log(r) + 3.4) / 1.2) ** 2) / r;
  const all = integral(density, least, 1) + integral(density, 1, Math.exp(-sde.lambda(1)));
  const rho = times.map((time) => Math.exp(-sde.lambda(time)));
  checkLaw(t, rho, (level) => integral(density, least, level) / all);
  t.deepEqual(draw('vp', options, 10).t, times.slice(0, 10));
  t.throws(() => draw('vp', { times: 'log-normal', logMean: 40 }, 1), { message: /^logMean must be a mean/ });
});

test('log-normal noise levels are in proportion to the data', (t) => {
  const levels = (scale: number): Float64Array => {
    const { sde, t: times } = draw('ve', { times: 'log-normal' }, 1000, 0.5 * scale);
    return times.map((time) => sde.sigma(time) / scale);
  };
  const expected = levels(1);
  // But for rows that lay beyond the ends of the SDE on one of the scales, and were drawn again there.
  const others = levels(3).filter((level, i) => Math.abs(level / expected[i]! - 1) > 1e-9);
  t.true(others.length < 30, String(others.length));
});

test('spread times leave no gap much larger than the mean, and are a function of the row', (t) => {
  for (const rows of [10, 128, 1000]) {
    const { t: times } = draw('vp', { spread: true }, rows);
    const sorted = Array.from(times).sort((a, b) => a - b);
    const gaps = sorted.map((time, i) => time - (sorted[i - 1] ?? 0));
    t.true(Math.max(...gaps, 1 - sorted.at(-1)!) < 2 / rows);
    t.deepEqual(draw('vp', { spread: true }, 5).t, times.slice(0, 5));
  }
});

test('importance times change the variance of the likelihood-weighted loss, not its expectation', async (t) => {
  const sde = sdeFromName('vp');
  const [data, assumed, epsilon] = [0.49, 0.3, 1e-3];
  const x0 = new Float32Array(2 * 40000);
  fillNormal(x0, 40000, { seed: 4n, samples: 0, step: 0, stream: Stream.data });
  for (let i = 0; i < x0.length; i++) x0[i]! *= Math.sqrt(data);
  const model = gaussianNetwork('vp', 'eps', assumed);
  // E |s - s*|^2 per element, for s = -x / tau.
  const exact = integral(
    (time) => {
      const [alpha, sigma] = [sde.alpha(time), sde.sigma(time)];
      const tau = alpha ** 2 * assumed + sigma ** 2;
      return sde.diffusion(time) ** 2 * ((alpha ** 2 * data) / tau ** 2 + (1 / sigma - sigma / tau) ** 2);
    },
    epsilon,
    1,
  );
  const errors = [];
  for (const times of ['uniform', 'importance'] as const) {
    const goal = objective(model, { times, weighting: 'likelihood', trainingEpsilon: epsilon });
    const { tensors } = goal.feeds({ x0, first: 0, step: 0, seed: 3n });
    const losses = numbers((await runTraining(await goal.trainingGraph(), model, tensors))['losses']);
    const { mean, error } = meanOf(losses);
    t.true(Math.abs(mean - exact / (1 - epsilon)) < 5 * error, `${times}: ${mean} +- ${error}, not ${exact}`);
    errors.push(error);
  }
  t.true(errors[1]! < 0.7 * errors[0]!, errors.join(', '));
});

test('simulated paths tend to the Gaussian kernel at first order', (t) => {
  const rows = 3;
  const size = 200000;
  const times = Float64Array.of(0.1, 0.4, 0.8);
  for (const name of ['vp', 'subvp'] as const) {
    const sde = sdeFromName(name);
    const drift = new Map<number, number[]>();
    for (const steps of [20, 40]) {
      const at = (value: number) =>
        simulatedNoise(sde, new Float32Array(rows * size).fill(value), times, steps, address);
      const [rest, moved] = [at(0), at(1)];
      drift.set(
        steps,
        Array.from(times, (_, b) => moved[b * size]! - rest[b * size]!),
      );
      for (let b = 0; b < rows; b++) {
        const row = rest.subarray(b * size, (b + 1) * size);
        const variance = row.reduce((sum, z) => sum + z * z, 0) / size;
        const h = times[b]! / steps;
        let law = 0;
        for (let k = 0; k < steps; k++)
          law = (1 + sde.drift(k * h) * h) ** 2 * law + sde.diffusion(k * h) ** 2 * h;
        law /= sde.sigma(times[b]!) ** 2;
        t.true(Math.abs(law - 1) < 4 / steps);
        t.true(Math.abs(variance / law - 1) < 5 * Math.sqrt(2 / size), `${name}: ${variance}, not ${law}`);
        t.true(Math.abs(meanOf(row.subarray(0, 20000)).mean) < 0.04);
      }
    }
    drift.get(40)!.forEach((error, b) => {
      const ratio = drift.get(20)![b]! / error;
      t.true(
        ratio > 1.7 && ratio < 2.4,
        `${name} at ${times[b]!}: halving the step divides the error by ${ratio}`,
      );
    });
  }
});
