// A predictor with a memory: DPM-Solver++(2M) (Lu et al. 2022, algorithm 2). Prints its distance to the exact solution of the
// probability-flow ODE from the same starting points; twice the steps leave a quarter of it.
//
//   node --experimental-strip-types examples/your-own/multistep.ts     (Node 22)
import { GaussianMixture, mixtureModel, rk45, sample, vp, type Predictor } from 'fastsde';

const dpmSolver2M: Predictor = {
  name: 'dpm-solver++(2m)',
  begin(batch) {
    let [now, before] = [batch.like(), batch.like()];
    let last = Infinity;
    return ({ from, to }) => {
      batch.estimate(now);
      const h = to.lambda - from.lambda;
      const w = h / last / 2;
      const c = -to.alpha * Math.expm1(-h);
      batch.combine(batch.x, [batch.x, now, before], [to.sigma / from.sigma, c * (1 + w), -c * w]);
      [now, before, last] = [before, now, h];
    };
  },
};

const weights = [0.3, 0.7];
const means = [[-0.5], [0.6]];
const model = mixtureModel(new GaussianMixture({ weights, means, covariances: [0.02, 0.05] }), vp());
const run = { count: 500, batch: 500 };
const exact = await sample(model, { ...run, solver: rk45({ rtol: 1e-9, atol: 1e-9, denoise: 'none' }) });
for (const steps of [20, 40, 80]) {
  const grid = { steps, grid: 'uniform-lambda', denoise: 'none' } as const;
  const { samples } = await sample(model, { ...run, ...grid, solver: dpmSolver2M });
  const square = samples.reduce((sum, value, i) => sum + (value - exact.samples[i]!) ** 2, 0);
  console.log(JSON.stringify({ steps, distance: Math.sqrt(square / samples.length) }));
}
