import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { customSde } from '../../src/sde/custom.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';

import { ladderFromName } from '../../src/sde/named-ladder.js';
import { sdeFromName } from '../../src/sde/named.js';
import { priorLogDensity } from '../../src/sde/prior.js';
import type { Sde } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

// Computed with mpmath at 50 digits.
const golden = [
  {
    t: 1e-5,
    alpha: 0.99999949950262525,
    vpSigma: 0.0010004971259352383,
    vpLambda: 6.9072577760755595,
    subSigma: 1.0009944990046722e-6,
    subG: 0.0004478807823664056,
    subLambda: 13.814516052648619,
    veSigma: 0.010000851755591461,
    veG: 0.041276250233257105,
  },
  {
    t: 1e-3,
    alpha: 0.99994502651109762,
    vpSigma: 0.010485416335094896,
    vpLambda: 4.5577149327298977,
    subSigma: 0.00010994395572027488,
    subG: 0.0051345020469059437,
    subLambda: 9.1154848404597955,
    veSigma: 0.010085535676775159,
    veG: 0.041625763935383268,
  },
  {
    t: 0.1,
    alpha: 0.94672179882059807,
    vpSigma: 0.32205253552470446,
    vpLambda: 1.078290592942433,
    subSigma: 0.10371783563789103,
    subG: 0.64113774577614799,
    subLambda: 2.2113311858848661,
    veSigma: 0.023436729115920994,
    veG: 0.096729790549785585,
  },
  {
    t: 0.25,
    alpha: 0.72365718508308643,
    vpSigma: 0.69015960362630874,
    vpLambda: 0.047394898535427668,
    subSigma: 0.47632027847762359,
    subG: 1.9191742267251819,
    subLambda: 0.41822729707085534,
    veSigma: 0.084089641525371454,
    veG: 0.34706094745235494,
  },
  {
    t: 0.5,
    alpha: 0.28118288079675238,
    vpSigma: 0.95965420206803625,
    vpLambda: -1.2275677344107873,
    subSigma: 0.92093618754683934,
    subG: 3.1602494492178514,
    subLambda: -1.1863854688215745,
    veSigma: 0.70710678118654752,
    veG: 2.9184230658724306,
  },
  {
    t: 0.75,
    alpha: 0.058663503011880824,
    vpSigma: 0.9982778137444381,
    vpLambda: -2.8342138290768611,
    subSigma: 0.99655859341437505,
    subG: 3.8761865350791239,
    subLambda: -2.8324901581537222,
    veSigma: 5.9460355750136053,
    veG: 24.540914942858821,
  },
  {
    t: 1,
    alpha: 0.006571586494929615,
    vpSigma: 0.99997840689233868,
    vpLambda: -5.0249784066592042,
    subSigma: 0.99995681425093966,
    subG: 4.4721359508292927,
    subLambda: -5.0249568133184083,
    veSigma: 50.0,
    veG: 206.363674024963,
  },
];

const goldenTransitions = [
  {
    from: 0.5,
    to: 0.50000095367431640625,
    retain: 0.99999520779351798,
    vp: 9.5843899987957928e-6,
    subvp: 9.5244777226703325e-6,
    ve: 8.1226943719731556e-6,
    edm: 9.5367522590095177e-7,
  },
  {
    from: 0.0009765625,
    to: 0.0078125,
    retain: 0.9993595029582378,
    vp: 0.0012805838470638958,
    subvp: 1.9139313176290864e-6,
    ve: 1.2556841100771574e-5,
    edm: 6.008148193359375e-5,
  },
  {
    from: 0.25,
    to: 0.875,
    retain: 0.029325528131659847,
    vp: 0.99914001339979923,
    subvp: 0.99890437310885199,
    ve: 297.2947076828684,
    edm: 0.703125,
  },
  {
    from: 0,
    to: 7.62939453125e-6,
    retain: 0.99999961824076319,
    vp: 7.6351832787082214e-7,
    subvp: 5.8296023699465625e-13,
    ve: 1.2997049974602011e-8,
    edm: 5.8207660913467407e-11,
  },
];

