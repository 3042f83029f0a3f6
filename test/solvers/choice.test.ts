import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { planOf, sample, type SampleOptions } from '../../src/sampling/sample.js';
import { geometricSigmas, smldLadder } from '../../src/sde/ladder.js';
import { ve } from '../../src/sde/ve.js';
import { customSde } from '../../src/sde/custom.js';
import { edm } from '../../src/sde/edm.js';
import { vp } from '../../src/sde/vp.js';
import { withEvaluate } from '../../src/score/wrapped.js';
import { predictorCorrector } from '../../src/solvers/predictor-corrector.js';
import { ald, langevin } from '../../src/solvers/correctors/langevin.js';
import { ancestral } from '../../src/solvers/predictors/ancestral.js';
import { heun } from '../../src/solvers/predictors/runge-kutta.js';
import { rk45 } from '../../src/solvers/ode/rk45.js';
import { gaussianModel } from '../support/gaussian.js';

const model = gaussianModel(ve(), { shape: [6, 6] });
const resolved = (options: SampleOptions) => planOf(model, options).options;

test('a name, a name with options and a value mean the same', (t) => {
  const same: SampleOptions[][] = [
    [{ solver: 'rk45' }, { solver: { name: 'rk45' } }, { solver: rk45() }],
    [
      { predictor: { name: 'ancestral', clip: true } },
      { predictor: ancestral({ clip: true }) },
      { solver: { name: 'ancestral', clip: true }, corrector: 'langevin' },
    ],
    [
      { corrector: 'ald', snr: 0.1, correctorSteps: 2 },
      { corrector: { name: 'ald', snr: 0.1, steps: 2 } },
      { corrector: ald({ snr: 0.1, steps: 2 }) },
    ],
    [{ solver: 'heun' }, { solver: heun() }, { predictor: 'heun', corrector: 'none' }],
  ];
  for (const [first, ...others] of same)
    for (const other of others) t.deepEqual(resolved(other), resolved(first!));
});

test('a solver that is a predictor takes no corrector unless one is given', (t) => {
  t.like(resolved({ solver: 'heun' }), { predictor: 'heun', corrector: 'none', steps: 100 });
  t.like(resolved({ solver: 'heun', corrector: 'langevin', snr: 0.1 }), { corrector: 'langevin', snr: 0.1 });
  t.like(resolved({ solver: 'predictor-corrector' }), {
    predictor: 'reverse-diffusion',
    corrector: 'langevin',
  });
});

test('without a method there are 40 evaluations of one with noise, which walks trained levels too', async (t) => {
  const fast = { predictor: 'dpmpp-2m-sde', corrector: 'none' };
  t.like(resolved({}), { ...fast, steps: 39, grid: 'uniform-lambda', denoise: 'tweedie' });
  t.like(resolved({ steps: 7, grid: 'karras', denoise: 'none' }), { ...fast, steps: 7, grid: 'karras' });
  t.like(resolved({ evaluations: 10 }), { ...fast, steps: 9 });
  t.is((await sample(model, { count: 1 })).counts.networks['network'], 40);
  const ladder = smldLadder(geometricSigmas(232, 0.01, 50));
  const trained = gaussianModel(ve(), { shape: [6, 6], change: { ladder } });
  t.like(planOf(trained, {}).options, { ...fast, steps: 39, grid: 'ladder' });
  t.like(planOf(trained, { corrector: 'langevin' }).options, { steps: 232 });
});

test('an option of predictor-corrector sampling chooses it', (t) => {
  const own: SampleOptions[] = [
    { predictor: 'reverse-diffusion' },
    { corrector: 'langevin' },
    { snr: 0.16 },
    { correctorSteps: 1 },
    { norm: 'sample' },
    { sequence: 'corrector-first' },
  ];
  for (const options of own)
    t.deepEqual(resolved(options), resolved({ solver: 'predictor-corrector' }), JSON.stringify(options));
  t.like(resolved({ grid: 'reference' }), { predictor: 'reverse-diffusion', steps: 1000 });
});

test('options are recorded as they are resolved for the model', (t) => {
  t.like(resolved({ predictor: 'ancestral' }), { variance: 'fixedsmall', clip: false });
  t.deepEqual(Object.keys(resolved({ predictor: 'reverse-diffusion' })).sort(), [
    ...['corrector', 'correctorSteps', 'denoise', 'epsilon', 'grid', 'norm', 'predictor', 'sequence'],
    ...['snr', 'solver', 'steps'],
  ]);
});

