import test from 'ava';
import { GaussianMixture } from '../../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { sample } from '../../../src/sampling/sample.js';
import { ladderGrid } from '../../../src/sde/grid.js';
import { ddpmLadder, linearBetas } from '../../../src/sde/ladder.js';
import { ve } from '../../../src/sde/ve.js';
import { vp } from '../../../src/sde/vp.js';
import type { Batch } from '../../../src/solvers/batch.js';
import { langevin } from '../../../src/solvers/correctors/langevin.js';
import { gaussianModel, moments } from '../../support/gaussian.js';

test('the default corrector draws a normal law of the plane, where the langevin corrector would not', async (t) => {
  const plane = new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] });
  const model = mixtureModel(plane, vp());
  const run = { count: 2000, batch: 2000, steps: 300, snr: 0.16 };
  const { samples, options, warnings } = await sample(model, run);
  // Two coordinates of 2000 samples: a standard error of 1.1 %.
  t.true(Math.abs(moments(samples).std - 1) < 0.04, String(moments(samples).std));
  t.is(options['corrector'], 'ald');
  t.deepEqual(warnings, []);
  const published = await sample(model, { ...run, corrector: 'langevin' });
  t.true(moments(published.samples).std > 1.5);
  t.regex(published.warnings[0]!, /wrong law in 2 dimensions/);
});

test('alpha in the step is 1 - beta of the trained ladder, however few of its levels are walked', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  const sde = vp();
  for (const steps of [1000, 10]) {
    const [first] = ladderGrid(sde, ladder, { steps });
    let factor = NaN;
    const recorder = { model: { sde, ladder }, langevin: (value: number) => (factor = value) };
    void langevin({ snr: 1 }).begin(recorder as unknown as Batch, [first!])(first!, {
      ...{ seed: 0n, samples: 0, step: 0, stream: 0 },
    });
    // beta_999 of DDPM is 0.02.
    t.true(Math.abs(factor - 2 * 0.98) < 1e-9, `${steps} steps: ${factor}`);
  }
});

test('without a predictor the corrector comes to every level of the exact grid, epsilon too', async (t) => {
  for (const sequence of ['corrector-first', 'predictor-first'] as const) {
    const model = gaussianModel(ve());
    await sample(model, {
      count: 1,
      predictor: 'none',
      corrector: 'ald',
      steps: 4,
      sequence,
      denoise: 'none',
    });
    t.deepEqual(
      model.calls.map((call) => call.t.toFixed(3)),
      ['0.750', '0.500', '0.250', '0.000'],
    );
    t.is(model.calls.at(-1)!.t, model.sde.epsilon);
  }
});
