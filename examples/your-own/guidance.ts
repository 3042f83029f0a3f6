// A model made of two: classifier guidance, s + scale grad log p(y | x) (Song et al. 2021, equation 14). The classifier is
// exact here, so that scale 1 draws from the class: any solver, corrector or likelihood takes such a model.
//
//   node --experimental-strip-types examples/your-own/guidance.ts     (Node 22)
import {
  GaussianMixture,
  mixtureModel,
  sample,
  vp,
  withEvaluate,
  type Level,
  type ScoreModel,
} from 'fastsde';

/** Writes grad_x log p(y | x_t) for every sample. */
type Gradient = (x: Float32Array, levels: readonly Level[], out: Float32Array) => void | Promise<void>;

/** s + scale g = p x + q (F + scale / q g): the guided score has the parameterization of the model. */
function guided(model: ScoreModel, gradient: Gradient, scale: number): ScoreModel {
  const evaluate: ScoreModel['evaluate'] = async (x, levels, output) => {
    const g = new Float32Array(x.length);
    await model.evaluate(x, levels, output);
    await gradient(x, levels, g);
    const d = x.length / levels.length;
    const factors = levels.map((level) => scale / model.coefficients(level).output);
    for (let i = 0; i < x.length; i++) output[i]! += factors[Math.floor(i / d)]! * g[i]!;
  };
  return withEvaluate(model, evaluate, () => ({ network: 1, classifier: 1 }));
}

const spec = { weights: [0.5, 0.5], means: [[-0.6], [0.5]], covariances: [0.04, 0.09] };
const model = mixtureModel(new GaussianMixture(spec), vp(), { conditional: true });
const second: Gradient = async (x, levels, out) => {
  const all = new Float32Array(x.length);
  await model.evaluate(x, levels, all);
  await model.evaluate(x, levels, out, new Int32Array(levels.length).fill(1));
  for (let i = 0; i < x.length; i++) out[i]! -= all[i]!;
};
const run = { count: 4000, batch: 4000, solver: 'heun', steps: 100, grid: 'uniform-lambda' } as const;
const { samples, counts } = await sample(guided(model, second, 1), run);
const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
console.log(JSON.stringify({ mean, variance, networks: counts.networks }));
