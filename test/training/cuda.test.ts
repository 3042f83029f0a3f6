// Training on a GPU: on the emulated one, where ONNX Runtime is the CPU's, a graph of ONNX's operators has the CPU's bits.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import type { Dataset } from '../../src/data/dataset.js';
import { OptionError } from '../../src/errors.js';
import { buildNetwork } from '../../src/networks/build.js';
import type { Model } from '../../src/onnx/file/model.js';
import { heldOutLoss } from '../../src/training/held-out.js';
import { objective } from '../../src/training/objective.js';
import type { ObjectiveOptions, TrainOptions } from '../../src/training/options.js';
import type { TrainProgress, TrainResult } from '../../src/training/results.js';
import { train } from '../../src/training/train.js';
import { isRealGpu, useEmulatedGpu } from '../support/emulated-gpu.js';
import { planarData, planarNetwork, relativeDifference, weightsOf } from '../support/training-runs.js';

useEmulatedGpu();

const points = planarData(60);
const settings = { batch: 24, workers: 1, seed: 5, learningRate: 0.01, warmup: 3 } as const;

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

/** All of a run that can be compared. */
interface Run {
  readonly result: TrainResult;
  readonly weights: readonly number[][];
  readonly reports: readonly TrainProgress[];
}

async function run(
  model: Model,
  data: Dataset,
  options: Partial<TrainOptions> & { steps: number },
): Promise<Run> {
  const training = train(model, data, { ...settings, progressEvery: 1, ...options });
  const reports: TrainProgress[] = [];
  for await (const report of training) reports.push(report);
  const result = await training;
  return { result, weights: result.averages.map(weightsOf), reports };
}

const told = ({ reports }: Run) =>
  reports.map(({ step, loss, losses, gradientNorm, validation }) => ({
    ...{ step, loss, losses, gradientNorm, validation },
  }));

/** The same bits; of a real GPU, whose networks round otherwise, nearly the same weights. */
function agree(t: ExecutionContext, here: Run, there: Run): void {
  if (isRealGpu) {
    near(t, here, there, 1e-2);
    return;
  }
  t.deepEqual(there.weights, here.weights);
  t.deepEqual(told(there), told(here));
}

function near(t: ExecutionContext, here: Run, there: Run, most: number): void {
  for (const [k, weights] of there.weights.entries()) {
    const error = relativeDifference(weights, here.weights[k]!);
    t.true(error <= most, `average ${k}: ${error}`);
  }
}

/** A graph that every place runs alike. */
const standard = async (model: Model, aim: ObjectiveOptions = {}): Promise<Model> =>
  (await objective(model, aim).trainingGraph('all', 'standard')).model;

const aims: readonly ObjectiveOptions[] = [
  {},
  { diffusion: 'simulation', simulationSteps: 3 },
  { kind: 'sliced', probes: 2 },
  { kind: 'sliced', probe: 'normal' },
];

for (const aim of aims)
  test.serial(`steps, averages and losses have the bits of the CPU: ${JSON.stringify(aim)}`, async (t) => {
    const model = await planarNetwork();
    const options = {
      steps: 6,
      objective: aim,
      graph: await standard(model, aim),
      ema: [
        { kind: 'warm-up', decay: 0.99 },
        { kind: 'power-function', deviation: 0.1 },
      ],
      accumulation: aim.kind === undefined ? 2 : 1,
      validation: planarData(20),
      checkpoints: { folder: temporaryFolder(t), every: 2 },
    } as const;
    const here = await run(model, points, options);
    const checkpoints = { folder: temporaryFolder(t), every: 2 };
    agree(t, here, await run(model, points, { ...options, checkpoints, provider: 'cuda' }));
    t.true(Number.isFinite(here.reports.at(-1)!.validation!.loss));
  });

test.serial('a run goes on from the checkpoint of another place', async (t) => {
  const model = await planarNetwork();
  const options = { graph: await standard(model), clip: 0.1 };
  const whole = await run(model, points, { ...options, steps: 9 });
  const checkpoints = { folder: temporaryFolder(t), every: 1 };
  for (const [steps, provider] of [
    [3, 'cpu'],
    [6, 'cuda'],
    [9, 'cpu'],
  ] as const) {
    const { result, weights } = await run(model, points, { ...options, steps, provider, checkpoints });
    t.is(result.resumedFrom, steps - 3);
    if (steps < 9) continue;
    if (isRealGpu) t.true(relativeDifference(weights[0]!, whole.weights[0]!) < 1e-2);
    else t.deepEqual(weights, whole.weights);
  }
});

/** Pictures of two classes, as bytes. */
const pictures: Dataset = {
  data: new Uint8Array(40 * 64).map((_, i) => (i * 37) % 251),
  shape: [40, 1, 8, 8],
  labels: Int32Array.from({ length: 40 }, (_, i) => i % 2),
};

const common = {
  shape: [1, 8, 8],
  sde: 'vp',
  classes: 2,
  channels: [8, 16],
  dropout: 0.1,
} as const;

for (const kind of ['unet', 'classifier'] as const)
  test.serial(`a ${kind} learns what it learns on the CPU, whose operators round otherwise`, async (t) => {
    const description = kind === 'unet' ? ({ kind, parameterization: 'eps' } as const) : ({ kind } as const);
    const model = buildNetwork({ ...common, ...description }, 1n);
    const options = { steps: 4, batch: 16, learningRate: 1e-3, flip: true };
    const here = await run(model, pictures, options);
    const there = await run(model, pictures, { ...options, provider: 'cuda', modelEvery: 2 });
    near(t, here, there, isRealGpu ? 1e-2 : 1e-5);
    for (const [i, { loss }] of there.reports.entries())
      t.true(Math.abs(loss / here.reports[i]!.loss - 1) < (isRealGpu ? 1e-2 : 1e-5));
    const [, last] = there.reports.filter(({ model }) => model !== undefined);
    t.deepEqual(weightsOf(last!.model!), there.weights[0]);
  });

