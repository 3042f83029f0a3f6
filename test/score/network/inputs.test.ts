import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import test from 'ava';
import { guide } from '../../../src/control/guidance.js';
import { OptionError } from '../../../src/errors.js';
import { openEngines } from '../../../src/engine/engines.js';
import type { NdArray } from '../../../src/io/npy.js';
import { encode, decode, interpolate } from '../../../src/likelihood/latent.js';
import { likelihood } from '../../../src/likelihood/likelihood.js';
import { modelBytes } from '../../../src/onnx/file/model.js';
import { sample } from '../../../src/sampling/sample.js';
import { withInputs } from '../../../src/score/inputs.js';
import type { Inputs, ScoreModel } from '../../../src/score/model.js';
import { inspectModel } from '../../../src/score/network/inspect.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { inferRoles } from '../../../src/score/network/roles.js';
import { levelAt } from '../../../src/sde/level.js';
import { fedNetwork, SPREAD } from '../../support/fed-network.js';

const PIXELS = 16;
const text = ['float32', ['N', 3, 2]] as const;
const array = (shape: readonly number[], at: (i: number) => number): NdArray<Float32Array> => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
  shape,
});
/** A text for each of these means. */
const texts = (...means: number[]) =>
  array([means.length, 3, 2], (i) => means[Math.floor(i / 6)]! + 0.1 * ((i % 6) - 2.5));

function open(inputs: Parameters<typeof fedNetwork>[0], options: LoadOptions = {}) {
  return loadModel(modelBytes(fedNetwork(inputs)), { threads: 1, ...options });
}

/** The denoiser of rows of noise, and by how much it differs from that of these means. */
async function errorOf(model: ScoreModel, means: readonly number[], labels?: Int32Array): Promise<number> {
  const levels = means.map((_, i) => levelAt(model, 0.3 + 0.4 * (i % 3)));
  const x = Float32Array.from({ length: means.length * PIXELS }, (_, i) => Math.sin(1 + 1.7 * i));
  const output = new Float32Array(x.length);
  await model.evaluate(x, levels, output, labels);
  return Math.max(
    ...Array.from(output, (value, i) => {
      const row = Math.floor(i / PIXELS);
      const [own, noise] = [SPREAD ** 2, levels[row]!.sigma ** 2];
      return Math.abs(value - (own * x[i]! + noise * means[row]!) / (own + noise));
    }),
  );
}

test('inputs are fed for all samples or for each, in every type that networks take', async (t) => {
  const cases: [inputs: Parameters<typeof fedNetwork>[0], given: Inputs, means: number[]][] = [
    [{ text }, { text: texts(0.7) }, [0.7, 0.7, 0.7]],
    [{ text }, { text: { ...texts(0.7), shape: [3, 2] } }, [0.7, 0.7]],
    [{ text }, { text: texts(0.7, -0.2, 0.1) }, [0.7, -0.2, 0.1]],
    [{ text }, { text: 0.25 }, [0.25, 0.25]],
    [{ text: ['float16', ['N', 3, 2]] }, { text: array([2, 3, 2], (i) => Math.floor(i / 6)) }, [0, 1]],
    [{ guidance: ['float32', []] }, { guidance: 0.5 }, [0.5, 0.5]],
    [{ guidance: ['float64', []] }, { guidance: array([], () => 0.5) }, [0.5]],
    [{ on: ['bool', ['N']] }, { on: { data: Uint8Array.of(1, 0), shape: [2], boolean: true } }, [1, 0]],
    [{ on: ['int64', ['N']], y: ['int64', ['N']] }, { on: 1 }, [1, 1]],
    [
      { on: ['int32', ['N']], y: ['int64', ['N']] },
      { on: { data: Float64Array.of(1, -1), shape: [2] } },
      [1, -1],
    ],
    [
      { text, guidance: ['float32', [1]], low: ['float32', ['N', 1, 4, 4]] },
      { text: 0.2, guidance: 0.5, low: 0.1 },
      [0.8],
    ],
  ];
  for (const [inputs, given, means] of cases) {
    for (const batch of [undefined, 2]) {
      const model = await open(inputs, { inputs: given, ...(batch && { batch }) });
      const labels = 'y' in inputs ? new Int32Array(means.length) : undefined;
      const error = await errorOf(model, means, labels);
      t.true(
        error < 1e-3 * Number(inputs['text']?.[0] === 'float16') + 1e-6,
        `${JSON.stringify(inputs)}: ${error}`,
      );
      await model.close();
    }
  }
});

