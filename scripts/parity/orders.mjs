// Orders of convergence of our samplers on the mixture and the levels of scripts/parity/orders.py: after "npm run build:ts",
//
//   node scripts/parity/orders.mjs
//
// States are float32 between steps, which leaves errors of some 1e-7.

import { edm, GaussianMixture, mixtureModel, sample, vp } from '../../dist/index.js';

const mixture = new GaussianMixture({
  weights: [0.5, 0.3, 0.2],
  means: [
    [1, 0.5],
    [-0.8, 0.6],
    [0.2, -1.1],
  ],
  covariances: [
    [0.3, 0.1, 0.25],
    [0.2, -0.05, 0.35],
    [0.25, 0, 0.15],
  ].map(([a, b, c]) => [
    [a * a, a * b],
    [a * b, b * b + c * c],
  ]),
});
const points = Float32Array.from({ length: 128 }, (_, i) =>
  i % 2 === 0 ? 1.5 * Math.sin(1 + 1.15 * i) : 1.5 * Math.sin(2.1 + 0.85 * (i - 1)),
);

const steps = [24, 48, 96, 192];
console.log('| SDE | sampler | errors at 24, 48, 96, 192 levels | order |');
console.log('| --- | --- | --- | --- |');
for (const [sde, grid, epsilon, methods] of [
  [
    edm(),
    'karras',
    0.002,
    [
      { name: 'dpmpp-2m' },
      { name: 'dpmpp-3m', variant: 'published' },
      { name: 'dpmpp-3m', variant: 'corrected' },
      { name: 'deis', order: 4, interpolation: 't' },
      { name: 'edm-heun' },
      { name: 'ipndm' },
    ],
  ],
  [
    vp(),
    'uniform-lambda',
    1e-3,
    [
      { name: 'dpmpp-2m' },
      { name: 'dpmpp-3m', variant: 'published' },
      { name: 'dpmpp-3m', variant: 'corrected' },
      { name: 'dpmpp-3s' },
      { name: 'unipc', order: 2 },
      { name: 'unipc', order: 3 },
      { name: 'deis', order: 3 },
      { name: 'ipndm' },
    ],
  ],
]) {
  const model = mixtureModel(mixture, sde);
  const level = Math.hypot(sde.alpha(sde.T), sde.sigma(sde.T));
  const options = { count: 64, initial: points.map((x) => level * x), denoise: 'none', epsilon };
  const reference = await sample(model, {
    ...{ count: options.count, initial: options.initial },
    solver: { name: 'rk45', rtol: 1e-10, atol: 1e-10, epsilon, denoise: 'none' },
  });
  for (const method of methods) {
    const errors = [];
    for (const count of steps) {
      const { samples } = await sample(model, { ...options, solver: method, grid, steps: count });
      const squares = samples.map((x, i) => (x - reference.samples[i]) ** 2);
      errors.push(Math.sqrt(squares.reduce((sum, x) => sum + x) / squares.length));
    }
    const order = Math.log2(errors[2] / errors[3]).toFixed(2);
    const list = errors.map((error) => error.toExponential(1)).join(' ');
    console.log(`| ${sde.name} | ${Object.values(method).join(' ')} | ${list} | ${order} |`);
  }
}
