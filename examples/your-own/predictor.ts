// A predictor of one's own: DDIM (Song, Meng and Ermon 2021), which is three scalars.
//
//   node --experimental-strip-types examples/your-own/predictor.ts     (Node 22)
import { GaussianMixture, linearPredictor, mixtureModel, sample, vp } from 'fastsde';

/** x' = alpha' x_0 + sigma' eps, with the estimates x_0 = (x + sigma^2 s) / alpha and eps = -sigma s. */
const ddim = linearPredictor('ddim', ({ from, to }) => ({
  state: to.alpha / from.alpha,
  score: (to.alpha / from.alpha) * from.sigma ** 2 - to.sigma * from.sigma,
  noise: 0,
}));

const mixture = new GaussianMixture({ weights: [1], means: [[0.3, -0.2]], covariances: [0.25] });
const { samples, counts, options } = await sample(mixtureModel(mixture, vp()), {
  ...{ solver: ddim, count: 4000, batch: 4000 },
  ...{ steps: 100, grid: 'uniform-lambda' },
});
const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
const square = samples.reduce((sum, value, i) => sum + (value - (i % 2 ? -0.2 : 0.3)) ** 2, 0);
const std = Math.sqrt(square / samples.length);
console.log(JSON.stringify({ predictor: options['predictor'], score: counts.score, mean, std }));
