// Draws from the exact denoisers of test/fixtures/models, each in a convention of its own, and prints the standard deviation of the means of
// pictures beside that of the data: what a wrong reading changes first.
//
//   npx tsc -p tsconfig.json && node scripts/conventions/deviations.mjs
import { levelAt } from '../../.test-build/src/sde/level.js';
import { sample } from '../../.test-build/src/sampling/sample.js';
import { loadModel } from '../../.test-build/src/score/network/load.js';
import { PIXELS, fixture, signed, unsigned } from '../../.test-build/test/support/gaussian-image.js';

const COUNT = 2000;
const flow = { sde: 'flow', parameterization: 'x0', labels: 't' };
const files = [
  ['vp-eps', {}, signed],
  ['vp-v', {}, signed],
  ['vp-x0', {}, signed],
  ['vp-float16', {}, signed],
  ['vp-variance', {}, signed],
  ['ddpm', { sde: 'vp', parameterization: 'eps', labels: 'index' }, signed],
  ['edm', {}, signed],
  ['flow', {}, signed],
  ['rectified', flow, signed],
  ['ve-score', { sde: 've', parameterization: 'score', labels: 'sigma' }, unsigned],
  ['smld', {}, unsigned],
];

/** Standard deviation of the means of pictures. */
function deviation(samples) {
  const means = Array.from({ length: COUNT }, (_, k) =>
    samples.subarray(k * PIXELS, (k + 1) * PIXELS).reduce((sum, value) => sum + value / PIXELS, 0),
  );
  const mean = means.reduce((sum, value) => sum + value / COUNT, 0);
  return Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2 / COUNT, 0));
}

console.log('| network | data | ODE from the prior, exactly | `rk45` | default | standard error |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const [name, options, { a, s }] of files) {
  const model = await loadModel(fixture(name), options);
  const data = Math.sqrt(a ** 2 + s ** 2 / PIXELS);
  // The ODE scales a Gaussian mode by the ratio of its deviations; the prior has that of the noise alone.
  const { alpha, sigma } = levelAt(model, model.sde.T, model.ladder && model.ladder.levels - 1);
  const own = Math.sqrt((alpha * data) ** 2 + sigma ** 2 / PIXELS);
  const exact = (data * model.sde.priorSigma) / Math.sqrt(PIXELS) / own;
  const draws = [];
  for (const choice of [{ solver: 'rk45' }, {}]) {
    const { samples } = await sample(model, { count: COUNT, seed: 3, ...choice });
    draws.push(deviation(samples));
  }
  const cells = [data, exact, ...draws, data / Math.sqrt(2 * COUNT)].map((value) => value.toFixed(3));
  console.log(`| ${name} | ${cells.join(' | ')} |`);
  await model.close();
}
