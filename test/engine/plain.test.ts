import test from 'ava';
import { errorOf, failureOf } from '../../src/failure.js';
import { buffersOf, plain, restored } from '../../src/engine/plain.js';
import { Window } from '../../src/engine/window.js';
import * as library from '../../src/index.js';
import { specificationOf } from '../../src/specification.js';
import { gaussianModel } from '../support/gaussian.js';

const { FastsdeError, OptionError, sample } = library;

/** Everything of the library that makes a solver, a part of one, or an SDE. */
const made = {
  predictor: [
    library.eulerMaruyama(),
    library.reverseDiffusion(),
    library.probabilityFlow(),
    library.ancestral({ variance: 'fixedsmall', clip: true }),
    library.heun(),
    library.noPredictor(),
  ],
  corrector: [
    library.langevin({ snr: 0.1, steps: 2, norm: 'sqrt-d' }),
    library.ald({ snr: 0.2 }),
    library.noCorrector(),
  ],
  solver: [
    library.predictorCorrector({ steps: 7, predictor: library.ancestral(), corrector: library.ald() }),
    library.annealedLangevin({ sigmas: [3, 1, 0.1], stepSize: 1e-3, stepsPerLevel: 2 }),
    library.langevinDynamics({ stepSize: 1e-3, steps: 5, time: 0.4 }),
    library.rk45({ rtol: 1e-3, variable: 'lambda' }),
  ],
};

for (const [option, values] of Object.entries(made)) {
  for (const value of values) {
    test(`${option} ${specificationOf(value)!.name} passes to another thread`, async (t) => {
      const sent = structuredClone(plain('', { [option]: value }));
      const model = gaussianModel(library.ve());
      const run = async (options: object) =>
        (await sample(model, { count: 2, ...(option !== 'solver' && { steps: 5 }), ...options })).samples;
      const samples = await run(restored(sent) as object);
      t.deepEqual(samples, await run({ [option]: value }));
    });
  }
}

test('an SDE passes to another thread', (t) => {
  const sdes = [
    library.vp({ beta1: 15 }),
    library.subvp({ epsilon: 1e-4 }),
    library.ve({ sigmaMax: 90, dataRange: [-1, 1] }),
    library.edm({ sigmaData: 1 }),
    library.sdeFromName('vp', { beta0: 0.2 }),
  ];
  for (const sde of sdes) {
    const there = restored(structuredClone(plain('sde', sde))) as library.Sde;
    t.deepEqual([there.constants, there.dataRange], [sde.constants, sde.dataRange]);
    t.deepEqual([there.sigma(0.3), there.drift(0.3)], [sde.sigma(0.3), sde.drift(0.3)]);
  }
});

test('what the library did not make is refused by its path', (t) => {
  const changed = { ...library.ancestral(), clip: true };
  const sde = library.customSde({ alpha: () => 1, sigma: (s) => s + 0.1 });
  const refused: [unknown, string][] = [
    [{ predictor: changed }, 'predictor.update'],
    [{ solver: library.predictorCorrector({ predictor: changed }) }, 'solver.options.predictor.update'],
    [{ sde }, 'sde.drift'],
    [{ model: new library.GaussianMixture({ weights: [1], means: [[0]], covariances: [1] }) }, 'model'],
    [{ list: [1, Symbol('no')] }, 'list[1]'],
  ];
  for (const [value, option] of refused) {
    const error = t.throws(() => plain('', value), { instanceOf: OptionError });
    t.is(error.option, option);
  }
});

test('arrays are copied without the memory around them, and can be handed over', (t) => {
  const whole = Float64Array.of(1, 2, 3, 4);
  const copy = plain('data', { part: whole.subarray(1, 3), bytes: Buffer.from('ab') }) as {
    part: Float64Array;
    bytes: Uint8Array;
  };
  whole.fill(0);
  t.deepEqual([...copy.part], [2, 3]);
  t.is(copy.part.buffer.byteLength, 16);
  t.is(copy.bytes.buffer.byteLength, 2);
  t.deepEqual(buffersOf([copy, copy.part]), [copy.part.buffer, copy.bytes.buffer]);
});

test('every error of the library keeps its class and its properties', (t) => {
  const errors = [
    new OptionError('steps', 1.5, 'an integer'),
    // A value that cannot be sent is described.
    new OptionError('model', gaussianModel(library.vp()), 'a model in continuous time'),
    new library.ModelError('no model', { option: 'shape', cause: new RangeError('too long') }),
    new library.DataError('no data', { value: [1, 2] }),
    new library.OutputError('no disk'),
    new library.NonFiniteScoreError(3, 41, 0.5),
    new library.IntegrationError(2, 0.1, { rtol: 1e-9, atol: 1e-9 }),
    new library.LoadError('no addon'),
    new library.EngineError('no engine'),
    new library.QueueFullError(7),
    new library.TrainingError('no step', { step: 3, times: [0.5], checkpoint: 'last' }),
    new FastsdeError('ERR_FASTSDE_OTHER', 'other'),
    new TypeError('no type'),
  ];
  for (const error of errors) {
    const there = errorOf(structuredClone(failureOf(error)));
    t.is(there.constructor, error.constructor);
    t.deepEqual([there.message, there.stack], [error.message, error.stack]);
    const described = error === errors[1] ? { value: 'a Object' } : {};
    t.deepEqual(Object.assign({}, there), Object.assign({}, error, described));
  }
  const classes = Object.values(library).filter((value) => Object.getPrototypeOf(value) === FastsdeError);
  t.true(classes.length > 0 && classes.every((type) => errors.some((error) => error.constructor === type)));
  const { cause } = errorOf(structuredClone(failureOf(errors[2])));
  t.true(cause instanceof RangeError && cause.message === 'too long');
  t.is(errorOf(structuredClone(failureOf('a word'))).message, 'a word');
});

test('a window lets few through, and the newest of the others', (t) => {
  const sent: number[] = [];
  const window = new Window<number>(2, (value) => sent.push(value));
  for (let k = 0; k < 10; k++) window.offer(k);
  t.deepEqual(sent, [0, 1]);
  window.taken();
  t.deepEqual(sent, [0, 1, 9]);
  window.taken();
  window.offer(10);
  window.offer(11);
  t.deepEqual(sent, [0, 1, 9, 10]);
  window.flush();
  t.deepEqual(sent, [0, 1, 9, 10, 11]);
});
