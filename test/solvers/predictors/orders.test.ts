import test from 'ava';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { edm } from '../../../src/sde/edm.js';
import { spacedTimes } from '../../../src/sde/grid.js';
import { ladderSde } from '../../../src/sde/ladder-sde.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';
import { subvp } from '../../../src/sde/subvp.js';
import { ve } from '../../../src/sde/ve.js';
import { vp } from '../../../src/sde/vp.js';
import { integrateAdaptively } from '../../../src/solvers/ode/adaptive-step.js';
import { ProbabilityFlow } from '../../../src/solvers/ode/probability-flow-ode.js';
import type { Described } from '../../../src/solvers/named.js';
import type { PredictorName } from '../../../src/solvers/names.js';
import { planar } from '../../support/planar-mixture.js';
import { carry, stepsAt } from '../../support/walk.js';

/** Methods for the probability-flow ODE and their orders on a grid even in lambda. */
const orders: [Described<PredictorName>, number][] = [
  [{ name: 'ddim' }, 1],
  [{ name: 'dpm-solver-2s' }, 2],
  [{ name: 'dpmpp-2s' }, 2],
  [{ name: 'dpm-solver-3s' }, 3],
  [{ name: 'dpmpp-3s' }, 3],
  [{ name: 'dpmpp-2m' }, 2],
  [{ name: 'dpmpp-2m', variant: 'taylor' }, 2],
  [{ name: 'dpmpp-3m' }, 3],
  [{ name: 'dpmpp-3m', variant: 'published' }, 2],
  [{ name: 'unipc', order: 1 }, 2],
  [{ name: 'unipc', order: 2 }, 3],
  [{ name: 'deis', order: 2 }, 2],
  [{ name: 'deis', order: 3 }, 3],
  [{ name: 'deis', order: 3, interpolation: 'log-rho' }, 3],
  [{ name: 'edm-heun' }, 2],
  [{ name: 'edm-heun', node: 0.5 }, 2],
  [{ name: 'sa', tau: 0, order: 2, correctorOrder: 0 }, 2],
  [{ name: 'er-sde', tau: 0 }, 3],
];

const ladder = ladderFromName({ name: 'scaled-linear' });
for (const sde of [vp(), subvp(), ve(), edm(), ladderSde(ladder, vp())]) {
  const model = { ...mixtureModel(planar, sde), ladder: sde.ladder };
  const epsilon = sde.name === 'edm' ? 0.002 : 1e-3;
  const starts = Float64Array.from({ length: 64 }, (_, i) => sde.priorSigma * 1.5 * Math.sin(1 + 2.3 * i));

  test(`methods of few evaluations have their orders on ${sde.ladder ? 'a ladder' : sde.name}`, async (t) => {
    const exact = starts.slice();
    const tolerances = { rtol: 1e-12, atol: 1e-12 };
    await integrateAdaptively(new ProbabilityFlow(model), [exact], {
      from: sde.T,
      to: epsilon,
      ...tolerances,
    });
    const error = async (method: Described<PredictorName>, steps: number) => {
      const times = spacedTimes(sde, { steps, grid: 'uniform-lambda', epsilon });
      const x = await (await carry(model, starts, method, stepsAt(model, times))).read();
      return Math.hypot(...exact.map((value, i) => value - x[i]!));
    };
    for (const [method, order] of orders) {
      const slope = Math.log2((await error(method, 128)) / (await error(method, 256)));
      const what = `${JSON.stringify(method)}: ${slope}`;
      t.true(slope > order - 0.2 && slope < order + 0.4, what);
    }
    // With its corrector UniPC of order 3 comes near 4; 3.6 at 512 steps in an independent implementation.
    const slope = Math.log2((await error({ name: 'unipc' }, 128)) / (await error({ name: 'unipc' }, 256)));
    t.true(slope > 3.1, `unipc: ${slope}`);
  });
}
