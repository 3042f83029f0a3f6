import test from 'ava';
import { labelRule } from '../../src/score/network/labels.js';
import { functionModel } from '../../src/score/function.js';
import { inputScale, parameterizations, scoreCoefficients } from '../../src/score/parameterization.js';
import { levelAt, type Level } from '../../src/sde/level.js';
import type { Sde } from '../../src/sde/sde.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

// Marginals with alpha^2 + sigma^2 = 1 and without.
const marginals = [
  ...[0.001, 0.2, 1].flatMap((t) =>
    [vp(), subvp(), ve()].map((sde) => ({ alpha: sde.alpha(t), sigma: sde.sigma(t) })),
  ),
  { alpha: 1, sigma: 80 },
  { alpha: 0.5, sigma: 0.5 },
];

/** The output that each kind of network has, from x_0 and z, by its definition. */
function outputs(
  x0: number,
  z: number,
  { alpha, sigma }: { alpha: number; sigma: number },
  sigmaData: number,
) {
  const rho = sigma / alpha;
  const total = rho ** 2 + sigmaData ** 2;
  // x0 - c_skip (x0 + rho z), with 1 - c_skip = rho^2 / total.
  const inner = (rho ** 2 * x0 - sigmaData ** 2 * rho * z) / total;
  const out = (rho * sigmaData) / Math.sqrt(total);
  const v = alpha * z - sigma * x0;
  return { score: -z / sigma, eps: z, x0, v, flow: z - x0, 'reversed-flow': x0 - z, edm: inner / out };
}

for (const parameterization of parameterizations) {
  test(`${parameterization} gives back -z / sigma for every alpha and sigma`, (t) => {
    for (const marginal of marginals) {
      for (const [x0, z] of [
        [0.3, -1.2],
        [-0.9, 0.4],
      ] as const) {
        const F = outputs(x0, z, marginal, 0.4)[parameterization];
        const x = marginal.alpha * x0 + marginal.sigma * z;
        const { state, output } = scoreCoefficients(parameterization, marginal, 0.4);
        const score = state * x + output * F;
        // x0 and edm subtract x from what is nearly x: relative to the terms, not to their difference.
        const scale = Math.abs(state * x) + Math.abs(output * F);
        t.true(
          Math.abs(score + z / marginal.sigma) < 1e-12 * scale,
          `${score} at ${JSON.stringify(marginal)}`,
        );
      }
    }
  });
}

test('the input of an EDM network has unit variance for data of variance sigmaData^2', (t) => {
  for (const marginal of marginals) {
    const variance = (marginal.alpha * 0.4) ** 2 + marginal.sigma ** 2;
    t.true(Math.abs(inputScale('edm', marginal, 0.4) ** 2 * variance - 1) < 1e-14);
    t.is(inputScale('eps', marginal), 1);
  }
});

test('a model of trained levels takes alpha and sigma from its ladder', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  // alpha_bar_999 of DDPM (Ho et al. 2020): 4.0358e-5.
  const { alpha, sigma } = levelAt({ sde: vp(), ladder }, 1, 999);
  t.true(Math.abs(alpha ** 2 - 4.0358e-5) < 1e-9);
  t.is(scoreCoefficients('eps', { alpha, sigma }).output, -1 / Math.sqrt(1 - alpha ** 2));
  t.throws(() => levelAt({ sde: vp(), ladder }, 1, 1000), { message: /from 0 .* to 999/ });
});

test('label rules', (t) => {
  const at = (sde: Sde, time: number, index?: number): Level => ({ ...levelAt({ sde }, time), index });
  t.is(labelRule('t*999').label(at(vp(), 0.5), 1000), 499.5);
  t.is(labelRule('t').label(at(vp(), 0.5), 1000), 0.5);
  t.is(labelRule('sigma').label(at(ve(), 1), 1000), 50);
  t.is(labelRule('log-sigma').label(at(ve(), 1), 1000), Math.log(50));
  t.is(labelRule('c-noise').label(at(edm(), 80), 1000), Math.log(80) / 4);
  t.true(Math.abs(labelRule('c-noise').label(at(vp(), 1), 1000) + vp().lambda(1) / 4) < 1e-12);
  t.is(labelRule('dpm-solver').label(at(vp(), 1), 1000), 999);
  t.true(Math.abs(labelRule('dpm-solver').label(at(vp(), 1e-3), 1000)) < 1e-12);
  t.is(labelRule('index').label(at(vp(), 0, 7), 1000), 7);
  t.is(labelRule('reversed-index').label(at(ve(), 0, 0), 232), 231);
  t.is(labelRule('1-t').label(at(flow(), 0.25), 1000), 0.75);
  t.is(labelRule('(1-t)*1000').label(at(flow(), 0.25), 1000), 750);
  t.is(labelRule('1-t*1000').name, '(1-t)*1000');
  t.throws(() => labelRule('sigmas'), { message: /did you mean sigma\?/ });
  t.throws(() => labelRule('t*fast'), { message: /positive number/ });
});

test('a function is a model, synchronous or not', async (t) => {
  const options = { shape: [2], sde: vp() };
  const sync = functionModel({
    ...options,
    evaluate: (x, levels, output) => {
      for (let i = 0; i < x.length; i++) output[i] = levels[i >> 1]!.t - x[i]!;
    },
  });
  const at = (time: number): Level => levelAt(options, time);
  const output = new Float32Array(4);
  t.is(sync.evaluate(Float32Array.of(1, 2, 3, 4), [at(1), at(2)], output), undefined);
  t.deepEqual(output, Float32Array.of(0, -1, -1, -2));
  t.deepEqual(sync.coefficients(at(0.5)), { state: 0, output: 1 });
  const async = functionModel({
    ...options,
    parameterization: 'eps',
    evaluate: async (x, _, output) => {
      await Promise.resolve();
      output.set(x);
    },
  });
  await async.evaluate(Float32Array.of(1, 2), [at(1)], output.subarray(0, 2));
  t.deepEqual(output.subarray(0, 2), Float32Array.of(1, 2));
  t.is(async.coefficients(at(0.5)).output, -1 / vp().sigma(0.5));
  t.throws(() => functionModel({ ...options, shape: [], evaluate: () => undefined }), { message: /shape/ });
  t.throws(() => functionModel({ ...options, parameterization: 'edm' as 'eps', evaluate: () => undefined }), {
    message: /parameterization must be one of score, eps, v, x0/,
  });
});
