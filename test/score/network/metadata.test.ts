import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { LoadError, ModelError, OptionError } from '../../../src/errors.js';
import { modelBytes, readModel, withMetadata } from '../../../src/onnx/file/model.js';
import { inspectModel } from '../../../src/score/network/inspect.js';
import { metadataProperties, readMetadata, type ModelMetadata } from '../../../src/score/network/metadata.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { inferRoles } from '../../../src/score/network/roles.js';
import { fixture } from '../../support/gaussian-image.js';

const float = (name: string, ...shape: (number | string)[]) => ({ name, type: 'float32', shape }) as const;
const integer = (name: string, ...shape: (number | string)[]) => ({ name, type: 'int64', shape }) as const;

test('metadata come back as they were written', (t) => {
  const metadata: ModelMetadata = {
    sde: 've',
    constants: { sigmaMin: 0.01, sigmaMax: 90 },
    parameterization: 'score',
    sigmaData: 0.4,
    labels: 'reversed-index',
    shape: [3, 32, 32],
    dataRange: [0, 1],
    trainedLevels: 232,
    ladder: { name: 'scaled-linear', betaEnd: 0.02, zeroTerminalSnr: true },
    classes: 10,
    names: { state: 'x', time: 'labels', class: 'y', selfCondition: 'last', output: 'score' },
  };
  t.deepEqual(readMetadata(new Map(Object.entries(metadataProperties(metadata)))), metadata);
  t.deepEqual(readMetadata(new Map([['author', 'somebody']])), {});
});

for (const [key, value, message] of [
  ['format', '2', /fastsde\.format cannot be used/],
  ['sde', 'vpp', /did you mean vp\?/],
  ['parameterization', 'epsilon', /one of score, eps, v, x0, flow, reversed-flow, edm/],
  ['labels', 'sigmas', /did you mean sigma\?/],
  ['shape', '1,28,x', /positive integers/],
  ['data_range', '1,0', /low < high/],
  ['trained_levels', '0', /at least 1/],
  ['sde.beta0', 'much', /a number/],
  ['ladder', 'scaled', /did you mean|one of linear/],
  ['zero_terminal_snr', 'yes', /one of true, false/],
] as const) {
  test(`metadata with ${key} = ${value} are refused`, (t) => {
    const error = t.throws(() => readMetadata(new Map([[`fastsde.${key}`, value]])), {
      instanceOf: ModelError,
    });
    t.true(error.message.includes(`fastsde.${key}`));
    t.regex(error.message, message);
  });
}

test('roles are found in the files of common exporters', (t) => {
  const names = (...args: Parameters<typeof inferRoles>) => {
    const { inputs, ...roles } = inferRoles(...args);
    t.deepEqual(inputs, []);
    return Object.fromEntries(Object.entries(roles).map(([role, { name }]) => [role, name]));
  };
  const image = ['N', 3, 32, 32] as const;
  t.deepEqual(names([float('sample', ...image), integer('timestep')], [float('out_sample', ...image)]), {
    state: 'sample',
    time: 'timestep',
    output: 'out_sample',
  });
  t.deepEqual(names([float('labels', 'N'), float('x', ...image)], [float('score', ...image)]), {
    state: 'x',
    time: 'labels',
    output: 'score',
  });
  t.deepEqual(
    names([float('x', ...image), float('sigma', 'N'), integer('labels', 'N')], [float('F', ...image)]),
    {
      state: 'x',
      time: 'sigma',
      class: 'labels',
      output: 'F',
    },
  );
  // Points of the plane beside one-hot rows: only the output's shape tells which is which.
  t.deepEqual(names([float('a', 'N', 10), float('b', 'N', 2), float('c', 'N')], [float('d', 'N', 2)]), {
    state: 'b',
    time: 'c',
    class: 'a',
    output: 'd',
  });
});

test('what roles leave open is an error that names the option', (t) => {
  const image = ['N', 3, 8, 8] as const;
  const x = float('x', ...image);
  const out = [float('eps', ...image)];
  t.throws(() => inferRoles([x], out), {
    instanceOf: ModelError,
    message: /only input is "x".*Export it with both/,
  });
  t.throws(() => inferRoles([float('a', ...image), float('b', ...image), float('t', 'N')], out), {
    message: /not clear which input is the state.*--state-input/,
  });
  t.throws(() => inferRoles([x, float('p', 'N'), float('q', 'N')], out), { message: /--class-input/ });
  t.throws(() => inferRoles([x, float('t', 'N')], out, { time: 'tt' }), {
    message: /did you mean "t"\?.*"x", "t"/,
  });
});

