import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { planOf, sample, type SampleOptions } from '../../src/sampling/sample.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { geometricSigmas, smldLadder } from '../../src/sde/ladder.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { stepsWithin } from '../../src/solvers/budget.js';
import { evaluationsOf } from '../../src/solvers/counts.js';
import { predictorNames } from '../../src/solvers/names.js';
import { gaussianModel } from '../support/gaussian.js';

const gaussian = new GaussianMixture({ weights: [1], means: [[0.3, -0.1]], covariances: [0.25] });
const continuous = mixtureModel(gaussian, vp());
const discrete = gaussianModel(ve(), { change: { ladder: smldLadder(geometricSigmas(30, 0.01, 50)) } });

/** Evaluations that a run of one sample made. */
const counted = async (model: typeof continuous, options: SampleOptions) =>
  evaluationsOf((await sample(model, { count: 1, ...options })).counts);

const several: SampleOptions[] = [
  ...predictorNames.flatMap((solver) =>
    solver === 'none' ? [] : ([1, 2, 17] as const).map((steps) => ({ solver, steps })),
  ),
  ...(['corrector-first', 'predictor-first'] as const).flatMap((sequence) =>
    (['tweedie', 'none'] as const).map((denoise) => ({ sequence, denoise, correctorSteps: 3, steps: 5 })),
  ),
  { predictor: 'none', corrector: 'ald', steps: 4 },
  { predictor: 'none', corrector: 'none', steps: 4 },
  { grid: 'reference', steps: 26 },
  { grid: 'reference', steps: 26, sequence: 'predictor-first' },
  { grid: [1, 0.5, 0.1] },
  { solver: 'heun', corrector: 'ald', denoise: 'none', steps: 4 },
  { solver: { name: 'edm-heun', churn: 10, churnLeast: 0.05, churnMost: 5 }, steps: 12 },
  { solver: { name: 'edm-heun', churn: 10 }, steps: 12, denoise: 'mean' },
  { solver: { name: 'sa', mode: 'pece' }, steps: 9 },
  { solver: { name: 'sa', mode: 'pece', correctorOrder: 0 }, steps: 9 },
  { solver: { name: 'unipc', correctLast: true }, steps: 9 },
  { solver: { name: 'ipndm', analyticalFirst: true }, steps: 9 },
  { solver: 'restart', steps: 20, denoise: 'mean' },
  {
    solver: {
      name: 'restart',
      intervals: [
        { least: 0.002, most: 0.3, steps: 3, times: 2 },
        { least: 1, most: 2, steps: 2, times: 5 },
      ],
    },
    steps: 20,
  },
  // Where the interval is passed at the last step, whose noise is left out.
  {
    solver: { name: 'restart', intervals: [{ least: 0.02, most: 0.3, steps: 3, times: 2 }] },
    steps: 3,
    denoise: 'mean',
  },
  { solver: { name: 'langevin-dynamics', stepSize: 1e-3, steps: 7 } },
];

test('a plan says how many evaluations the run makes', async (t) => {
  for (const options of several)
    t.is(
      planOf(continuous, options).evaluations,
      await counted(continuous, options),
      JSON.stringify(options),
    );
  t.is(planOf(continuous, { solver: 'rk45' }).evaluations, undefined);
});

test('so it does on a trained ladder', async (t) => {
  const options: SampleOptions[] = [
    {},
    { steps: 7, sequence: 'predictor-first' },
    { steps: 7, predictor: 'ancestral', corrector: 'langevin', correctorSteps: 2, denoise: 'tweedie' },
    { solver: 'edm-heun', steps: 6 },
    { solver: { name: 'unipc', correctLast: true }, steps: 6 },
    { solver: 'annealed-langevin' },
    { solver: { name: 'annealed-langevin', stepsPerLevel: 2, denoise: 'none' } },
  ];
  for (const given of options)
    t.is(planOf(discrete, given).evaluations, await counted(discrete, given), JSON.stringify(given));
});

test('a budget pays for the most steps that there are within it', (t) => {
  for (const [perStep, fixed, most] of [
    [1, 0, Infinity],
    [3, 2, Infinity],
    [2, 1, 9],
    [1, -1, Infinity],
  ] as const)
    for (let budget = perStep + Math.max(fixed, 0); budget < 40; budget++) {
      const steps = stepsWithin(budget, (n) => perStep * n + fixed, most);
      t.is(steps, Math.min(Math.floor((budget - fixed) / perStep), most));
    }
});

test('samples are drawn within a budget', async (t) => {
  const budgets: [SampleOptions, steps: number, evaluations: number][] = [
    [{ solver: 'heun', evaluations: 20 }, 9, 19],
    [{ solver: 'dpmpp-2m', evaluations: 10 }, 9, 10],
    [{ solver: 'rk4', evaluations: 40 }, 9, 37],
    [{ solver: { name: 'ipndm', analyticalFirst: true }, evaluations: 5 }, 5, 5],
    [{ correctorSteps: 2, evaluations: 20 }, 6, 19],
    [{ solver: { name: 'predictor-corrector', predictor: 'heun', corrector: 'none', evaluations: 7 } }, 3, 7],
    [{ solver: 'euler', denoise: 'none', evaluations: 1 }, 1, 1],
  ];
  for (const [options, steps, evaluations] of budgets) {
    t.is(planOf(continuous, options).options['steps'], steps, JSON.stringify(options));
    t.is(await counted(continuous, options), evaluations, JSON.stringify(options));
  }
  t.is(planOf(discrete, { solver: 'ancestral', evaluations: 1000 }).options['steps'], 30, 'all levels');
});

test('a budget that pays for nothing, or that nothing can be paid from, is named', (t) => {
  const refused: [SampleOptions, RegExp][] = [
    [
      { solver: 'rk4', evaluations: 4 },
      /^evaluations must be at least 5, which this sampler takes for one step/,
    ],
    [{ grid: 'reference', evaluations: 30 }, /^evaluations must be left out with grid 'reference'/],
    [{ evaluations: 0 }, /^evaluations must be an integer from 1/],
    [{ evaluations: 2.5 }, /^evaluations must be an integer from 1/],
    [{ evaluations: '10' as never }, /^evaluations must be an integer from 1/],
    [{ evaluations: 10, steps: 3 }, /^evaluations must be left out where steps is given/],
    [{ evaluations: 10, grid: [1, 0.5] }, /^evaluations must be left out where grid is an array/],
    [{ evaluations: 10, solver: 'rk45' }, /^evaluations must be left out when solver is given \(rk45\)/],
  ];
  for (const [options, message] of refused) {
    const error = t.throws(() => planOf(continuous, options), { instanceOf: OptionError });
    t.is(error.option, 'evaluations');
    t.regex(error.message, message);
  }
});
