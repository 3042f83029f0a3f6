import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { measure } from '../../src/control/measurement.js';
import { blur } from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import { guideAs } from '../../src/control/describe.js';
import { openEngines } from '../../src/engine/engines.js';
import { EngineError, ModelError, OptionError, QueueFullError } from '../../src/errors.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { functionModel } from '../../src/score/function.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { edm } from '../../src/sde/edm.js';
import { ancestral } from '../../src/solvers/predictors/ancestral.js';
import { predictorCorrector } from '../../src/solvers/predictor-corrector.js';
import { decode, encode, interpolate } from '../../src/likelihood/latent.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import type { Preview } from '../../src/sampling/previews.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { fixture, PIXELS } from '../support/gaussian-image.js';

const network = fixture('vp-eps');
/** A run of a second or so. */
const long: SampleOptions = { count: 64, steps: 5000 };

/** Two samples of the fixture, in its data range. */
const data = Float64Array.from({ length: 2 * PIXELS }, (_, i) => Math.sin(i) / 2);

test('every function gives the same bits as on the calling thread', async (t) => {
  const model = await loadModel(network, { threads: 1 });
  const engines = await openEngines(network, { threads: 2, engines: 2 });
  t.deepEqual([engines.shape, engines.sde.constants], [model.shape, model.sde.constants]);

  const options: SampleOptions = {
    count: 5,
    batch: 2,
    seed: 2n ** 63n,
    first: 7,
    trajectory: 3,
    solver: predictorCorrector({ steps: 9, predictor: ancestral({ clip: true }) }),
  };
  const [here, there] = [await sample(model, options), await engines.sample(options)];
  t.deepEqual({ ...there, seconds: 0 }, { ...here, seconds: 0 });

  // Two at once, each with measurements of its own.
  const operator = blur(3, model.shape);
  const known = [data, data.toReversed()].map((x) => ({
    operator,
    values: measure(operator, x),
    noise: 0.1,
  }));
  const run = { method: 'smc', particles: 3, steps: 5, count: 4, seed: 3 } as const;
  const restored = await Promise.all(known.map((measurement) => engines.restore(measurement, run)));
  for (const [i, measurement] of known.entries())
    t.deepEqual({ ...restored[i]!, seconds: 0 }, { ...(await restore(model, measurement, run)), seconds: 0 });

  const tolerances = { rtol: 1e-2, atol: 1e-2 };
  const pairs = [
    [likelihood(model, data, tolerances), engines.likelihood(data, tolerances)],
    [encode(model, data, tolerances), engines.encode(data, tolerances)],
    [decode(model, data, tolerances), engines.decode(data, tolerances)],
    [
      interpolate(model, data, data.toReversed(), tolerances),
      engines.interpolate(data, data.toReversed(), tolerances),
    ],
  ];
  for (const pair of pairs) {
    const [onThread, offThread] = await Promise.all(pair);
    t.deepEqual({ ...offThread, seconds: 0 }, { ...onThread, seconds: 0 });
  }
  await Promise.all([model.close(), engines.close()]);
});

test('a model comes from bytes, or is a mixture under an SDE of fastsde', async (t) => {
  // A Buffer of a small file is a part of a larger one.
  const fromBytes = await openEngines(readFileSync(network), { threads: 1 });
  t.deepEqual(fromBytes.shape, [1, 8, 8]);
  await fromBytes.close();

  const spec = { weights: [0.5, 0.5], means: [[-1], [1]], covariances: [0.01, 0.01] };
  const sde = edm({ sigmaMax: 20 });
  const engines = await openEngines({ mixture: spec, sde, conditional: true });
  const options: SampleOptions = {
    count: 3,
    steps: 20,
    corrector: 'ald',
    classLabel: Int32Array.of(0, 1, 0),
  };
  const model = mixtureModel(new GaussianMixture(spec), sde, { conditional: true });
  t.deepEqual((await engines.sample(options)).samples, (await sample(model, options)).samples);
  t.deepEqual([engines.classes, engines.sde.name, engines.sde.priorSigma], [2, 'edm', 20]);
  await engines.close();
});

test('a network is guided by what plain data name', async (t) => {
  const options: SampleOptions = { count: 2, solver: 'ddim', steps: 3, classLabel: 3 };
  const description = { kind: 'classifier-free', scale: 2, interval: [0.1, 4] } as const;
  const engines = await openEngines(
    { model: embeddedModel('conditional'), guidance: description },
    { engines: 2, threads: 2 },
  );
  const model = await guideAs(await loadModel(embeddedModel('conditional'), { threads: 1 }), description);
  const [here, there] = [await sample(model, options), await engines.sample(options)];
  t.deepEqual({ ...there, seconds: 0 }, { ...here, seconds: 0 });
  t.like(there.options, { guidance: description });
  await Promise.all([model.close(), engines.close()]);

  const guided = (guidance: unknown) =>
    openEngines({ model: embeddedModel('vp'), guidance: guidance as never });
  await t.throwsAsync(guided({ kind: 'classifier-free' }), { message: /takes no class label/ });
  await t.throwsAsync(guided({ kind: 'autoguidance', guide: 'absent.onnx' }), { message: /absent\.onnx/ });
  await t.throwsAsync(guided({ kind: 'classifier', classifier: embeddedModel('vp') }), {
    message: /is a score network/,
  });
  await t.throwsAsync(guided({ kind: 'classifer' }), { message: /did you mean classifier\?/ });
});