/** The VP marginals as a user would give them. */
const integral = (t: number) => 0.1 * t + 0.5 * 19.9 * t * t;
const customVp = customSde({
  alpha: (t) => Math.exp(-0.5 * integral(t)),
  sigma: (t) => Math.sqrt(-Math.expm1(-integral(t))),
});
/** A cosine schedule, whose functions must not be called beyond T. */
const cosine = customSde({
  alpha: (t) => (t > 0.99 ? NaN : Math.cos((Math.PI / 2) * t)),
  sigma: (t) => (t < 0 ? NaN : Math.sin((Math.PI / 2) * t)),
  T: 0.99,
});
const everySde: [string, Sde][] = [
  ['vp', vp()],
  ['vp with other constants', vp({ beta0: 0.05, beta1: 12 })],
  ['subvp', subvp()],
  ['ve', ve()],
  ['ve with other constants', ve({ sigmaMin: 0.02, sigmaMax: 348 })],
  ['edm', edm()],
  ['flow', flow()],
  ['custom vp', customVp],
  ['ladder', ladderSde(ladderFromName({ name: 'linear' }), vp())],
  ['custom cosine', cosine],
];

const relative = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);

test('alpha, sigma, g, lambda match the golden table to 1e-12', (t) => {
  for (const row of golden) {
    const pairs: [number, number][] = [
      [vp().alpha(row.t), row.alpha],
      [vp().sigma(row.t), row.vpSigma],
      [vp().diffusion(row.t), Math.sqrt(0.1 + 19.9 * row.t)],
      [vp().drift(row.t), -0.5 * (0.1 + 19.9 * row.t)],
      [subvp().alpha(row.t), row.alpha],
      [subvp().sigma(row.t), row.subSigma],
      [subvp().diffusion(row.t), row.subG],
      [subvp().lambda(row.t), row.subLambda],
      [ve().sigma(row.t), row.veSigma],
      [ve().diffusion(row.t), row.veG],
      [ve().lambda(row.t), -Math.log(row.veSigma)],
      [edm().sigma(row.t), row.t],
      [edm().diffusion(row.t), Math.sqrt(2 * row.t)],
    ];
    pairs.forEach(([actual, expected], i) => {
      t.true(relative(actual, expected) <= 1e-12, `t = ${row.t}, entry ${i}: ${actual} against ${expected}`);
    });
    t.true(Math.abs(vp().lambda(row.t) - row.vpLambda) <= 1e-12 * Math.max(1, Math.abs(row.vpLambda)));
    t.is(ve().drift(row.t), 0);
  }
});

test('transitions match the golden table to 1e-12, also between close times and from the data', (t) => {
  for (const { from, to, retain, ...spreads } of goldenTransitions) {
    t.true(relative(vp().transition(from, to).retain, retain) <= 1e-12);
    t.true(relative(subvp().transition(from, to).retain, retain) <= 1e-12);
    for (const sde of [vp(), subvp(), ve(), edm()]) {
      const { spread } = sde.transition(from, to);
      const expected = spreads[sde.name as keyof typeof spreads];
      t.true(
        relative(spread, expected) <= 1e-12,
        `${sde.name} ${from} to ${to}: ${spread} against ${expected}`,
      );
    }
  }
});

for (const [name, sde] of everySde) {
  test(`${name}: drift and diffusion are those of the marginals, by central differences`, (t) => {
    for (const u of [0.003, 0.02, 0.1, 0.3, 0.5, 0.8, 0.97]) {
      const time = u * sde.T;
      const h = 1e-4 * time;
      const alphaRate = (sde.alpha(time + h) - sde.alpha(time - h)) / (2 * h);
      const varianceRate = (sde.sigma(time + h) ** 2 - sde.sigma(time - h) ** 2) / (2 * h);
      const f = sde.drift(time);
      const g2 = sde.diffusion(time) ** 2;
      t.true(
        Math.abs(alphaRate - f * sde.alpha(time)) <= 1e-6 * (1 + Math.abs(alphaRate)),
        `alpha at ${time}`,
      );
      const expected = 2 * f * sde.sigma(time) ** 2 + g2;
      t.true(
        Math.abs(varianceRate - expected) <= 1e-6 * (g2 + Math.abs(varianceRate)),
        `variance at ${time}`,
      );
    }
  });

  test(`${name}: timeOfLambda inverts lambda`, (t) => {
    for (const u of [1e-5, 1e-3, 0.1, 0.25, 0.5, 0.75, 0.999, 1]) {
      const time = u * sde.T;
      t.true(Math.abs(sde.timeOfLambda(sde.lambda(time)) - time) <= 1e-12 * sde.T, `t = ${time}`);
    }
  });

  test(`${name}: transitions compose, and carry the marginal at one time to the next`, (t) => {
    const times = [1e-3, 0.02, 0.3, 0.6, 1].map((u) => u * sde.T);
    for (let i = 2; i < times.length; i++) {
      const [a, b, c] = [times[i - 2]!, times[i - 1]!, times[i]!];
      const [ab, bc, ac] = [sde.transition(a, b), sde.transition(b, c), sde.transition(a, c)];
      t.true(relative(bc.retain * ab.retain, ac.retain) <= 1e-12);
      t.true(relative(bc.retain ** 2 * ab.spread + bc.spread, ac.spread) <= 1e-12);
      t.true(relative(bc.retain * sde.alpha(b), sde.alpha(c)) <= 1e-12);
      t.true(relative(bc.retain ** 2 * sde.sigma(b) ** 2 + bc.spread, sde.sigma(c) ** 2) <= 1e-12);
    }
  });
}

