import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { planOf, sample, type SampleOptions } from '../../src/sampling/sample.js';
import { ve } from '../../src/sde/ve.js';
import { ald } from '../../src/solvers/correctors/langevin.js';
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

test('options are recorded as they are resolved for the model', (t) => {
  t.like(resolved({ predictor: 'ancestral' }), { variance: 'fixedsmall', clip: false });
  t.deepEqual(Object.keys(resolved({})).sort(), [
    ...['corrector', 'correctorSteps', 'denoise', 'epsilon', 'grid', 'norm', 'order', 'predictor'],
    ...['snr', 'solver', 'spacing', 'steps'],
  ]);
});

const refused: [unknown, string, RegExp][] = [
  [{ cout: 3 }, 'cout', /did you mean count\?/],
  [{ solver: 'rk54' }, 'solver', /did you mean rk45\?/],
  [{ predictor: 'ancestrall' }, 'predictor', /did you mean ancestral\?/],
  [{ solver: 'rk45', steps: 3 }, 'steps', /left out when solver is given \(rk45\)/],
  [{ solver: 'heun', predictor: 'ancestral' }, 'predictor', /a predictor too/],
  [{ solver: { name: 'rk45', steps: 3 } }, 'solver.steps', /rk45 takes rtol, atol/],
  [{ predictor: { name: 'heun', clip: true } }, 'predictor.clip', /heun takes no options/],
  [{ predictor: { name: 'ddim' } }, 'predictor.name', /one of euler-maruyama/],
  [{ corrector: 'ald', norm: 'batch' }, 'norm', /ald takes snr, steps/],
  [{ corrector: ald(), snr: 0.1 }, 'snr', /a value that carries its own/],
  [{ predictor: 3 }, 'predictor', /its name/],
  [{ solver: {} }, 'solver', /its name/],
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
