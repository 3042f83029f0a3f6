import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import test from 'ava';
import { guide } from '../../../src/control/guidance.js';
import { Queue } from '../../../src/device/queue.js';
import { ModelError, OptionError } from '../../../src/errors.js';
import { encode } from '../../../src/likelihood/latent.js';
import { modelBytes } from '../../../src/onnx/file/model.js';
import { sample, type SampleOptions } from '../../../src/sampling/sample.js';
import { commandsOf, vjpCommandsOf } from '../../../src/score/commands.js';
import { inspectModel } from '../../../src/score/network/inspect.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { ddpmLadder } from '../../../src/sde/ladder.js';
import { levelAt } from '../../../src/sde/level.js';
import { ELEMENTS, SHAPE, smallNetwork, varianceAt } from '../../support/small-network.js';

const STEPS = 6;
const ladder: LoadOptions = {
  sde: 'vp',
  parameterization: 'eps',
  labels: 'index',
  ladder: { name: 'linear', levels: STEPS, betaStart: 0.05, betaEnd: 0.5 },
  probe: false,
};
const open = (of: Parameters<typeof smallNetwork>[0], options: LoadOptions = {}) =>
  loadModel(modelBytes(smallNetwork(of)), { ...ladder, threads: 1, ...options });
const starts = (count: number) =>
  Float32Array.from({ length: count * ELEMENTS }, (_, i) => Math.sin(1.3 * i * i));

for (const type of ['float32', 'float16', 'float64'] as const) {
  test(`the first half of the channels is F, and its derivative that of F: ${type}`, async (t) => {
    const bound = type === 'float16' ? 2e-3 : 1e-6;
    for (const batch of [undefined, 2]) {
      const model = await open({ type, variance: true }, { ...(batch && { batch }) });
      t.true(model.learnedVariance);
      const [x, rows] = [starts(3), 3];
      const levels = Array.from({ length: rows }, () => levelAt(model, 0, 2));
      const vjp = await model.differentiate();
      const made: Float32Array[][] = [];
      const here = Array.from({ length: 4 }, () => new Float32Array(x.length));
      await model.evaluate(x, levels, here[0]!, undefined, undefined, { variance: here[1]! });
      await vjp(x, x, levels, here[2]!, here[3]!);
      made.push(here);
      const queue = new Queue();
      const [state, ...out] = Array.from({ length: 5 }, () => queue.allocate(x.length, 'single'));
      queue.write(state!, x);
      commandsOf(model)!(queue, state!, out[0]!, { variance: out[1]! })(levels);
      vjpCommandsOf(vjp)!(queue, state!, state!, out[2]!, out[3]!)(levels);
      made.push((await Promise.all(out.map((values) => queue.read(values)))) as Float32Array[]);
      for (const [F, v, again, product] of made) {
        for (const values of [F!, again!, product!])
          t.true(values.every((value, i) => Math.abs(value - 0.9 * x[i]!) < bound));
        t.true(v!.every((value, i) => Math.abs(value - varianceAt(i % ELEMENTS)) < bound));
      }
      await queue.close();
      await model.close();
    }
  });
}