test('numerical derivatives of a custom SDE agree with the closed forms', (t) => {
  for (const time of [1e-5, 1e-3, 0.1, 0.5, 0.97, 0.999999, 1]) {
    t.true(Math.abs(customVp.drift(time) - vp().drift(time)) <= 1e-11 * (10 + 1 / time), `drift at ${time}`);
    t.true(relative(customVp.diffusion(time), vp().diffusion(time)) <= 1e-11, `diffusion at ${time}`);
  }
});

test('given derivatives of a custom SDE are used', (t) => {
  const sde = customSde({
    alpha: () => 1,
    sigma: (s) => s,
    alphaDerivative: () => 0,
    sigmaDerivative: () => 1,
  });
  t.is(sde.diffusion(0.5), 1);
  t.is(sde.drift(0.5), 0);
});

test('the prior density is that of N(0, priorSigma^2 I)', (t) => {
  const z = Float64Array.of(0.3, -1.2, 2);
  const square = 0.09 + 1.44 + 4;
  t.true(relative(priorLogDensity(vp(), z), -1.5 * Math.log(2 * Math.PI) - square / 2) <= 1e-15);
  t.true(relative(priorLogDensity(ve(), z), -1.5 * Math.log(2 * Math.PI * 2500) - square / 5000) <= 1e-15);
  // Quadrature over the line: the density of one coordinate integrates to 1.
  let mass = 0;
  for (let i = -4000; i <= 4000; i++)
    mass += 0.01 * Math.exp(priorLogDensity(vp(), Float64Array.of(0.01 * i)));
  t.true(Math.abs(mass - 1) <= 1e-12);
});

test('an SDE is rebuilt from its name and constants', (t) => {
  for (const sde of [
    vp({ beta1: 12, epsilon: 1e-4 }),
    subvp(),
    ve({ sigmaMax: 90 }),
    edm({ sigmaData: 0.4 }),
  ]) {
    const again = sdeFromName(sde.name, sde.constants, sde.dataRange);
    t.deepEqual(again.constants, sde.constants);
    t.deepEqual(again.dataRange, sde.dataRange);
    t.is(again.epsilon, sde.epsilon);
    t.is(again.sigma(0.4), sde.sigma(0.4));
  }
  t.deepEqual(sdeFromName('vp', {}, [0, 1]).dataRange, [0, 1]);
});

test('constants and names that make no SDE are refused with the option named', (t) => {
  const refused: [() => unknown, string, RegExp][] = [
    [() => vp({ beta0: -1 }), 'beta0', /above 0/],
    [() => vp({ beta1: NaN }), 'beta1', /above 0/],
    [() => subvp({ epsilon: 1 }), 'epsilon', /between 0 and T/],
    [() => ve({ sigmaMin: 2, sigmaMax: 1 }), 'sigmaMax', /above 2/],
    [() => edm({ sigmaMax: Infinity }), 'sigmaMax', /finite/],
    [() => vp({ dataRange: [1, -1] }), 'dataRange', /low < high/],
    [() => customSde({ alpha: () => 1, sigma: () => 1 }), 'sigma', /grows/],
    [() => customSde({ alpha: () => NaN, sigma: (s) => s }), 'alpha(0.001)', /above 0/],
    [() => customVp.timeOfLambda(-100), 'lambda', /at least lambda\(T\)/],
    [() => sdeFromName('VP'), 'sde', /vp, subvp, ve, edm, flow \(did you mean vp\?\)/],
    [() => sdeFromName('ve', { beta0: 1 }), 'sde.beta0', /sigmaMin, sigmaMax, epsilon/],
    [() => sdeFromName('vp', { beta0: -1 }), 'sde.beta0', /above 0/],
    [() => sdeFromName('ve', { sigmaMin: 60 }), 'sde.sigmaMax', /above 60/],
    [() => sdeFromName('ve', { sigmaMax: '50' as unknown as number }), 'sde.sigmaMax', /a number/],
  ];
  for (const [make, option, message] of refused) {
    const error = t.throws(make, { instanceOf: OptionError, message });
    t.is(error.option, option);
  }
});