test('a change of an array after the call does not reach the request', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const options = { rtol: 1e-2, atol: 1e-2 };
  const changing = data.slice();
  const pending = engines.encode(changing, options);
  changing.fill(0);
  t.deepEqual((await pending).values, (await engines.encode(data, options)).values);
  await engines.close();
});

test('previews are those of the calling thread', async (t) => {
  const options: SampleOptions = { count: 2, steps: 200, previewEvery: 100, preview: 'x0' };
  const model = await loadModel(network, { threads: 1 });
  const engines = await openEngines(network, { threads: 1 });
  const all = async (run: AsyncIterable<Preview>) => {
    const previews: Preview[] = [];
    for await (const preview of run) previews.push(preview);
    return previews;
  };
  const previews = await all(engines.sample(options));
  t.deepEqual(
    previews.map(({ step }) => step),
    [0, 100],
  );
  t.deepEqual(previews, await all(sample(model, options)));

  const operator = blur(3, model.shape);
  const measurement = { operator, values: measure(operator, data), noise: 0.1 };
  const run = { method: 'mmps', iterations: 1, steps: 4, previewEvery: 2, trajectory: 2 } as const;
  const restored = await all(engines.restore(measurement, run));
  t.deepEqual(
    restored.map(({ step }) => step),
    [0, 2],
  );
  t.deepEqual(restored, await all(restore(model, measurement, run)));
  const [here, there] = [await restore(model, measurement, run), await engines.restore(measurement, run)];
  t.deepEqual(here.trajectory, there.trajectory);
  await Promise.all([model.close(), engines.close()]);
});

test('who is slow to take previews gets a few, the newest last', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const run = engines.sample({ count: 2, steps: 300, previewEvery: 1 });
  const iterator = run[Symbol.asyncIterator]();
  const first = (await iterator.next()).value as Preview;
  await run;
  const steps = [first.step];
  for await (const { step } of iterator) steps.push(step);
  t.true(steps.length <= 4, `${steps.length} of 300`);
  t.deepEqual([steps[0], steps.at(-1)], [0, 299]);
  await engines.close();
});

