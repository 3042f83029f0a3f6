import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import { makeModel } from '../../src/onnx/file/model.js';
import { objective } from '../../src/training/objective.js';
import type { TrainOptions } from '../../src/training/options.js';
import type { TrainProgress } from '../../src/training/results.js';
import { train } from '../../src/training/train.js';
import { planarData, planarNetwork, relativeDifference, weightsOf } from '../support/training-runs.js';

const data = planarData(50);

async function weights(options: Partial<TrainOptions>): Promise<number[]> {
  const { model } = await train(await planarNetwork(), data, {
    steps: 5,
    batch: 24,
    warmup: 2,
    seed: 3,
    ...options,
  });
  return weightsOf(model);
}

test('a run is a function of its seed', async (t) => {
  const once = await weights({ workers: 2 });
  t.deepEqual(await weights({ workers: 2 }), once);
  t.true(relativeDifference(await weights({ workers: 2, seed: 4 }), once) > 1e-6);
});

test('the number of workers changes a run by rounding alone', async (t) => {
  const one = await weights({ workers: 1, learningRate: 0.01 });
  for (const workers of [2, 3]) {
    const difference = relativeDifference(await weights({ workers, learningRate: 0.01 }), one);
    t.true(difference < 1e-5, `${difference} with ${workers} workers`);
  }
});

test('accumulated gradients are those of the whole batch', async (t) => {
  const whole = await weights({ workers: 1, learningRate: 0.01 });
  for (const accumulation of [2, 5]) {
    const difference = relativeDifference(
      await weights({ workers: 1, accumulation, learningRate: 0.01 }),
      whole,
    );
    t.true(difference < 1e-5, `${difference} with ${accumulation} runs`);
  }
});

test('a training graph made elsewhere is run as it is', async (t) => {
  const { model: graph } = await objective(await planarNetwork()).trainingGraph();
  t.deepEqual(await weights({ graph }), await weights({}));
  // A graph of the loss alone, without losses by row.
  const outputs = graph.proto.graph.output.filter(({ name }) => name !== 'losses');
  const short = makeModel({ ...graph.proto, graph: { ...graph.proto.graph, output: outputs } });
  t.deepEqual(await weights({ graph: short }), await weights({}));
});

test('parameters that are not chosen stay as they are', async (t) => {
  const network = await planarNetwork();
  const { model } = await train(network, data, { steps: 2, batch: 24, workers: 2, parameters: /^head/ });
  const [before, after] = [network, model].map((each) => parameterValues(each, parameterNames(each, 'all')));
  for (const [name, values] of after!) {
    const isSame = values.every((value, i) => value === before!.get(name)![i]);
    t.is(isSame, !name.startsWith('head'), name);
  }
});

test('a process that ends in the middle of a run ends with its own code', async (t) => {
  const child = join(import.meta.dirname, '..', 'support', 'training-child.js');
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-training-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const code = `
    process.argv.splice(1, 0, '${child}');
    console.log = (step) => { if (step >= 5) process.exit(7); };
    await import('${pathToFileURL(child).href}');`;
  for (let k = 0; k < 3; k++) {
    const run = promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      code,
      folder,
      '100000',
    ]);
    const { code: exit, stderr } = await t.throwsAsync<Error & { code: number; stderr: string }>(run);
    t.deepEqual([exit, stderr], [7, '']);
  }
});

test('progress tells every step, and losses by time that add up to the loss', async (t) => {
  const run = train(await planarNetwork(), data, {
    steps: 6,
    batch: 24,
    workers: 2,
    progressEvery: 2,
    warmup: 4,
  });
  const seen: TrainProgress[] = [];
  for await (const progress of run) seen.push(progress);
  t.deepEqual(
    seen.map(({ step }) => step),
    [2, 4, 6],
  );
  for (const { steps, loss, losses, learningRate, step, remaining } of seen) {
    t.is(steps, 6);
    t.is(
      losses.reduce((sum, { rows }) => sum + rows, 0),
      48,
    );
    const mean = losses.reduce((sum, bucket) => sum + bucket.loss * bucket.rows, 0) / 48;
    t.true(Math.abs(mean - loss) < 1e-6);
    t.is(learningRate, 2e-4 * Math.min(1, step / 4));
    t.true(remaining >= 0);
  }
  const { steps, resumedFrom, loss } = await run;
  t.deepEqual([steps, resumedFrom, loss], [6, 0, seen.at(-1)!.loss]);
});

test('losses by time have about as many rows each, whatever the law of times', async (t) => {
  for (const times of ['uniform', 'importance', 'log-normal'] as const) {
    const run = train(await planarNetwork(), data, { steps: 1, batch: 4000, objective: { times } });
    const seen: TrainProgress[] = [];
    for await (const progress of run) seen.push(progress);
    const { losses } = seen[0]!;
    t.is(losses.length, 10);
    // A bucket has 400 rows, with a standard deviation of 19 and the rounding of its ends.
    for (const { from, to, rows } of losses)
      t.true(Math.abs(rows - 400) < 120, `${rows} rows from ${from} to ${to}, ${times}`);
  }
});