test('samples have the law of their own inputs, and their bits whatever the batch', async (t) => {
  const means = Array.from({ length: 5 }, (_, i) => 0.4 * i - 0.8);
  const model = await open({ text }, { inputs: { text: texts(...means) }, batch: 1 });
  const options = { count: 5, seed: 3, solver: 'heun', steps: 12 } as const;
  const whole = await sample(model, options);
  const split = await sample(model, { ...options, batch: 2 });
  t.deepEqual(split.samples, whole.samples);
  const plain = withInputs(model, { text: 0 });
  const centred = await sample(plain, options);
  for (const [i, mean] of means.entries()) {
    const shift = whole.samples
      .subarray(i * PIXELS, (i + 1) * PIXELS)
      .map((value, k) => value - centred.samples[i * PIXELS + k]!);
    // The flow is affine, so that a mean moves samples by itself but for what is left of it at sigma = 80.
    t.true(
      shift.every((value) => Math.abs(value - mean) < 0.02),
      `sample ${i}: ${shift[0]} for ${mean}`,
    );
  }
  t.like(whole.options, { inputs: [{ name: 'text', shape: [5, 3, 2], type: 'float32' }] });
  const [{ sha256 }] = whole.options['inputs'] as [{ sha256: string }];
  t.regex(sha256, /^[0-9a-f]{64}$/);
  t.deepEqual(centred.options['inputs'], [{ name: 'text', shape: [], type: 'float32', value: 0 }]);
  await model.close();
});

test('likelihood, codes and paths know the inputs of each sample', async (t) => {
  const means = [0.6, -0.4, 0.1];
  const model = await open({ text }, { inputs: { text: texts(...means) } });
  const data = Float32Array.from({ length: 3 * PIXELS }, (_, i) => 0.3 * Math.sin(i));
  const { logDensity } = await likelihood(model, data, {
    batch: 2,
    trace: 'exact',
    bins: 256,
    rtol: 1e-6,
    atol: 1e-6,
  });
  for (const [row, mean] of means.entries()) {
    const own = data.subarray(row * PIXELS, (row + 1) * PIXELS);
    const squares = own.reduce((sum, value) => sum + ((value - mean) / SPREAD) ** 2, 0);
    const law = -squares / 2 - PIXELS * Math.log(SPREAD * Math.sqrt(2 * Math.PI));
    // The prior has mean 0, where the ODE ends in mean + (x - mean) sqrt(1 + (T / s)^2).
    const prior = own.reduce((sum, value) => {
      const end = mean + (value - mean) * Math.hypot(1, 80 / SPREAD);
      return sum + ((end - mean) ** 2 - end ** 2) / (2 * (80 ** 2 + SPREAD ** 2));
    }, 0);
    const exact = law + prior;
    t.true(Math.abs(logDensity[row]! - exact) < 2e-3, `${logDensity[row]} for ${exact}`);
  }
  const codes = await encode(model, data, { batch: 2 });
  const back = await decode(model, codes.values, { batch: 1 });
  t.true(back.values.every((value, i) => Math.abs(value - data[i]!) < 1e-3));
  const path = await interpolate(model, data, data, { points: 2 });
  t.true(
    path.values.every(
      (value, i) => Math.abs(value - data[Math.floor(i / 32) * PIXELS + (i % PIXELS)]!) < 1e-3,
    ),
  );
  await model.close();
});