test('ancestral steps take the learned variance where asked', async (t) => {
  const model = await open({ variance: true });
  const initial = starts(3);
  const first = async (
    variance: 'fixedlarge' | 'learned' | 'learned-log',
    more: Partial<SampleOptions> = {},
  ) => {
    const options = { count: 3, seed: 7, initial, steps: STEPS, trajectory: 1, corrector: 'none' } as const;
    const { trajectory } = await sample(model, {
      ...options,
      predictor: { name: 'ancestral', variance },
      ...more,
    });
    return trajectory!.frames[1]!;
  };
  const [{ alpha, sigma }, k] = [model.ladder!, STEPS - 1];
  const beta = 1 - (alpha[k]! / alpha[k - 1]!) ** 2;
  const small = (beta * sigma[k - 1]! ** 2) / sigma[k]! ** 2;
  // Ho et al. 2020, equation 11.
  const mean = (i: number) => (initial[i]! - (beta / sigma[k]!) * 0.9 * initial[i]!) / Math.sqrt(1 - beta);
  const fixed = await first('fixedlarge');
  for (const [kind, logarithm] of [
    // Nichol and Dhariwal 2021, equation 15.
    ['learned', (v: number) => ((v + 1) / 2) * Math.log(beta) + (1 - (v + 1) / 2) * Math.log(small)],
    ['learned-log', (v: number) => v],
  ] as const) {
    const learned = await first(kind);
    const error = learned.reduce((most, value, i) => {
      const z = (fixed[i]! - mean(i)) / Math.sqrt(beta);
      const expected = mean(i) + Math.exp(logarithm(varianceAt(i % ELEMENTS)) / 2) * z;
      return Math.max(most, Math.abs(value - expected));
    }, 0);
    t.true(error < 1e-5, `${kind}: ${error}`);
    t.deepEqual(await first(kind, { batch: 2 }), learned);
  }
  await model.close();
});

test('a variance that is none is named', async (t) => {
  const model = await open({ variance: true }, { ladder: { name: 'linear', levels: 50, betaEnd: 0.03 } });
  const drawn = sample(model, {
    count: 2,
    predictor: { name: 'ancestral', variance: 'learned-log' },
    corrector: 'none',
  });
  await t.throwsAsync(drawn, {
    instanceOf: OptionError,
    message:
      /variance must be 'learned' or a fixed one: .* no logarithm of a variance of at most .*; got "learned-log"/,
  });
  await model.close();
});

test('a ladder of another process is named', async (t) => {
  const levels = { levels: 3, alpha: Float64Array.of(1, 1, 1), sigma: Float64Array.of(0.1, 1, 10) };
  await t.throwsAsync(open({}, { ladder: levels }), {
    message: /sde must be 've' with this ladder, which has alpha = 1/,
  });
  for (const sde of ['ve', 'flow', 'subvp'] as const)
    await t.throwsAsync(open({}, { ladder: ddpmLadder([0.1, 0.2]), sde }), {
      instanceOf: OptionError,
      message: /sde must be 'vp' with this ladder, which has alpha\^2 \+ sigma\^2 = 1/,
    });
});

test('a guided model keeps the variance of the model', async (t) => {
  const [model, other] = [await open({ variance: true }), await open({ variance: true })];
  const options = {
    count: 2,
    seed: 1,
    steps: STEPS,
    corrector: 'none',
    predictor: { name: 'ancestral', variance: 'learned' },
  } as const;
  const own = await sample(model, options);
  const guided = await sample(guide(model, { kind: 'autoguidance', guide: other, scale: 2 }), options);
  t.true(guided.samples.every((value, i) => Math.abs(value - own.samples[i]!) < 1e-5));
  await model.close();
  await other.close();
});

test('a variance that is not there is an error, one that is stands in the inspection', async (t) => {
  const model = await open({});
  t.falsy(model.learnedVariance);
  t.throws(() => sample(model, { predictor: { name: 'ancestral', variance: 'learned' } }), {
    instanceOf: OptionError,
    message: /variance must be 'fixedlarge' or 'fixedsmall': the network predicts no variance/,
  });
  await model.close();
  const file = join(mkdtempSync(join(tmpdir(), 'fastsde-')), 'variance.onnx');
  t.teardown(() => {
    rmSync(dirname(file), { recursive: true });
  });
  writeFileSync(file, modelBytes(smallNetwork({ variance: true })));
  const inspection = await inspectModel(file, ladder);
  t.regex(inspection.model!.learnedVariance!, /second half/);
});