const refusals: Record<string, [file: string, options: LoadOptions, message: RegExp]> = {
  'a file without metadata': [
    'ddpm',
    {},
    /ddpm\.onnx: It does not say what it is.*--sde.*--parameterization.*--labels/,
  ],
  'a file with only a parameterization': [
    'ddpm',
    { parameterization: 'eps' },
    /Give sde \(--sde\)[^;]*; labels/,
  ],
  'continuous labels for an integer input': [
    'ddpm',
    { sde: 'vp', parameterization: 'eps', labels: 't*999' },
    /labels must be 'index' or 'reversed-index'.*int64/,
  ],
  'another shape': [
    'vp-eps',
    { shape: [3, 8, 8] },
    /shape must be as in the network's input "x" \[N, 1, 8, 8\]/,
  ],
  'an output of another shape': [
    'vp-eps',
    { names: { output: 'eps', state: 't' } },
    /no input that could be the time|shape/,
  ],
  'another batch than the file fixes': ['vp-batch4', { batch: 8 }, /batch must be 4/],
  'an unknown label rule': ['vp-eps', { labels: 'sigmaa' }, /did you mean sigma\?/],
  'an unknown constant': ['vp-eps', { constants: { beta: 1 } }, /beta0, beta1/],
  'no number of classes': ['vp-eps', { classes: 10 }, /classes must be left out/],
  'no number of levels': [
    'smld',
    { labels: 'index', trainedLevels: 0 },
    /trainedLevels must be an integer from 1 to 1000000/,
  ],
};
for (const [what, [file, options, message]] of Object.entries(refusals)) {
  test(`loading refuses ${what}`, async (t) => {
    const error = await t.throwsAsync(() => loadModel(fixture(file), options));
    t.true(error instanceof ModelError || error instanceof OptionError, String(error));
    t.regex(error.message, message);
  });
}

test('options override the metadata', async (t) => {
  const bytes = modelBytes(
    withMetadata(await readModel(fixture('vp-eps')), { 'fastsde.parameterization': 'score' }),
  );
  await t.throwsAsync(() => loadModel(bytes), { message: /Give --parameterization eps/ });
  const model = await loadModel(bytes, { parameterization: 'eps', constants: { epsilon: 0.01 } });
  t.is(model.parameterization, 'eps');
  t.is(model.sde.epsilon, 0.01);
  t.deepEqual(model.sde.dataRange, [-1, 1]);
  await model.close();
});

test('an SDE other than that of which the file speaks is a warning', async (t) => {
  for (const [options, message] of [
    [{}, undefined],
    [{ sde: 'vp' }, undefined],
    [{ sde: 'subvp' }, /trained on the vp SDE \(fastsde\.sde\), and it is read as subvp/],
  ] as const) {
    const model = await loadModel(fixture('vp-eps'), { ...options, probe: false });
    if (message) t.regex(model.warnings[0]!, message);
    else t.deepEqual(model.warnings, []);
    await model.close();
  }
});

test('missing and damaged files are errors that name the file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const damaged = join(folder, 'damaged.onnx');
  const whole = readFileSync(fixture('vp-eps'));
  for (const bytes of [whole.subarray(0, 1000), Buffer.from('not a model'), Buffer.alloc(0)]) {
    writeFileSync(damaged, bytes);
    await t.throwsAsync(() => loadModel(damaged), { instanceOf: ModelError, message: /damaged\.onnx/ });
  }
  await t.throwsAsync(() => loadModel(join(folder, 'absent.onnx')), {
    instanceOf: ModelError,
    message: /Cannot read .*absent\.onnx: there is no such file/,
  });
  await t.throwsAsync(() => loadModel(42 as unknown as string), { instanceOf: OptionError });
});

test('a provider that is not there is an error, not a fallback', async (t) => {
  try {
    await (await loadModel(fixture('vp-eps'), { provider: 'cuda' })).close();
    t.pass('this machine has CUDA');
  } catch (error) {
    t.true(error instanceof LoadError, String(error));
    t.regex((error as Error).message, /cuda/);
  }
});

test('inspection counts operators and reports the probe', async (t) => {
  const { operators, inputs, model, probe, problem } = await inspectModel(fixture('edm'));
  t.is(operators['ReduceMean'], 1);
  t.deepEqual(
    inputs.map(({ name }) => name),
    ['x', 'c_noise'],
  );
  t.is(model?.labels, 'c-noise');
  t.true(probe?.ok);
  t.is(problem, undefined);
  const bare = await inspectModel(fixture('ddpm'));
  t.regex(bare.problem!, /--sde/);
  t.is(bare.model, undefined);
  t.true((await inspectModel('models/mnist-vp.onnx', { probe: false })).parameters > 5e5);
  const wrong = await inspectModel(fixture('vp-flipped'));
  t.is(wrong.probe?.findings[0]?.cause, 'sign');
});