test('guidance leads away from other inputs: s_u + w (s_c - s_u)', async (t) => {
  const model = await open(
    { text, guidance: ['float32', []] },
    { inputs: { text: texts(0.5, -0.5), guidance: 0.1 } },
  );
  for (const unconditional of [{ text: -0.25 }, { text: texts(-0.25, -0.25) }]) {
    const guided = guide(model, { kind: 'classifier-free', scale: 3, unconditionalInputs: unconditional });
    const w = (mean: number) => -0.25 + 3 * (mean + 0.25) + 0.1;
    t.true((await errorOf(guided, [w(0.5), w(-0.5)])) < 1e-5);
    const two = await sample(guided, { count: 2, batch: 1, solver: 'heun', steps: 12 });
    const sums = [0, PIXELS].map(
      (at) => two.samples.subarray(at, at + PIXELS).reduce((a, b) => a + b, 0) / PIXELS,
    );
    t.true(Math.abs(sums[0]! - w(0.5)) < 0.5 && Math.abs(sums[1]! - w(-0.5)) < 0.5, String(sums));
    t.like(two.options, {
      guidance: {
        kind: 'classifier-free',
        scale: 3,
        unconditionalInputs: [{ name: 'text' }, { name: 'guidance', value: 0.1 }],
      },
    });
    // Another text for all of it.
    t.true((await errorOf(withInputs(guided, { text: 1 }), [w(1), w(1)])) < 1e-5);
  }
  t.throws(() => guide(model, { kind: 'classifier-free', scale: 3 }), {
    instanceOf: OptionError,
    message: /unconditionalInputs must be given.*--unconditional-input NAME=FILE\.npy/,
  });
  t.throws(() => guide(model, { kind: 'classifier-free', unconditionalInputs: { text: texts(1, 2, 3) } }), {
    message: /unconditionalInputs must be of as many samples as those of the model, 2/,
  });
  await model.close();
});

test('a class and inputs of each sample go together, guided or not', async (t) => {
  const model = await open({ text, y: ['int64', ['N']] }, { inputs: { text: texts(0.5, -0.5, 0.2) } });
  t.is(model.classes, 3);
  const run = (given: ScoreModel) =>
    sample(given, {
      count: 3,
      batch: 2,
      solver: 'ddim',
      steps: 10,
      classLabel: Int32Array.of(1, 2, 1),
      seed: 4,
    });
  const centred = await sample(withInputs(model, { text: 0 }), {
    count: 3,
    solver: 'ddim',
    steps: 10,
    classLabel: 0,
    seed: 4,
  });
  for (const [given, means] of [
    [model, [1.5, 1.5, 1.2]],
    // Away from class 0, with the text of each.
    [guide(model, { kind: 'classifier-free', scale: 2 }), [2.5, 3.5, 2.2]],
  ] as const) {
    const { samples } = await run(given);
    for (const [i, mean] of means.entries())
      t.true(Math.abs(samples[i * PIXELS]! - centred.samples[i * PIXELS]! - mean) < 0.02 * mean, `${i}`);
  }
  await model.close();
});

test('engines take the inputs of each request', async (t) => {
  const engines = await openEngines(modelBytes(fedNetwork({ text })), { engines: 1, threads: 1 });
  const options = { count: 1, solver: 'ddim', steps: 6 } as const;
  const [one, zero] = await Promise.all([
    engines.sample({ ...options, inputs: { text: 1 } }),
    engines.sample({ ...options, inputs: { text: 0 } }),
  ]);
  t.true(one.samples.every((value, i) => Math.abs(value - zero.samples[i]! - 1) < 0.02));
  await t.throwsAsync(async () => engines.sample(options), {
    message: /inputs\.text must be a number or an array/,
  });
  await engines.close();
});