(isRealGpu ? test.skip : test.serial)(
  'dropout, clipped gradients and averages have the bits of the CPU',
  async (t) => {
    const description = { kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'eps' } as const;
    const model = buildNetwork({ ...description, dropout: 0.3 }, 1n);
    const options = { steps: 6, clip: 0.05, graph: await standard(model) };
    const here = await run(model, points, options);
    agree(t, here, await run(model, points, { ...options, provider: 'cuda' }));
    t.true(here.reports.every(({ gradientNorm }) => gradientNorm > 0.05));
  },
);

/** Bytes that cross the bus in each of ten steps more. */
async function bytesOfStep(t: ExecutionContext, model: Model, data: Dataset, options: Partial<TrainOptions>) {
  const tally = path.join(temporaryFolder(t), 'tally');
  process.env['FASTSDE_EMULATION_TALLY'] = tally;
  // What a process has sent and received so far is written when its last queue has ended.
  const counted = async (steps: number) => {
    await run(model, data, { ...options, steps, provider: 'cuda', progressEvery: steps });
    const text = readFileSync(tally, 'utf8');
    return ['sent', 'received'].map((name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)![1]));
  };
  const [before, few, many] = [await counted(1), await counted(3), await counted(13)];
  delete process.env['FASTSDE_EMULATION_TALLY'];
  return many.map((count, i) => (count - few[i]! - (few[i]! - before[i]!)) / 10);
}

(isRealGpu ? test.skip : test.serial)('no mask or projection crosses the bus in a step', async (t) => {
  const same = ([sent, received]: number[], [ofSent, ofReceived]: number[]) => {
    t.is(sent, ofSent);
    // Whether a kernel failed, 16 bytes, comes as often as there is time for.
    t.true(Math.abs(received! - ofReceived!) <= 16);
  };
  const description = { ...common, kind: 'unet', parameterization: 'eps' } as const;
  const options = { batch: 16, flip: true };
  const masked = await bytesOfStep(t, buildNetwork(description, 1n), pictures, { ...options, clip: 0.05 });
  const plain = buildNetwork({ ...description, dropout: 0 }, 1n);
  same(masked, await bytesOfStep(t, plain, pictures, { ...options, clip: 1e9 }));
  const planar = await planarNetwork();
  const sliced = (probes: number) =>
    bytesOfStep(t, planar, points, { objective: { kind: 'sliced', probes } });
  same(await sliced(3), await sliced(1));
});

(isRealGpu ? test.skip : test.serial)('losses alone come back from a step', async (t) => {
  const tally = path.join(temporaryFolder(t), 'tally');
  process.env['FASTSDE_EMULATION_TALLY'] = tally;
  t.teardown(() => delete process.env['FASTSDE_EMULATION_TALLY']);
  const model = await planarNetwork();
  // What a process has received so far is written when its last queue has ended.
  const received = async (steps: number): Promise<number> => {
    await run(model, points, { steps, provider: 'cuda', progressEvery: steps });
    return Number(/^received (\d+)$/m.exec(readFileSync(tally, 'utf8'))![1]);
  };
  const before = await received(1);
  const few = (await received(3)) - before;
  const many = (await received(13)) - before - few;
  // Of ten steps: the loss, one for each of 24 rows, squares of the gradient, and now and then whether a kernel failed.
  t.true(many - few >= 10 * (4 + 24 * 4 + 8) && many - few <= 10 * 256, `${many - few}`);
});

test.serial('the loss on held-out data is measured there too', async (t) => {
  const model = await planarNetwork();
  const [here, there] = [
    await heldOutLoss(model, points),
    await heldOutLoss(model, points, { provider: 'cuda' }),
  ];
  t.true(Math.abs(there / here - 1) < (isRealGpu ? 1e-2 : 1e-5), `${here} ${there}`);
});

test('several workers are refused, and so are places that are none', async (t) => {
  const model = await planarNetwork();
  const refused = (options: object, message: RegExp): void => {
    t.throws(() => train(model, points, { steps: 1, batch: 24, ...options }), {
      instanceOf: OptionError,
      message,
    });
  };
  refused({ provider: 'cuda', workers: 2 }, /workers must be 1 with the provider 'cuda'.*; got 2/);
  refused({ provider: 'gpu' }, /provider must be one of cpu, cuda/);
  refused({ provider: 'cuda', tf32: 1 }, /tf32 must be true or false/);
});

(isRealGpu ? test.skip : test)('without a GPU nothing falls back', (t) => {
  const cli = path.join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js');
  const args = ['train', '--data', 'swiss-roll', '--steps', '2', '--provider', 'cuda'];
  const env = { ...process.env, FASTSDE_LIBCUDA: '/nonexistent.so' };
  const all = [cli, ...args, '--output', path.join(temporaryFolder(t), 'training')];
  const { status, stderr } = spawnSync(process.execPath, all, { env, encoding: 'utf8' });
  t.is(status, 1);
  t.regex(stderr, /The execution provider cuda cannot start: there is no CUDA driver/);
});