test('progress is told, to the end', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const fractions: number[] = [];
  await engines.sample({
    count: 4,
    batch: 2,
    steps: 20,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  t.is(fractions.at(-1), 1);
  t.deepEqual(fractions, fractions.toSorted());
  await t.throwsAsync(
    engines.encode(data, {
      onProgress: () => {
        throw new RangeError('enough');
      },
    }),
    { instanceOf: RangeError, message: 'enough' },
  );
  await engines.close();
});

test('an aborted request ends at once, inside a run of the network too', async (t) => {
  const engines = await openEngines(embeddedModel(), { threads: 1 });
  const requests: ((signal: AbortSignal) => PromiseLike<unknown>)[] = [
    (signal) => engines.sample({ count: 256, batch: 256, steps: 1000, signal }),
    (signal) => engines.likelihood(new Float32Array(256 * 784), { batch: 256, signal }),
  ];
  for (const request of requests) {
    const controller = new AbortController();
    const pending = t.throwsAsync(async () => request(controller.signal), { message: 'enough' });
    await sleep(50);
    controller.abort(new Error('enough'));
    await pending;
  }
  const { counts } = await engines.sample({ count: 1, steps: 2 });
  t.is(counts.score, 2, 'the engine goes on');
  await engines.close();
});

test('a timer fires while the network runs', async (t) => {
  const engines = await openEngines(embeddedModel(), { threads: 1 });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const { seconds } = await engines.sample({ count: 64, steps: 10 });
  clearInterval(timer);
  await engines.close();
  // On the calling thread there would be one turn an evaluation, 11 in all.
  t.true(ticks > 22, `${ticks} ticks in ${seconds} s`);
});

test('clients that wait are served in turn, and in order for each', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const order: string[] = [];
  const request = async (name: string, client?: string) => {
    await engines.sample({ count: 1, steps: 2, client });
    order.push(name);
  };
  await Promise.all([
    ...['first', 'a1', 'a2', 'a3'].map((name) => request(name, 'a')),
    ...['b1', 'b2'].map((name) => request(name, 'b')),
    request('c1'),
  ]);
  t.deepEqual(order, ['first', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  await engines.close();
});

test('requests beyond the queue are refused, and those in it can leave', async (t) => {
  const engines = await openEngines(network, { threads: 1, queue: 1 });
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = t.throwsAsync(async () => engines.sample({ ...long, signal: running.signal }), { any: true });
  await sleep(0); // it has the engine
  const second = engines.encode(data, { signal: waiting.signal });
  await sleep(0);
  t.is(engines.waiting, 1);
  const refused = await t.throwsAsync(engines.encode(data), { instanceOf: QueueFullError });
  t.is(refused.code, 'ERR_FASTSDE_QUEUE_FULL');

  waiting.abort(new Error('left'));
  await t.throwsAsync(second, { message: 'left' });
  t.is(engines.waiting, 0);
  const third = engines.encode(data, { rtol: 1e-2, atol: 1e-2 });
  running.abort();
  await first;
  t.is((await third).shape[0], 2);
  await engines.close();
});

test('callers who await room are slowed down and never refused', async (t) => {
  const engines = await openEngines(network, { threads: 1, engines: 1, queue: 2 });
  let most = 0;
  const caller = async (seed: number) => {
    for (let k = 0; k < 5; k++) {
      await engines.room();
      const run = engines.sample({ count: 1, steps: 3, seed });
      await sleep(0);
      most = Math.max(most, engines.waiting);
      await run;
    }
  };
  await t.notThrowsAsync(Promise.all([0, 1, 2, 3, 4, 5].map(caller)));
  t.is(most, 2);
  await engines.close();
});

test("functions and models of one's own work", async (t) => {
  const own = functionModel({
    shape: [2],
    sde: edm(),
    evaluate: (x, _, out) => {
      out.set(x.map((v) => -v));
    },
  });
  const engines = await openEngines(own, { engines: 2 });
  const still = { name: 'still', begin: () => () => undefined };
  const options: SampleOptions = { count: 3, steps: 4, predictor: still, corrector: 'ald' };
  t.deepEqual((await engines.sample(options)).samples, (await sample(own, options)).samples);
  await engines.close();
});

test('close answers what was accepted, and refuses the rest', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const accepted = [1, 2, 3].map((seed) => Promise.resolve(engines.sample({ count: 1, steps: 50, seed })));
  await sleep(0);
  const closed = engines.close();
  await t.throwsAsync(engines.encode(data), { instanceOf: EngineError, message: /closed/ });
  t.is((await Promise.all(accepted)).length, 3);
  await closed;
  await engines.close();
});

test('close with abort rejects what was accepted', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const rejected = [1, 2].map((seed) =>
    t.throwsAsync(async () => engines.sample({ ...long, seed }), {
      instanceOf: EngineError,
      message: /closed/,
    }),
  );
  await sleep(20);
  const drained = engines.close();
  await engines.close({ abort: true });
  await Promise.all([drained, ...rejected]);
});

test('errors keep class, code, option and value', async (t) => {
  const engines = await openEngines(network, { threads: 1 });
  const error = await t.throwsAsync(async () => engines.sample({ steps: 1.5 }), { instanceOf: OptionError });
  t.like(error, { name: 'OptionError', code: 'ERR_FASTSDE_OPTION', option: 'steps', value: 1.5 });
  t.regex(error.message, /^steps must be an integer/);
  await t.throwsAsync(async () => engines.restore({} as never, null as never), { instanceOf: OptionError });
  const short = await t.throwsAsync(engines.encode(data.subarray(1)), { instanceOf: OptionError });
  t.is(short.option, 'data');
  await engines.close();
  const missing = await t.throwsAsync(openEngines('missing.onnx'), { instanceOf: ModelError });
  t.regex(missing.message, /missing\.onnx/);
});

test('what engines cannot be is refused by name', async (t) => {
  const refused: [Promise<unknown>, string][] = [
    [openEngines(3 as never), 'model'],
    [openEngines({} as never), 'model'],
    [openEngines(network, { engines: 0 }), 'engines'],
    [openEngines(network, { engines: 2, threads: 1 }), 'threads'],
    [openEngines(network, { queue: -1 }), 'queue'],
    [openEngines({ mixture: { weights: [1], means: [[0]], covariances: [1] } }, { labels: 't' }), 'labels'],
  ];
  for (const [promise, option] of refused) {
    const error = await t.throwsAsync(promise, { instanceOf: OptionError });
    t.is(error.option, option);
  }
});

test.serial('engines are refused where networks would run on the calling thread', async (t) => {
  process.env['FASTSDE_SESSIONS'] = 'node';
  t.teardown(() => delete process.env['FASTSDE_SESSIONS']);
  const error = await t.throwsAsync(openEngines(network), { instanceOf: EngineError });
  t.regex(error.message, /FASTSDE_SESSIONS=node/);
});