test('what is missing, of another shape or superfluous is one error before the first evaluation', async (t) => {
  const model = await open({ text });
  const missing =
    /inputs\.text must be a number or an array: the network takes float32\[N, 3, 2\].*--input text=FILE\.npy/;
  t.is(model.report, undefined);
  t.throws(() => sample(model, { count: 1 }), { instanceOf: OptionError, message: missing });
  await t.throwsAsync(() => encode(model, new Float32Array(PIXELS)), { message: missing });
  await t.throwsAsync(() => errorOf(model, [0]), { message: missing });
  const refused: [inputs: unknown, message: RegExp][] = [
    [{ texts: texts(1) }, /inputs\.texts must be absent \(did you mean text\?\); got "\[1, 3, 2\]"/],
    [{ x: 1 }, /inputs\.x must be absent/],
    [
      { text: array([1, 2, 3], () => 0) },
      /inputs\.text must be float32\[N, 3, 2\], one for all samples \(\[1, 3, 2\]\) or a row for each; got "\[1, 2, 3\]"/,
    ],
    [{ text: array([0, 3, 2], () => 0) }, /inputs\.text must be the sizes/],
    [{ text: { data: new Float32Array(5), shape: [1, 3, 2] } }, /the sizes of an array of 5 elements/],
    [{ text: NaN }, /inputs\.text\[0\] must be a finite number/],
    [{ text: 'a cat' }, /inputs\.text must be a number or \{ data, shape \}/],
    [null, /inputs must be an object/],
  ];
  for (const [inputs, message] of refused)
    t.throws(() => withInputs(model, inputs as Inputs), { instanceOf: OptionError, message });
  const two = withInputs(model, { text: texts(1, 2) });
  t.throws(() => sample(two, { count: 3 }), {
    message: /inputs must be rows for all samples or for each of them, which are 3; got "2 rows"/,
  });
  await model.close();
  await t.throwsAsync(() => open({ text }, { inputs: { sigma: 1 } }), {
    instanceOf: OptionError,
    message: /inputs\.sigma must be absent: it is the time/,
  });
  await t.throwsAsync(() => open({ text }, { inputs: { x: 1 } }), {
    instanceOf: OptionError,
    message: /inputs\.x must be absent: it is the state/,
  });
  const flag = await open({ on: ['bool', ['N']] });
  t.throws(() => withInputs(flag, { on: 2 }), {
    message: /inputs\.on\[0\] must be an integer from 0 to 1, as bool is/,
  });
  await flag.close();
});

test('inspection lists what has to be fed, and probes with it', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'fastsde-')), 'fed.onnx');
  t.teardown(() => {
    rmSync(dirname(file), { recursive: true });
  });
  writeFileSync(file, modelBytes(fedNetwork({ text, guidance: ['float32', []] })));
  const bare = await inspectModel(file);
  t.deepEqual(bare.model?.inputs, ['text float32[N, 3, 2]', 'guidance float32[]']);
  t.is(bare.probe, undefined);
  const fed = await inspectModel(file, { inputs: { text: 0, guidance: 0 } });
  t.true(fed.probe?.ok);
});

test('roles tell a class from other inputs', (t) => {
  const float = (name: string, ...shape: (number | string)[]) => ({ name, type: 'float32', shape }) as const;
  const integer = (name: string, ...shape: (number | string)[]) => ({ name, type: 'int64', shape }) as const;
  const image = ['N', 4, 8, 8] as const;
  const out = [float('out', ...image)];
  const of = (...inputs: Parameters<typeof inferRoles>[0]) => {
    const { state, time, class: label, inputs: rest } = inferRoles(inputs, out);
    return [state, time, label, ...rest].map((info) => info?.name);
  };
  const text = float('encoder_hidden_states', 'N', 7, 32);
  t.deepEqual(of(float('sample', ...image), integer('timestep'), text), [
    'sample',
    'timestep',
    undefined,
    text.name,
  ]);
  t.deepEqual(
    of(
      float('hidden_states', ...image),
      float('timestep', 'N'),
      text,
      float('pooled_projections', 'N', 32),
      float('guidance', 'N'),
    ),
    ['hidden_states', 'timestep', undefined, text.name, 'pooled_projections', 'guidance'],
  );
  t.deepEqual(of(float('x', ...image), float('sigma', 'N'), float('class_labels', 'N', 10)), [
    'x',
    'sigma',
    'class_labels',
  ]);
  t.deepEqual(of(float('x', ...image), float('t', 'N'), float('emb', 'N', 10)), ['x', 't', undefined, 'emb']);
  t.deepEqual(of(float('x', ...image), float('lowres', ...image), integer('time', 'N')), [
    'x',
    'time',
    undefined,
    'lowres',
  ]);
  t.deepEqual(of(float('x', ...image), integer('timestep', 'N'), integer('which', 'N'), text), [
    'x',
    'timestep',
    'which',
    text.name,
  ]);
});