const refused: [unknown, string, RegExp][] = [
  [{ cout: 3 }, 'cout', /did you mean count\?/],
  [{ solver: 'rk455' }, 'solver', /did you mean rk45\?/],
  [{ predictor: 'ancestrall' }, 'predictor', /did you mean ancestral\?/],
  [{ solver: 'rk45', steps: 3 }, 'steps', /left out when solver is given \(rk45\)/],
  [{ solver: 'heun', predictor: 'ancestral' }, 'predictor', /a predictor too/],
  [{ solver: { name: 'rk45', steps: 3 } }, 'solver.steps', /rk45 takes rtol, atol/],
  [{ predictor: { name: 'heun', clip: true } }, 'predictor.clip', /heun takes no options/],
  [{ predictor: { name: 'diffusion' } }, 'predictor.name', /one of euler-maruyama/],
  [{ corrector: 'ald', norm: 'batch' }, 'norm', /ald takes snr, steps/],
  [{ corrector: ald(), snr: 0.1 }, 'snr', /a value that carries its own/],
  [{ predictor: 3 }, 'predictor', /its name/],
  [{ solver: {} }, 'solver.name', /for the record/],
];

for (const [options, option, message] of refused) {
  test(`refused by name: ${option}, ${message.source}`, (t) => {
    const error = t.throws(() => sample(model, options as SampleOptions), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  });
}

test('what is no model is told how to get one', (t) => {
  t.regex(
    t.throws(() => sample('m.onnx' as never), { instanceOf: OptionError }).message,
    /loadModel\(path\)/,
  );
});

test('constructors refuse options that they do not have', (t) => {
  const calls: [() => unknown, string][] = [
    [() => vp({ beta2: 1 } as never), 'beta2'],
    [() => ve({ sigmamin: 1 } as never), 'sigmamin'],
    [() => edm({ epsilon: 1 } as never), 'epsilon'],
    [() => customSde({ alpha: () => 1, sigma: (time: number) => time, prior: 1 } as never), 'prior'],
    [() => langevin({ signal: 1 } as never), 'signal'],
    [() => ald({ norm: 'batch' } as never), 'norm'],
    [() => ancestral({ clipped: true } as never), 'clipped'],
    [() => rk45({ steps: 1 } as never), 'steps'],
    [() => predictorCorrector({ snr: 1 } as never), 'snr'],
  ];
  for (const [call, option] of calls) t.is(t.throws(call, { instanceOf: OptionError }).option, option);
});

test('broken methods of the user are named', async (t) => {
  const broken: [SampleOptions, RegExp][] = [
    [{ solver: null as never }, /^solver must be a solver/],
    [{ predictor: null as never }, /^predictor must be a predictor/],
    [{ solver: { name: 'x', plan: 1 } as never }, /^solver.plan must be a function/],
    [{ solver: { begin: () => () => undefined } as never }, /^solver.name/],
    [{ corrector: { name: 'x', begin: () => () => undefined } as never }, /^corrector.steps/],
    [{ solver: 'toString' as never }, /^solver must be one of euler-maruyama/],
    [{ solver: { name: 'heun', clip: true } }, /^solver.clip/],
    [{ grid: 'uniform-t', rho: 3 }, /^rho must be left out/],
    [{ constraints: 1 as never }, /^constraints must be an array/],
    [{ constraints: [{ name: 'a' }] as never }, /^constraints\[0\]/],
    [{ solver: { name: 'langevin-dynamics', stepSize: 1e-3, time: 2 } }, /^time must be above 0/],
    [{ solver: { name: 'langevin-dynamics' } }, /^stepSize must be given/],
    [{ solver: { name: 'annealed-langevin', sigmas: [1, 2] } }, /^sigmas\[1\] must be below 1/],
  ];
  for (const [options, message] of broken)
    t.regex(t.throws(() => sample(model, options), { instanceOf: OptionError }).message, message);
  const still = { name: 'x', begin: () => null } as never;
  await t.throwsAsync(async () => sample(model, { count: 1, predictor: still }), {
    message: /predictor.begin/,
  });
  const failing = { name: 'x', apply: () => Promise.reject(new RangeError('late')) };
  const run = async () => sample(model, { count: 1, steps: 2, constraints: [failing] });
  await t.throwsAsync(run, { message: 'late' });
  t.throws(() => withEvaluate(model, 3 as never), { message: /^evaluate must be a function/ });
});