test('the event loop of the caller goes round while workers train', async (t) => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await train(await planarNetwork(), data, { steps: 200, batch: 48, workers: 1 });
  clearInterval(timer);
  t.true(turns > 3, `${turns} turns`);
});

test('the model can be had on the way and after the end', async (t) => {
  const network = await planarNetwork();
  const run = train(network, data, {
    steps: 400,
    batch: 24,
    workers: 2,
    ema: { kind: 'constant', decay: 0.9 },
  });
  const onTheWay = await run.model();
  const { model } = await run;
  t.true(relativeDifference(weightsOf(onTheWay), weightsOf(network)) > 0);
  t.true(relativeDifference(weightsOf(onTheWay), weightsOf(model)) > 0);
  t.deepEqual(weightsOf(await run.model()), weightsOf(model));
  t.is(model.metadata.get('fastsde.training.images'), '9600');
});

test('the model of a run that was stopped is refused, with the reason', async (t) => {
  const controller = new AbortController();
  const run = train(await planarNetwork(), data, {
    steps: 1e6,
    batch: 24,
    workers: 2,
    signal: controller.signal,
  });
  await run.model();
  controller.abort(new Error('enough'));
  await t.throwsAsync(Promise.resolve(run), { message: 'enough' });
  await t.throwsAsync(run.model(), { message: 'enough' });
});

test('options that cannot be used are refused by name, before anything starts', async (t) => {
  const network = await planarNetwork();
  const cases: readonly [Partial<TrainOptions>, string][] = [
    [{ steps: 0 }, 'steps'],
    [{ batch: 0 }, 'batch'],
    [{ workers: 129 }, 'workers'],
    [{ accumulation: 0 }, 'accumulation'],
    [{ batch: 4, accumulation: 2, workers: 3 }, 'workers'],
    [{ beta1: 1 }, 'beta1'],
    [{ beta2: -0.1 }, 'beta2'],
    [{ epsilon: -1 }, 'epsilon'],
    [{ weightDecay: Number.NaN }, 'weightDecay'],
    [{ clip: 0 }, 'clip'],
    [{ ema: [] }, 'ema'],
    [{ ema: [{ kind: 'constant', decay: 2 }] }, 'ema[0].decay'],
    [{ flip: true }, 'flip'],
    [{ progressEvery: 0 }, 'progressEvery'],
    [{ checkpoints: { folder: 'unused', every: 0 } }, 'checkpoints.every'],
    [{ checkpoints: { folder: 'unused', keep: 0 } }, 'checkpoints.keep'],
    [{ seed: -1 }, 'seed'],
    [{ parameters: ['nothing'] }, 'parameters'],
  ];
  for (const [options, option] of cases) {
    const error = t.throws(() => train(network, data, { steps: 1, ...options }), { instanceOf: OptionError });
    t.is(error.option, option);
  }
});

test('the network is reported at the steps that were asked for, however slow who looks at it is', async (t) => {
  const options = { batch: 24, warmup: 2, seed: 3, workers: 2 };
  const training = train(await planarNetwork(), data, {
    steps: 6,
    modelEvery: 2,
    progressEvery: 4,
    ...options,
  });
  const seen = new Map<number, number[]>();
  for await (const { step, model } of training) {
    if (model) seen.set(step, weightsOf(model));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  t.deepEqual([...seen.keys()], [2, 4, 6]);
  for (const [steps, weights] of seen) {
    const { model } = await train(await planarNetwork(), data, { steps, ...options });
    t.deepEqual(weights, weightsOf(model));
  }
});

test('a run whose networks nobody looks at any more goes on', async (t) => {
  const training = train(await planarNetwork(), data, { steps: 8, batch: 24, modelEvery: 1 });
  for await (const { step } of training) if (step === 2) break;
  t.is((await training).steps, 8);
});

test('a batch beyond all memory, and options that there are not, are refused by name', async (t) => {
  const network = await planarNetwork();
  const run = async (options: object): Promise<unknown> => train(network, data, { steps: 1, ...options });
  for (const [options, message] of [
    [{ batch: 1e11 }, /^batch must be smaller, or accumulation larger/],
    [{ stpes: 3 }, /^stpes must be absent \(did you mean steps\?\)/],
    [{ checkpoints: { foldr: 'x' } }, /^checkpoints\.foldr must be absent \(did you mean folder\?\)/],
    [
      { objective: { wieghting: 'edm' } },
      /^objective\.wieghting must be absent \(did you mean weighting\?\)/,
    ],
  ] as const)
    await t.throwsAsync(run(options), { instanceOf: OptionError, message });
});
