// What becomes of the law of samples when the noise of rejected steps is drawn anew, as Gotta-Go-Fast was published: after
// "npm run build:ts",
//
//   node scripts/defects/rejections.mjs
//
// Data N(0.3, 0.5^2) in every element of a sample, exact score, 4000 samples, seed 1.

import { edm, GaussianMixture, mixtureModel, sample, vp } from '../../dist/index.js';

const count = 4000;
console.log('| SDE | elements | rtol, atol | reject | mean | standard deviation | its error | evaluations |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const [sde, elements] of [
  [vp(), 1],
  [vp(), 64],
  [edm(), 1],
  [edm(), 2],
]) {
  const means = [new Array(elements).fill(0.3)];
  const model = mixtureModel(new GaussianMixture({ weights: [1], means, covariances: [0.25] }), sde);
  for (const rtol of [0.01, 0.05])
    for (const reject of ['bridge', 'redraw']) {
      const solver = { name: 'ggf', rtol, atol: rtol / 10, reject, denoise: 'none' };
      const { samples, evaluations } = await sample(model, { count, batch: 2000, seed: 1, solver });
      const mean = samples.reduce((sum, x) => sum + x, 0) / samples.length;
      const variance = samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / samples.length;
      const average = evaluations.reduce((sum, n) => sum + n) / count;
      const cells = [mean, Math.sqrt(variance), 0.5 / Math.sqrt(2 * samples.length)].map((x) => x.toFixed(4));
      console.log(
        `| ${[sde.name, elements, `${rtol}, ${rtol / 10}`, reject, ...cells, average.toFixed(0)].join(' | ')} |`,
      );
    }
}
