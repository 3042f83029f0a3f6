import test from 'ava';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { ve } from '../../src/sde/ve.js';
import { predictorNames, solverNames } from '../../src/solvers/names.js';
import { planar } from '../support/planar-mixture.js';

const model = mixtureModel(planar, ve({ sigmaMax: 5 }));
const initial = planar.sample(3, { seed: 2n }).map((value) => 5 * value);

const choices: SampleOptions[] = [
  ...predictorNames.map((solver) =>
    solver === 'none' ? { solver: 'predictor-corrector' as const, steps: 6 } : { solver, steps: 6 },
  ),
  ...solverNames.map((solver): SampleOptions =>
    solver === 'predictor-corrector'
      ? { solver, predictor: 'heun', corrector: 'none', steps: 6 }
      : solver === 'langevin-dynamics'
        ? { solver: { name: solver, stepSize: 1e-3, steps: 5 } }
        : { solver },
  ),
  { solver: 'heun', corrector: 'ald', steps: 6 },
  { solver: { name: 'ddim', eta: 1 }, steps: 6 },
  { solver: { name: 'dpmpp-sde', eta: 0 }, steps: 6 },
  { solver: { name: 'edm-heun', churn: 10 }, steps: 6 },
  { solver: { name: 'sa', tau: 0 }, steps: 6 },
];

test('a result says whether samples are functions of their start, as other seeds show', async (t) => {
  for (const choice of choices) {
    const [one, other] = await Promise.all(
      [1, 2].map((seed) => sample(model, { ...choice, count: 3, initial: Float32Array.from(initial), seed })),
    );
    const equal = one!.samples.every((value, i) => value === other!.samples[i]);
    t.is(one!.deterministic, equal, JSON.stringify(choice));
  }
});