/** The state before the last step of DDIM with self-conditioning (Chen et al. 2023, algorithm 2), in double precision. */
function referenceDdim(
  initial: Float32Array,
  { alpha, sigma }: { readonly alpha: Float64Array; readonly sigma: Float64Array },
  range?: number,
): Float64Array {
  return Float64Array.from(initial, (start) => {
    let [x, last] = [start, 0];
    for (let k = STEPS - 1; k > 0; k--) {
      const eps = 0.9 * x + 0.3 * Math.tanh(last);
      last = (x - sigma[k]! * eps) / alpha[k]!;
      if (range !== undefined) last = Math.min(Math.max(last, -range), range);
      const noise = (x - alpha[k]! * last) / sigma[k]!;
      x = alpha[k - 1]! * last + sigma[k - 1]! * noise;
    }
    return x;
  });
}

test('a network is fed its last estimate of x_0, zero at first', async (t) => {
  // So far out that estimates leave the data range and come back to it.
  const initial = Float32Array.from({ length: 3 * ELEMENTS }, (_, i) => 2 + 0.03 * i);
  for (const type of ['float32', 'float64'] as const) {
    const model = await open({ type, selfCondition: true });
    t.true(model.selfConditions);
    t.deepEqual(model.roles.inputs, []);
    for (const clip of [false, true]) {
      const expected = referenceDdim(initial, model.ladder!, clip ? 1 : undefined);
      for (const batch of [3, 2]) {
        const options = {
          count: 3,
          batch,
          initial,
          steps: STEPS,
          trajectory: 1,
          solver: { name: 'ddim', clip },
        } as const;
        // Each run begins anew.
        const { trajectory } = await sample(model, options);
        const error = trajectory!.frames
          .at(-1)!
          .reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
        t.true(error < 2e-5 * Math.max(...expected.map(Math.abs)), `${type} ${clip} ${batch}: ${error}`);
      }
    }
    await model.close();
  }
});

test('the last estimate follows its sample through batches, correctors and guidance', async (t) => {
  const model = await open({ selfCondition: true });
  const guided = guide(model, {
    kind: 'autoguidance',
    guide: await open({ selfCondition: true }),
    scale: 2,
    interval: [0, 0.7],
  });
  for (const given of [model, guided]) {
    for (const options of [
      { solver: 'dpmpp-2m' },
      { predictor: 'ancestral', corrector: 'langevin' },
    ] as const) {
      const run = (batch: number) => sample(given, { ...options, count: 3, batch, steps: STEPS, seed: 2 });
      t.deepEqual((await run(2)).samples, (await run(3)).samples);
    }
  }
  await guided.close();
});

test('an ODE feeds zero, so that its score is a function of the state', async (t) => {
  const options: LoadOptions = { sde: 'vp', parameterization: 'eps', probe: false, labels: 't' };
  const bytes = (selfCondition: boolean) => modelBytes(smallNetwork({ selfCondition }));
  const model = await loadModel(bytes(true), options);
  const plain = await loadModel(bytes(false), options);
  const data = starts(2).map((value) => value / 2);
  t.deepEqual((await encode(model, data)).values, (await encode(plain, data)).values);
  await model.close();
  await plain.close();
});

test('a batch that is fixed inside is told, and bfloat16 with its reason', async (t) => {
  const options: LoadOptions = { sde: 'vp', parameterization: 'eps', labels: 't', threads: 1 };
  const bytes = modelBytes(smallNetwork({ batch: 2 }));
  await t.throwsAsync(() => loadModel(bytes, options), {
    instanceOf: ModelError,
    message: /batches of exactly 2.*Give batch \(--batch 2\)/,
  });
  const model = await loadModel(bytes, { ...options, probe: false, batch: 2 });
  t.is((await sample(model, { count: 3, steps: 2 })).samples.length, 3 * ELEMENTS);
  await model.close();
  await t.throwsAsync(() => loadModel(modelBytes(smallNetwork({ type: 'bfloat16' })), options), {
    message:
      /"x" is bfloat16, which ONNX Runtime does not compute on a CPU; fastsde takes float32, float64 and float16/,
  });
  t.deepEqual(model.shape, [...SHAPE]);
});
