import fc from 'fast-check';
import test from 'ava';

import { FastsdeError } from '../src/errors.js';
import {
  embeddedClassifier,
  embeddedModel,
  encode,
  encodePrompt,
  functionModel,
  GaussianMixture,
  guide,
  likelihood,
  loadClassifier,
  loadDecoder,
  loadModel,
  matrixOperator,
  mixtureModel,
  restore,
  sample,
  timeGrid,
  vp,
} from '../src/index.js';

import { solverOptions } from '../src/solvers/names.js';

/** More: FASTSDE_FUZZ_RUNS=20000 npx ava .test-build/test/options-fuzz.test.js */
const numRuns = Math.round(Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500) / 5);

const cyclic: unknown[] = [];
cyclic.push(cyclic);

/** What no option takes, or takes by chance; small numbers, so that what is accepted ends soon. */
const strange = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, NaN, Infinity, -1, 0, 1, 2, 0.5, 2 ** 53, -0, 10n, '', '3', 'vp'),
  fc.constantFrom<unknown>(
    true,
    Symbol('s'),
    {},
    [],
    cyclic,
    Object.create(null),
    () => 1,
    new Float32Array(2),
  ),
  fc.string({ maxLength: 6 }),
  fc.array(fc.double(), { maxLength: 4 }),
);

/** Options of which a few are strange; values that are accepted stay small. */
function options(names: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  return fc.dictionary(fc.constantFrom(...names), strange, { minKeys: 1, maxKeys: 3 });
}

const model = mixtureModel(new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] }), vp());
const classes = mixtureModel(new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] }), vp(), {
  conditional: true,
});
const wrong = (value: unknown) => value as never;
const stableDiffusion = 'test/fixtures/stable-diffusion';

type Call = (given: Record<string, unknown>) => unknown;
const calls: Record<string, { names: string[]; call: Call }> = {
  sample: {
    names: [
      'count',
      'batch',
      'first',
      'seed',
      'steps',
      'evaluations',
      'predictor',
      'corrector',
      'snr',
      'sequence',
      'denoise',
      'grid',
      'classLabel',
      'signal',
      'solver',
      'correctorSteps',
      'probe',
      'grid',
      'norm',
      'trajectory',
      'preview',
    ],
    call: (given) => sample(model, wrong({ count: 1, steps: 1, ...given })),
  },
  likelihood: {
    names: [
      'rtol',
      'atol',
      'epsilon',
      'seed',
      'batch',
      'trace',
      'probes',
      'signal',
      'variable',
      'classLabel',
    ],
    call: (given) =>
      likelihood(model, wrong(new Float32Array([0.5, 0.5])), wrong({ rtol: 0.1, atol: 0.1, ...given })),
  },
  encode: {
    names: ['rtol', 'atol', 'epsilon', 'seed', 'batch', 'signal', 'variable', 'classLabel'],
    call: (given) =>
      encode(model, wrong(new Float32Array([0.5, 0.5])), wrong({ rtol: 0.1, atol: 0.1, ...given })),
  },
  loadModel: {
    names: [
      'sde',
      'constants',
      'parameterization',
      'sigmaData',
      'labels',
      'shape',
      'dataRange',
      'trainedLevels',
      'ladder',
      'classes',
      'names',
      'inputs',
      'batch',
      'threads',
      'provider',
      'tf32',
    ],
    call: async (given) => {
      const loaded = await loadModel(embeddedModel('vp'), wrong({ probe: false, threads: 1, ...given }));
      await loaded.close();
    },
  },
  loadDecoder: {
    names: ['latentScale', 'latentShift', 'batch', 'threads', 'provider'],
    call: async (given) => {
      const decoder = await loadDecoder(stableDiffusion, wrong({ threads: 1, ...given }));
      await decoder.close();
    },
  },
  encodePrompt: {
    names: ['negative', 'shape', 'threads', 'provider'],
    call: (given) => encodePrompt(stableDiffusion, 'a cat', wrong({ threads: 1, ...given })),
  },
  restore: {
    names: [
      'method',
      'count',
      'batch',
      'first',
      'seed',
      'steps',
      'grid',
      'epsilon',
      'solver',
      'corrector',
      'classLabel',
      'signal',
      'particles',
      'essThreshold',
      'iterations',
      'zeta',
      'jumpLength',
      'resamples',
      'replaceAt',
    ],
    call: (given) => {
      const measurement = { operator: matrixOperator([[1, 2]]), values: new Float32Array(1), noise: 1 };
      return restore(model, measurement, wrong({ steps: 1, particles: 2, method: 'smc', ...given }));
    },
  },
  gottaGoFast: {
    names: [...solverOptions.ggf],
    call: (given) =>
      sample(model, wrong({ count: 1, solver: { name: 'ggf', rtol: 0.1, atol: 0.1, ...given } })),
  },
  guide: {
    names: [
      ...['kind', 'scale', 'interval', 'rescale', 'nullClass', 'unconditional', 'classifier', 'guide'],
      'unconditionalInputs',
    ],
    call: (given) => guide(classes, wrong({ kind: 'classifier-free', scale: 2, ...given })),
  },
  'guide by a classifier': {
    names: ['kind', 'scale', 'classifier', 'interval'],
    call: (given) => guide(model, wrong({ kind: 'classifier', ...given })),
  },
  loadClassifier: {
    names: [
      'sde',
      'constants',
      'labels',
      'shape',
      'dataRange',
      'trainedLevels',
      'classes',
      'names',
      'batch',
      'probe',
    ],
    call: async (given) => {
      const loaded = await loadClassifier(embeddedClassifier(), wrong({ threads: 1, ...given }));
      await loaded.close();
    },
  },
  GaussianMixture: {
    names: ['weights', 'means', 'covariances'],
    call: (given) => new GaussianMixture(wrong({ weights: [1], means: [[0]], covariances: [1], ...given })),
  },
  vp: { names: ['beta0', 'beta1', 'epsilon', 'dataRange'], call: (given) => vp(wrong(given)) },
  timeGrid: {
    names: ['steps', 'grid', 'rho', 'epsilon', 'sigmaData'],
    call: (given) => timeGrid(vp(), wrong(given)),
  },
  functionModel: {
    names: ['shape', 'evaluate', 'parameterization', 'classes'],
    call: (given) => functionModel(wrong({ shape: [2], sde: vp(), evaluate: () => undefined, ...given })),
  },
};

for (const [name, { names, call }] of Object.entries(calls)) {
  test.serial(`strange options are an error of fastsde or do no harm: ${name}`, async (t) => {
    let refused = 0;
    const runs = Math.ceil(
      numRuns / ({ loadModel: 5, loadDecoder: 5, encodePrompt: 10, loadClassifier: 20 }[name] ?? 1),
    );
    const property = fc.asyncProperty(options(names), async (given) => {
      try {
        await call(given);
      } catch (error) {
        refused++;
        if (!(error instanceof FastsdeError)) throw error;
        if (/\bundefined\b|\[object \w+\]/.test(error.message)) throw error;
      }
    });
    await t.notThrowsAsync(fc.assert(property, { seed: 22, numRuns: runs }));
    t.true(refused > 0);
  });
}
