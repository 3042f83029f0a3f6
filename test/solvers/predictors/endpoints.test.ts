import test from 'ava';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { spacedTimes } from '../../../src/sde/grid.js';
import { vp } from '../../../src/sde/vp.js';
import type { Described } from '../../../src/solvers/named.js';
import type { PredictorName } from '../../../src/solvers/names.js';
import { planar } from '../../support/planar-mixture.js';
import { carry, stepsAt } from '../../support/walk.js';

const model = mixtureModel(planar, vp());
const ten = () =>
  stepsAt(model, spacedTimes(model.sde, { steps: 10, grid: 'uniform-lambda', epsilon: 1e-3 }));

/** From (1, -1) at t = 1 to 1e-3 in ten steps even in lambda, by an independent implementation in NumPy. */
const endpoints: [Described<PredictorName>, number, number][] = [
  [{ name: 'ddim' }, 0.873472746035, -0.045790648793],
  [{ name: 'dpm-solver-1' }, 0.873472746035, -0.045790648793],
  [{ name: 'dpm-solver-2s' }, 0.991128186466, -0.053681945906],
  [{ name: 'dpmpp-2s' }, 0.946029618876, -0.043672383778],
  [{ name: 'dpm-solver-3s' }, 0.959345973708, -0.046686485116],
  [{ name: 'dpmpp-2m', lowerOrderFinal: false }, 0.974607905551, -0.080438301693],
  [{ name: 'dpmpp-2m' }, 0.969615089683, -0.074347366862],
  [{ name: 'dpmpp-3m', variant: 'published', lowerOrderFinal: false }, 0.954042877855, -0.071480570804],
  [{ name: 'unipc', order: 1, lowerOrderFinal: false }, 0.905327476688, -0.057573259918],
  [{ name: 'unipc', order: 2, lowerOrderFinal: false }, 0.966554295657, -0.078223981773],
  [{ name: 'unipc', order: 3, lowerOrderFinal: false }, 0.92517822069, -0.079467547416],
  [{ name: 'unipc', variant: 'bh1', lowerOrderFinal: false }, 0.925180906378, -0.079476626938],
  [{ name: 'deis', order: 3, lowerOrderFinal: false }, 0.906319236232, -0.058540388701],
];

for (const [method, ...expected] of endpoints) {
  test(`${Object.values(method).join(' ')} has the reference endpoint on the mixture`, async (t) => {
    const batch = await carry(model, Float64Array.of(1, -1), method, ten());
    const x = await batch.read();
    expected.forEach((value, i) => {
      t.true(Math.abs(x[i]! - value) < 1e-10, `${x[i]} against ${value}`);
    });
  });
}
